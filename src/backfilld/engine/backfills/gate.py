"""The last synchronous step before a start: may one more start now, and if not, why.

Everything that forbids a start is looked at here, from one reading of the clock, in the order of what a
person would want to hear first. Between this look and the executor's send nothing is awaited, so that
after a pause has been applied (`apply`) and the starts that had passed before are out (`settled`),
nothing can start any more.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.records import Backfill, Item
from backfilld.domain.backfills.states import STARTABLE, ReasonCode, Status
from backfilld.domain.windows.gate import WindowGate
from backfilld.domain.windows.openings import Calendar
from backfilld.domain.windows.timezones import find_zone
from backfilld.domain.windows.weekly import WeeklyWindows, parse_windows
from backfilld.engine.starting.circuit_breaker import Obstacle, TargetHealth
from backfilld.engine.starting.leases import Lease
from backfilld.executors.base import NotPermitted
from backfilld.sources.base import SourceBroken
from backfilld.store.backfills.leases import Grant

# What is asked for every item: to look a member up in its enum is a call of its own (until Python 3.12).
_PASSED, _SENT = Point.GATE_PASSED, Point.GATE_SENT


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing may start. `code` None: it is not a reason to publish (ended, lease lapsed)."""

    code: ReasonCode | None
    message: str
    until: datetime | None = None


class CannotGoOn(Exception):
    """The backfill itself cannot go on; the message says why, and becomes its `error`, under `code`."""

    def __init__(self, message: str, *, code: str = "cannot_go_on") -> None:
        super().__init__(message)
        self.code = code

    @staticmethod
    def with_source(problem: SourceBroken) -> "CannotGoOn":
        """Nobody can tell any more what the items are."""
        return CannotGoOn(f"the source is broken: {problem}", code="source_broken")


def zone_of(backfill: Backfill) -> ZoneInfo:
    """The time zone of a backfill; tz data may have been exchanged since it was made."""
    zone = find_zone(backfill.settings.timezone)
    if zone is None:
        raise CannotGoOn(f"the time zone {backfill.settings.timezone!r} is not in this tz data")
    return zone


def calendar_of(backfill: Backfill) -> Calendar:
    """The windows of a backfill in their zone; always open for one without windows."""
    settings = backfill.settings
    if settings.daily_execution_windows is None:
        windows: WeeklyWindows | None = WeeklyWindows.ALWAYS
    else:
        windows, faults, _ = parse_windows(dict(settings.daily_execution_windows), "/daily_execution_windows")
        if faults:
            raise CannotGoOn(f"its windows cannot be read: {faults[0].path}: {faults[0].message}")
    assert windows is not None  # noqa: S101 - there are no faults
    return Calendar(windows, zone_of(backfill), settings.excluded_dates)


def _windows(settings: BackfillSettings) -> tuple[Any, ...]:
    """What a calendar is made of."""
    return settings.daily_execution_windows, settings.timezone, settings.excluded_dates


def _refusal_by_settings(backfill: Backfill) -> Refusal | None:
    """What status and workflow say, made once per change and not with every start."""
    reason = backfill.reason
    if backfill.status is Status.PAUSED and reason is not None:
        return Refusal(reason.code, reason.message, reason.until)
    if backfill.status not in STARTABLE:
        return Refusal(None, f"the backfill is {backfill.status}")
    if not backfill.workflow_enabled:
        return Refusal(ReasonCode.WORKFLOW_DISABLED, f"the workflow {backfill.workflow_name} is disabled")
    return None


