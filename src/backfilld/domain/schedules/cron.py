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
_WORDS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip


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
        if text == "?":
            raise ValueError(f"'?' in the {self.title} field is not known here; write '*', which is any as well")
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
        raise ValueError(_other_fields(text.strip(), fields))
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


def _other_fields(text: str, fields: list[str]) -> str:
    """What is said of text that has not five fields; other systems write six, seven, or a word."""
    if text in _WORDS:
        return f"{text!r} is not known here; write '{_WORDS[text]}'"
    count = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
    expected = "expected five: minute hour day-of-month month day-of-week"
    if len(fields) in (6, 7) and _NUMBER.match(fields[0]):  # Quartz: seconds first, and perhaps years last
        if any(digit.isdigit() for digit in fields[5]):
            return (
                f"{text!r} has {count}; {expected}; leave the seconds out, and name weekdays (Quartz has 1 for Sunday)"
            )
        return f"{text!r} has {count}; {expected}; write '{' '.join(fields[1:6]).replace('?', '*')}', without seconds"
    return f"{text!r} has {count}; {expected}, such as '30 7 * * mon-fri'"


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
