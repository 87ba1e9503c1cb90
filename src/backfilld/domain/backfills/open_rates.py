"""How fast a backfill is while it may work, from points at which its counters were written down.

Hours outside its windows, and minutes in which something kept it from starting, are no measure of its speed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from backfilld.domain.windows.openings import Calendar

LOOKS_BACK_MINUTES = 60.0  # of open time
PARTS_OF_AN_HOUR = 12
ENOUGH_MINUTES = 30.0  # for a range
LONGEST_STRETCH_MINUTES = 60.0  # between two points; what is longer was not looked at in between


@dataclass(frozen=True, slots=True)
class Point:
    """The cumulative counters of one moment, and why nothing was starting then."""

    at: datetime
    succeeded: int
    failed: int
    skipped: int
    cancelled: int
    retrying: int
    in_flight: int
    credits: Decimal
    reason_code: str | None

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.skipped


@dataclass(frozen=True, slots=True)
class OpenRate:
    """Items a minute of open time, over so many minutes; `slow` and `fast`: a quarter of them was slower, faster."""

    per_minute: float
    minutes: float
    slow: float
    fast: float
    last_hour: tuple[int, ...] = ()  # what ended in each five minutes of it, the latest last

    @property
    def has_range(self) -> bool:
        return self.minutes >= ENOUGH_MINUTES and self.slow > 0


def open_rate(points: Sequence[Point], calendar: Calendar | None, *, since: datetime | None) -> OpenRate | None:
    """The rate over the last 60 open minutes behind `since` (the plan was frozen then); None if there are none.

    `points` are newest first.
    """
    stretches: list[tuple[float, float]] = []
    minutes, ended = 0.0, 0
    for length, count in _open_stretches(points, calendar, since):
        stretches.append((count / length, length))
        minutes, ended = minutes + length, ended + count
        if minutes >= LOOKS_BACK_MINUTES:
            break
    if minutes <= 0:
        return None
    return OpenRate(
        ended / minutes, minutes, _quantile(stretches, 0.25), _quantile(stretches, 0.75), _last_hour(points)
    )  # fmt: skip


def _last_hour(points: Sequence[Point]) -> tuple[int, ...]:
    """What ended in each twelfth of the hour before the newest point."""
    counts = [0] * PARTS_OF_AN_HOUR
    for newer, older in pairwise(points):
        ago = (points[0].at - newer.at).total_seconds() / 3600
        if ago >= 1:
            break
        counts[PARTS_OF_AN_HOUR - 1 - int(ago * PARTS_OF_AN_HOUR)] += max(0, newer.ended - older.ended)
    return tuple(counts)


def _open_stretches(
    points: Sequence[Point], calendar: Calendar | None, since: datetime | None
) -> Iterator[tuple[float, int]]:
    """Minutes that were open, and what ended in them, for each two points that follow each other; newest first."""
    for newer, older in pairwise(points):
        if since is not None and older.at < since:
            return
        seconds = (newer.at - older.at).total_seconds()
        if calendar is not None:
            seconds = calendar.open_seconds(older.at, newer.at)
        ended = newer.ended - older.ended
        is_held = ended == 0 and older.reason_code is not None
        if 0 < seconds <= LONGEST_STRETCH_MINUTES * 60 and not is_held and ended >= 0:
            yield seconds / 60, ended


def _quantile(stretches: list[tuple[float, float]], share: float) -> float:
    """The rate below which that share of the minutes lies."""
    wanted = share * sum(length for _, length in stretches)
    passed = 0.0
    for rate, length in sorted(stretches):
        passed += length
        if passed >= wanted:
            return rate
    return max(rate for rate, _ in stretches)