class Gate:
    """One backfill's gate. `changed` is set whenever a refusal may have become a permission, or the other way round."""

    def __init__(
        self, backfill: Backfill, lease: Lease[Grant], health: TargetHealth, clock: Clock, *, ramp_seconds: float
    ) -> None:
        self._clock = clock
        self._lease = lease
        self._health = health
        self._ramp_seconds = ramp_seconds
        self._ramp_since: float | None = None
        self._crossing = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self.changed = asyncio.Event()
        self.in_flight: dict[int, Item] = {}
        self.first_start = asyncio.Event()
        self.on_start: Callable[[Item], None] = lambda _: None  # must not wait
        self.draining = False
        self.stopped_because: str | None = None
        self.backfill = backfill
        self._by_settings = _refusal_by_settings(backfill)
        self._windows = WindowGate(calendar_of(backfill))
        self._stop_listening = health.listen(self.changed.set)
        self._leave_switch = lease.stop_switch.join(self)

    def close(self) -> None:
        """Listen no more."""
        self._stop_listening()
        self._leave_switch()

    def apply(self, backfill: Backfill) -> None:
        """Put newer settings and status in force, now."""
        if backfill.version < self.backfill.version:
            return
        windows_changed = _windows(backfill.settings) != _windows(self.backfill.settings)
        self.backfill = backfill
        self._by_settings = _refusal_by_settings(backfill)
        if windows_changed:
            self._windows = WindowGate(calendar_of(backfill))
        self.changed.set()

    def drain(self) -> None:
        """Start nothing any more: the daemon is stopping."""
        self.draining = True
        self.changed.set()

    async def settled(self) -> None:
        """Return once no start that has passed is still on its way out."""
        await self._settled.wait()

    def refusal(self, at: datetime) -> Refusal | None:
        """Why nothing may start at `at`, which is now; None if something may."""
        if self._by_settings is not None and self._by_settings.code is not ReasonCode.WORKFLOW_DISABLED:
            return self._by_settings
        if not self._lease.is_safe(self._clock.boottime()):
            return Refusal(None, "the lease is not ours for certain")
        if self.backfill.version < self._lease.newest_version:
            return Refusal(None, "it was changed, and the change is not in force here yet")
        if self.draining:
            return Refusal(ReasonCode.DRAINING, "the daemon is stopping; what is in flight may finish")
        return self._by_settings or self.window_refusal(at) or self.stop_refusal() or self._target_refusal()

    def window_refusal(self, at: datetime) -> Refusal | None:
        """Why no window is open at `at`, and when one opens."""
        state = self._windows.check(at)
        if state.open:
            return None
        if state.next_open_at is None:
            return Refusal(ReasonCode.NEVER_OPENS, "no window opens within 400 days")
        local = self._windows.calendar.local(state.next_open_at)
        return Refusal(ReasonCode.OUTSIDE_WINDOW, f"outside its windows; the next opens at {local}", state.next_open_at)

    def stop_refusal(self) -> Refusal | None:
        """Why nothing may start anywhere, if an operator said so."""
        reason = self._lease.stop_switch.reason
        return Refusal(reason.code, reason.message) if reason else None

    def _target_refusal(self) -> Refusal | None:
        obstacle: Obstacle | None = self._health.obstacle()
        return Refusal(obstacle.code, obstacle.message, obstacle.until) if obstacle else None

    def open_slowly(self) -> None:
        """A window has just opened: fill the slots over a short ramp and not at once."""
        self._ramp_since = self._clock.boottime()

    def ramp_limit(self) -> int:
        """How many may be in flight at this moment: one probe, a share while the ramp lasts, else the full limit."""
        limit = self.backfill.settings.max_in_flight
        if self._health.is_half_open:
            return 1
        if self._ramp_since is None or self._ramp_seconds <= 0:
            return limit
        share = (self._clock.boottime() - self._ramp_since) / self._ramp_seconds
        if share >= 1:
            self._ramp_since = None
            return limit
        return max(1, math.ceil(limit * share))

    @property
    def opens_slowly(self) -> bool:
        """True while fewer may be in flight than the limit says: see `ramp_limit`."""
        return self._ramp_since is not None or self._health.is_half_open

    def permit(self, item: Item) -> "Ticket":
        """What an executor needs to start `item`."""
        return Ticket(self, item)

    def _enter(self, item: Item, at: datetime) -> bool:
        """True if it is a probe."""
        refusal = self.refusal(at)
        if refusal is not None:
            raise NotPermitted(refusal.message)
        if len(self.in_flight) >= self.backfill.settings.max_in_flight:
            raise NotPermitted(f"{len(self.in_flight)} are in flight already")
        self.in_flight[item.position] = item
        if not self._crossing:
            self._settled.clear()
        self._crossing += 1
        self.first_start.set()
        self.on_start(item)
        return self._health.start()

    def _sent(self) -> None:
        self._crossing -= 1
        if not self._crossing:
            self._settled.set()

    def _left(self, item: Item) -> None:
        self.in_flight.pop(item.position, None)


class Ticket:
    """The right to start one item. Used up by `start`, given back by `end`, however the try went."""

    __slots__ = ("_gate", "_item", "_on_its_way", "is_probe", "started", "started_at")

    def __init__(self, gate: Gate, item: Item) -> None:
        self._gate = gate
        self._item = item
        self._on_its_way = False
        self.started = False
        self.is_probe = False
        self.started_at: datetime | None = None

    def start(self) -> None:
        if self.started:
            raise NotPermitted("a permit is good for one start")
        now = self._gate._clock.now()
        self.is_probe = self._gate._enter(self._item, now)
        self.started_at = now
        self.started = self._on_its_way = True
        reached(_PASSED)

    def sent(self) -> None:
        if self._on_its_way:
            self._on_its_way = False
            self._gate._sent()
            reached(_SENT)

    def end(self) -> None:
        """The item is in flight no more."""
        self.sent()
        if self.started:
            self._gate._left(self._item)
