"""A schedule, and its three questions: which slot is first, which is next, which came before."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property
from typing import NamedTuple

from backfilld.domain.schedules.patterns import WallPattern
from backfilld.domain.schedules.points import AnyOf, EverySeconds, Points, WallPoints
from backfilld.domain.schedules.zones import day_begins
from backfilld.domain.windows.timezones import EARLIEST_SECOND, LATEST_SECOND

FINISHED_AT = datetime(9999, 1, 1, tzinfo=UTC)
"""What digdag shows as the times of a schedule that has no slot any more."""

Rhythm = tuple[WallPattern, ...] | EverySeconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


class Slot(NamedTuple):
    """`session_time` says which slot it is, `run_time` when it runs: both UTC, whole seconds."""

    session_time: datetime
    run_time: datetime


@dataclass(frozen=True)
class Schedule:
    """Slots in a row. `start` and `end` (both days included) bound the run times; no `end`: it goes on for ever."""

    rhythm: Rhythm
    delay: timedelta = timedelta(0)
    zone: tzinfo = UTC
    start: date | None = None
    end: date | None = None
    skip_on_overtime: bool = False
    skip_delayed_by: timedelta | None = None

    def in_zone(self, zone: tzinfo) -> "Schedule":
        """The same definition, read in another zone."""
        return replace(self, zone=zone)

    def first(self, at: datetime) -> Slot | None:
        """The earliest slot whose run time is at or after `at`; None if the schedule is finished by then.

        For `seconds_interval>`, as digdag has it, the session time is.
        """
        delay = 0 if isinstance(self.rhythm, EverySeconds) else self._delay_seconds
        return self._bounded(_ceiling(at) - delay)

    def next(self, session_time: datetime) -> Slot | None:
        """The earliest slot whose session time is after this one (of the schedule or not); None if finished."""
        return self._bounded(_floor(session_time) + 1)

    def previous(self, session_time: datetime) -> Slot | None:
        """The latest slot whose session time is before this one. `start` and `end` do not count here."""
        found = self._points.before(_within(_ceiling(session_time)))
        return None if found is None else self._slot(found)

    def moment_of(self, slot: Slot) -> datetime:
        """The instant for which `first` finds the slot: its run time, or where session times count, that."""
        return slot.session_time if isinstance(self.rhythm, EverySeconds) else slot.run_time

    def stands_at(self, session_time: datetime) -> bool:
        """Whether a slot has this session time; `start` and `end` do not count here."""
        found = self.previous(session_time + _SECOND)
        return found is not None and found.session_time == session_time

    def since(self, slot: Slot | None) -> Iterator[Slot]:
        """`slot` and all after it, one by one."""
        while slot is not None:
            yield slot
            slot = self.next(slot.session_time)

    @property
    def starts_at(self) -> datetime | None:
        """When the first local day of the schedule begins."""
        return None if self.start is None else _instant(self._start)

    @property
    def ends_at(self) -> datetime | None:
        """When the day after the last local day of the schedule begins; nothing runs from then on."""
        return None if self.end is None else _instant(self._end)

    def _bounded(self, second: int) -> Slot | None:
        found = self._points.at_or_after(_within(second))
        if found is not None and found + self._delay_seconds < self._start:
            found = self._points.at_or_after(self._start)
        if found is None or found + self._delay_seconds >= self._end:
            return None
        return self._slot(found)

    def _slot(self, second: int) -> Slot:
        session_time = _instant(second)
        return Slot(session_time, session_time + self.delay)

    @cached_property
    def _points(self) -> Points:
        if isinstance(self.rhythm, EverySeconds):
            return self.rhythm
        each = tuple(WallPoints(pattern, self.zone) for pattern in self.rhythm)
        return each[0] if len(each) == 1 else AnyOf(each)

    @cached_property
    def _delay_seconds(self) -> int:
        return self.delay // _SECOND

    @cached_property
    def _start(self) -> int:
        return EARLIEST_SECOND if self.start is None else day_begins(self.zone, self.start)

    @cached_property
    def _end(self) -> int:
        return _floor(FINISHED_AT) if self.end is None else day_begins(self.zone, self.end + timedelta(days=1))


def _floor(at: datetime) -> int:
    return (at - _EPOCH) // _SECOND


def _ceiling(at: datetime) -> int:
    return -((_EPOCH - at) // _SECOND)


def _within(second: int) -> int:
    """Not further out than one second beyond the calendar, where no slot is found any more."""
    return min(max(second, EARLIEST_SECOND), LATEST_SECOND + 1)


def _instant(second: int) -> datetime:
    return _EPOCH + timedelta(seconds=second)
