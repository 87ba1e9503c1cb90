"""Which readings of a wall clock a pattern means. Zones are of no concern here.

A reading is a number of seconds: those from 1970-01-01 00:00 to the reading, as if no clock were ever changed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from backfilld.domain.schedules.days import DayRule

DAY_SECONDS = 86_400
EVERY_HOUR = frozenset(range(24))


@dataclass(frozen=True, slots=True)
class WallPattern:
    """Some seconds of some days. `every_hour`: the hour does not matter, so a repeated hour counts twice."""

    days: DayRule
    times: tuple[int, ...]
    every_hour: bool

    def at_or_after(self, wall: int) -> int | None:
        """The first reading from `wall` on that matches."""
        today, time = divmod(wall, DAY_SECONDS)
        day = self.days.at_or_after(today)
        if day == today:
            place = bisect_left(self.times, time)
            if place < len(self.times):
                return day * DAY_SECONDS + self.times[place]
            day = self.days.at_or_after(today + 1)
        return None if day is None else day * DAY_SECONDS + self.times[0]

    def at_or_before(self, wall: int) -> int | None:
        """The last reading up to `wall` that matches."""
        today, time = divmod(wall, DAY_SECONDS)
        day = self.days.at_or_before(today)
        if day == today:
            place = bisect_right(self.times, time)
            if place:
                return day * DAY_SECONDS + self.times[place - 1]
            day = self.days.at_or_before(today - 1)
        return None if day is None else day * DAY_SECONDS + self.times[-1]

    def matches(self, wall: int) -> bool:
        return self.at_or_after(wall) == wall


def at_times(hours: Iterable[int], minutes: Iterable[int], days: DayRule) -> WallPattern:
    """Every one of `minutes` in every one of `hours`, on these days."""
    hours, minutes = frozenset(hours), frozenset(minutes)
    times = sorted(hour * 3600 + minute * 60 for hour in hours for minute in minutes)
    return WallPattern(days, tuple(times), every_hour=hours == EVERY_HOUR)


def midnights(days: DayRule) -> WallPattern:
    return at_times({0}, {0}, days)
