"""Reads cron text: five fields, as digdag understands them.

`*`, lists, ranges (which may wrap: `22-2`), steps behind `*` or a range, names of months and weekdays, `L` for the last
day of the month, and `|` between alternatives. A step behind a single value is ignored. No `?`, no `@daily`.
"""

import re
from dataclasses import dataclass

from backfilld.domain.errors import did_you_mean
from backfilld.domain.schedules.days import DayRule
from backfilld.domain.schedules.patterns import WallPattern, at_times

LONGEST_CRON = 500
MOST_ALTERNATIVES = 10

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
WEEKDAY_NUMBERS = {name: number for number, name in enumerate(_WEEKDAYS)}
_NUMBER = re.compile("[0-9]{1,4}")
_LAST = "l"


@dataclass(frozen=True, slots=True)
class _Field:
    """What one of the five may hold: numbers from `least` to `most`, by their names too."""

    title: str
    least: int
    most: int
    names: dict[str, int]

    def read(self, text: str) -> frozenset[int]:
        """The numbers meant; ValueError says what is wrong."""
        return frozenset(number for part in text.split(",") for number in self._part(part))

    def _part(self, text: str) -> list[int]:
        span, slash, step = text.partition("/")
        numbers = self._span(span)
        return numbers[:: self._step(step)] if slash else numbers

    def _span(self, text: str) -> list[int]:
        if text == "*":
            return list(range(self.least, self.most + 1))
        first, dash, last = text.partition("-")
        start, end = self.number(first), self.number(last if dash else first)
        if start <= end:
            return list(range(start, end + 1))
        return [*range(start, self.most + 1), *range(self.least, end + 1)]

    def _step(self, text: str) -> int:
        if not _NUMBER.fullmatch(text) or not int(text):
            raise ValueError(f"the step {text!r} in the {self.title} field must be a whole number from 1 on")
        return int(text)

    def number(self, text: str) -> int:
        if text in self.names:
            return self.names[text]
        number = int(text) if _NUMBER.fullmatch(text) else None
        if number is not None and self.least <= number <= self.most:
            return number
        names = f" or one of {', '.join(self.names)}" if self.names else ""
        hint = did_you_mean(text, self.names)
        raise ValueError(f"{text!r} in the {self.title} field must be {self.least} to {self.most}{names}{hint}")


_MINUTE = _Field("minute", 0, 59, {})
_HOUR = _Field("hour", 0, 23, {})
_DAY = _Field("day-of-month", 1, 31, {})
_MONTH = _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)})
_ALL_WEEK = _Field("day-of-week", 0, 6, WEEKDAY_NUMBERS)  # for `*` and for ranges that wrap
_WEEKDAY = _Field("day-of-week", 0, 7, WEEKDAY_NUMBERS)


def read_cron(text: str) -> tuple[WallPattern, ...]:
    """The alternatives of `text`, one or more; ValueError with everything that is wrong, joined by `; `."""
    if len(text) > LONGEST_CRON:
        raise ValueError(f"must not be longer than {LONGEST_CRON} characters")
    alternatives = text.lower().split("|")
    if len(alternatives) > MOST_ALTERNATIVES:
        raise ValueError(f"must not have more than {MOST_ALTERNATIVES} alternatives")
    patterns = tuple(_alternative(each) for each in alternatives)
    possible = tuple(pattern for pattern in patterns if pattern.days.can_match())
    if not possible:
        raise ValueError("never fires: no month meant has such a day")
    return possible


def _alternative(text: str) -> WallPattern:
    fields = text.split()
    if len(fields) != 5:  # the five that the message names
        expected = "minute hour day-of-month month day-of-week, such as '30 7 * * mon-fri'"
        raise ValueError(f"{text.strip()!r} has {len(fields)} fields; expected five: {expected}")
    problems: list[str] = []

    def read(field: _Field, given: str) -> frozenset[int]:
        try:
            return field.read(given)
        except ValueError as wrong:
            problems.append(str(wrong))
            return frozenset()

    minute, hour, day, month, weekday = fields
    minutes, hours, months = read(_MINUTE, minute), read(_HOUR, hour), read(_MONTH, month)
    days, has_last = _without_last(day)
    numbers = read(_DAY, days) if days else frozenset()
    weekdays = _weekdays(weekday, problems)
    if problems:
        raise ValueError("; ".join(problems))
    return at_times(hours, minutes, DayRule(months, numbers, has_last, weekdays))


def _without_last(text: str) -> tuple[str, bool]:
    parts = text.split(",")
    return ",".join(part for part in parts if part != _LAST), _LAST in parts


def _weekdays(text: str, problems: list[str]) -> frozenset[int]:
    """0 and 7 both are Sunday: 7 is what a range may run up to (`5-7`), and never counts beside 0 in steps."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("/")[0].partition("-")
        field = _WEEKDAY if "7" in (first, last) else _ALL_WEEK
        try:
            found |= {number % 7 for number in field.read(part)}
        except ValueError as wrong:
            problems.append(str(wrong).replace("must be 0 to 6", "must be 0 to 7"))
    return frozenset(found)
