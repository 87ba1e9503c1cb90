"""When a backfill may run, as instants.

People say "22:00 to 06:00 in Tokyo"; the scheduler needs instants. A window is open when the wall clock of its zone
reads a time inside it: times that a clock change skips never come, times that it repeats come twice, and nothing is
shifted or measured. This module is the only place that knows, and gate, dashboard and previews all ask it.

Inside, time is whole seconds since 1970: UTC is cut into pieces of one offset, in which windows are plain arithmetic,
and what is open in neighbouring pieces is joined again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import islice
from math import isfinite
from zoneinfo import ZoneInfo

from backfilld.domain.windows.clock_changes import sentences
from backfilld.domain.windows.timezones import EARLIEST_SECOND, LATEST_SECOND, offset_at, pieces
from backfilld.domain.windows.weekly import DAY, WeeklyWindows

HORIZON = timedelta(days=400)
FARTHEST_FINISH = timedelta(days=3653)  # an estimate of more than ten years tells nobody anything

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_SECOND = timedelta(seconds=1)
_EIGHT_DAYS = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Opening:
    """Open from `opens_at` until just before `closes_at`; aware UTC, and never empty."""

    opens_at: datetime
    closes_at: datetime

    @property
    def seconds(self) -> float:
        return (self.closes_at - self.opens_at).total_seconds()


@dataclass(frozen=True, slots=True)
class WindowState:
    """Whether it is open now, and what comes next.

    `closes_at` is None when closed, or when nothing closes within HORIZON; `next_open_at` is the start of the next
    opening, not of the present one, and None if none comes within HORIZON.
    """

    open: bool
    next_open_at: datetime | None
    closes_at: datetime | None


@dataclass(frozen=True)
class Calendar:
    """Windows in a zone. On `excluded_dates` (local) no window starts; one from the day before runs to its end.

    Until `override_until`, in whole seconds, it is open whatever they say.
    """

    windows: WeeklyWindows
    zone: ZoneInfo
    excluded_dates: frozenset[date] = frozenset()
    override_until: datetime | None = None

    def is_open(self, at: datetime) -> bool:
        """Whether the zone's wall clock reads a time inside a window."""
        second = _second(at)
        if second < self._override:
            return True
        day, time = divmod(second + offset_at(self.zone, second), DAY)
        return any(start <= time < end for start, end in self._spans(day)) or any(
            time + DAY < end for _, end in self._spans(day - 1)
        )

    def intervals(self, since: datetime, until: datetime) -> list[Opening]:
        """What is open in `[since, until)`: in order, apart from each other, clipped to both ends."""
        return list(self.openings(since, until))

    def next_opening(self, after: datetime) -> Opening | None:
        """The opening that `after` falls in (from `after` on), else the first to come within HORIZON, else None."""
        return next(self.openings(after, _later(after, HORIZON)), None)

    def state(self, at: datetime) -> WindowState:
        """Open or closed, and what comes next, as the API tells it."""
        if self._never_closes:
            return WindowState(True, None, None)
        now = _second(at)
        limit = now + int(HORIZON.total_seconds())
        coming = list(islice(_joined(self._open_seconds(now, limit)), 2))
        if not coming or coming[0][0] > now:
            return WindowState(False, _instant(coming[0][0]) if coming else None, None)
        closes = coming[0][1]
        return WindowState(
            True,
            next_open_at=_instant(coming[1][0]) if len(coming) > 1 else None,
            closes_at=_instant(closes) if closes < limit else None,
        )

    def closed_since(self, at: datetime) -> datetime | None:
        """When the last opening before `at`, which is closed, ended; None if there was none within HORIZON."""
        for back in (_EIGHT_DAYS, HORIZON):
            if past := self.intervals(at - back, at):
                return past[-1].closes_at
        return None

    def open_seconds(self, since: datetime, until: datetime) -> float:
        """How many seconds of `[since, until)` are open."""
        if self._never_closes:
            return max(0.0, (until - since).total_seconds())
        return sum(opening.seconds for opening in self.openings(since, until))

    def finish_at(self, start: datetime, busy_seconds: float) -> datetime | None:
        """When `busy_seconds` of open time will have passed since `start`; None if not within FARTHEST_FINISH."""
        if not isfinite(busy_seconds) or busy_seconds > FARTHEST_FINISH.total_seconds():
            return None
        left = max(0.0, busy_seconds)
        if self._never_closes:
            return _later(start, timedelta(seconds=left))
        if self.next_opening(start) is None:
            return None
        for opening in self.openings(start, _later(start, FARTHEST_FINISH)):
            if left <= opening.seconds:
                return opening.opens_at + timedelta(seconds=left)
            left -= opening.seconds
        return None

    def notes(self, since: datetime, until: datetime) -> list[str]:
        """A sentence for each window that a clock change within `[since, until)` shortens, lengthens or leaves out."""
        if self._never_closes:
            return []
        return list(sentences(self.windows.days, self._excluded_days, self.zone, _second(since), _second(until)))

    def local(self, instant: datetime) -> str:
        """The instant as the zone's clocks show it: ISO 8601 with the offset."""
        return min(max(instant, _instant(EARLIEST_SECOND)), _instant(LATEST_SECOND)).astimezone(self.zone).isoformat()

    @cached_property
    def _never_closes(self) -> bool:
        return self.windows.always_open and not self.excluded_dates

    @cached_property
    def _override(self) -> int:
        """The second until which it is open in any case."""
        return EARLIEST_SECOND if self.override_until is None else _second(self.override_until)

    @cached_property
    def _excluded_days(self) -> frozenset[int]:
        return frozenset(excluded.toordinal() - _EPOCH_ORDINAL for excluded in self.excluded_dates)

    def _spans(self, day: int) -> Iterable[tuple[int, int]]:
        """The windows that start on that local day (days since 1970)."""
        return () if day in self._excluded_days else self.windows.days[(day + 3) % 7]  # 1970 began on a Thursday

    def openings(self, since: datetime, until: datetime) -> Iterator[Opening]:
        """As `intervals`, one after the other, for whoever may stop early."""
        if since >= until:
            return
        for opens, closes in _joined(self._open_seconds(_second(since), _second(until, up=True))):
            yield Opening(max(_instant(opens), since.astimezone(UTC)), min(_instant(closes), until.astimezone(UTC)))

    def _open_seconds(self, since: int, until: int) -> Iterator[tuple[int, int]]:
        """What is open in `[since, until)`, by start; neighbours may touch or overlap. Lazy, as a walk may be long."""
        if (
            self._never_closes
        ):  # one stretch: whoever joins its days would walk through all of them for the first opening
            yield from [(since, min(until, LATEST_SECOND))] if since < min(until, LATEST_SECOND) else []
            return
        if since < self._override:
            yield since, min(self._override, until)
        for piece in pieces(self.zone, since, min(until, LATEST_SECOND)):
            first, last = piece.start + piece.offset, piece.end + piece.offset  # as local times
            for day in range(first // DAY - 1, (last - 1) // DAY + 1):
                for start, end in self._spans(day):
                    opens, closes = max(first, day * DAY + start), min(last, day * DAY + end)
                    if opens < closes:
                        yield opens - piece.offset, closes - piece.offset


def _joined(stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    current: tuple[int, int] | None = None
    for opens, closes in stretches:
        if current is None or opens > current[1]:
            if current is not None:
                yield current
            current = opens, closes
        elif closes > current[1]:
            current = current[0], closes
    if current is not None:
        yield current


def _second(at: datetime, *, up: bool = False) -> int:
    whole, rest = divmod(at - _UNIX_EPOCH, _SECOND)
    return min(max(whole + bool(up and rest), EARLIEST_SECOND), LATEST_SECOND)


def _instant(second: int) -> datetime:
    return _UNIX_EPOCH + timedelta(seconds=second)


def _later(at: datetime, by: timedelta) -> datetime:
    return at + by if at <= _instant(LATEST_SECOND) - by else max(at, _instant(LATEST_SECOND))
