"""Which days of the calendar a pattern means, and how to find the nearest one without looking for ever.

Days are counted from 1970-01-01. Day of month and day of week must both fit, unlike in most crons.
"""

import calendar
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

EVERY_MONTH = frozenset(range(1, 13))
EVERY_DAY_OF_MONTH = frozenset(range(1, 32))
EVERY_WEEKDAY = frozenset(range(7))

# 29 February falls on a given weekday at least every 40 years (across a year such as 2100 without a leap day).
_YEARS_SEARCHED = 41
_EARLIEST_YEAR, _LATEST_YEAR = 1, 9998
_EPOCH = date(1970, 1, 1).toordinal()
_LONGEST_FEBRUARY = 29


@dataclass(frozen=True, slots=True)
class DayRule:
    """Months 1 to 12, days of the month 1 to 31 or its last one, weekdays 0 (Sunday) to 6."""

    months: frozenset[int] = EVERY_MONTH
    days_of_month: frozenset[int] = EVERY_DAY_OF_MONTH
    last_of_month: bool = False
    weekdays: frozenset[int] = EVERY_WEEKDAY

    @property
    def is_every_day(self) -> bool:
        return (self.months, self.days_of_month, self.weekdays) == (EVERY_MONTH, EVERY_DAY_OF_MONTH, EVERY_WEEKDAY)

    def can_match(self) -> bool:
        """False for days that no calendar has, such as 30 February."""
        if self.last_of_month:
            return True
        longest = {month: calendar.monthrange(2001, month)[1] for month in self.months} | {2: _LONGEST_FEBRUARY}
        return any(day <= longest[month] for month in self.months for day in self.days_of_month)

    def at_or_after(self, day: int) -> int | None:
        """The first such day from `day` on; None if there is none within the search's reach."""
        if self.is_every_day:
            return day
        start = _date(day)
        years = range(start.year, min(start.year + _YEARS_SEARCHED, _LATEST_YEAR) + 1)
        for year, month in ((year, month) for year in years for month in sorted(self.months)):
            if (year, month) < (start.year, start.month):
                continue
            for found in _in_month(self, year, month):
                if found >= day:
                    return found
        return None

    def at_or_before(self, day: int) -> int | None:
        """The last such day up to `day`; None if there is none within the search's reach."""
        if self.is_every_day:
            return day
        start = _date(day)
        years = range(start.year, max(start.year - _YEARS_SEARCHED, _EARLIEST_YEAR) - 1, -1)
        for year, month in ((year, month) for year in years for month in sorted(self.months, reverse=True)):
            if (year, month) > (start.year, start.month):
                continue
            for found in reversed(_in_month(self, year, month)):
                if found <= day:
                    return found
        return None


@lru_cache(maxsize=4096)
def _in_month(rule: DayRule, year: int, month: int) -> tuple[int, ...]:
    """The days of that month, in order. Remembered, since whoever walks a schedule asks again and again."""
    weekday, length = calendar.monthrange(year, month)  # of its first day, Monday being 0
    before = date(year, month, 1).toordinal() - _EPOCH - 1
    days = rule.days_of_month | {length} if rule.last_of_month else rule.days_of_month
    return tuple(before + day for day in sorted(days) if day <= length and (weekday + day) % 7 in rule.weekdays)


def _date(day: int) -> date:
    return date.fromordinal(day + _EPOCH)
