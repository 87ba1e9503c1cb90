"""The gate in front of the items of one backfill.

Its status and settings are put in force here (`apply`), and its windows are asked with every start.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from datetime import datetime

from backfilld.clock import Clock
from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.holding import because, closed
from backfilld.domain.backfills.records import Backfill, InFlight, Item
from backfilld.domain.backfills.slowing import Slowing
from backfilld.domain.backfills.states import STARTABLE, ReasonCode, Status
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.calendars import UnreadableWindows, calendar_of, zone_of
from backfilld.domain.windows.gate import WindowGate
from backfilld.domain.windows.openings import Calendar, WindowState
from backfilld.domain.windows.weekly import WeeklyWindows
from backfilld.engine.starting.leases import Lease
from backfilld.engine.starting.start_gate import Refusal, StartGate, Terms
from backfilld.engine.starting.targets.target_health import TargetHealth
from backfilld.executors.base import NotPermitted
from backfilld.sources.base import SourceBroken
from backfilld.store.backfills.leases import Grant

TOO_SLOW = frozenset({"timeout", "reset", "connection_closed"})  # whatever time it took
# Nobody was asked, or another than what stands behind the target answered: that is no latency of its own.
SAYS_NOTHING = frozenset({VerdictKind.UNREACHABLE, VerdictKind.REFUSED, VerdictKind.NO_ROOM})


class CannotGoOn(Exception):
    """The backfill itself cannot go on; the message says why, and becomes its `error`, under `code`."""

    def __init__(self, message: str, *, code: str = "cannot_go_on") -> None:
        super().__init__(message)
        self.code = code

    @staticmethod
    def with_source(problem: SourceBroken) -> "CannotGoOn":
        """Nobody can tell any more what the items are."""
        return CannotGoOn(f"the source is broken: {problem}", code="source_broken")


def _calendar(backfill: Backfill) -> Calendar:
    """The windows of a backfill in their zone; always open for one without windows."""
    try:
        calendar = calendar_of(backfill)
    except UnreadableWindows as problem:
        raise CannotGoOn(str(problem)) from problem
    return calendar or Calendar(WeeklyWindows.ALWAYS, zone_of(backfill))


def _refusal_by_status(backfill: Backfill) -> Refusal | None:
    """Made once per change and not with every start."""
    reason = backfill.reason
    if backfill.status is Status.PAUSED and reason is not None:
        return Refusal.of(reason)
    return None if backfill.status in STARTABLE else Refusal(f"the backfill is {backfill.status}")


def _refusal_by_workflow(backfill: Backfill, now: datetime) -> Refusal | None:
    if backfill.workflow_enabled:
        return None
    how = backfill.workflow_off
    reason = because(ReasonCode.WORKFLOW_DISABLED, since=now, workflow=backfill.workflow_name, how=how)
    return Refusal.of(reason.lasting(backfill.reason))


class Gate(StartGate[Item]):
    """One backfill's gate: beside what every gate looks at its status, its workflow, its windows and its limit."""

    def __init__(
        self, backfill: Backfill, lease: Lease[Grant], health: TargetHealth, clock: Clock, *, ramp_seconds: float
    ) -> None:
        self._windows = WindowGate(_calendar(backfill))
        self._closed: tuple[WindowState, Refusal] | None = None
        super().__init__(lease, health, clock, _terms_of(backfill))
        self._ramp_seconds = ramp_seconds
        self._ramp_since: float | None = None
        self._ramp_above = 0
        self.asked = 0  # how often somebody wanted target and source to be asked at once
        self.in_flight: dict[int, tuple[Item, datetime]] = {}  # by position, with when each started
        self.first_start = asyncio.Event()
        self.last_start: float | None = None  # boot time; None: nothing has started in this process
        self.on_start: Callable[[Item], None] | None = None  # must not wait
        self.on_admit: Callable[[Item], None] | None = None  # the last to be asked; NotPermitted
        self.turn_at: Callable[[], datetime | None] = lambda: (
            None
        )  # when its own pace lets the next one start; None: now
        self.on_change: Callable[[Backfill], None] = lambda _: None  # newer settings are in force
        self.slowing: Slowing | None = None  # None: nobody wants the target's latency to be followed
        self.on_slots: Callable[[], None] = lambda: None  # `slots` is another than before
        self._obey(backfill)

    def _obey(self, backfill: Backfill) -> None:
        self.backfill = backfill
        self.terms = _terms_of(backfill)
        self._version = backfill.version
        self._first = _refusal_by_status(backfill)
        self._by_workflow = _refusal_by_workflow(backfill, self._clock.now())
        self._follow_latency(backfill.settings)

    def _follow_latency(self, settings: BackfillSettings) -> None:
        terms = settings.slow_down
        if terms is None:
            self.slowing = self.on_tried = None
            return
        if self.slowing is None:
            self.slowing = Slowing(terms, settings.max_in_flight)
        self.slowing.obey(terms, settings.max_in_flight)
        self.on_tried = self._note_latency

    def _note_latency(self, seconds: float, verdict: Verdict) -> None:
        if self.slowing is None or verdict.kind in SAYS_NOTHING:
            return
        bad = verdict.kind is VerdictKind.THROTTLED or verdict.error_class in TOO_SLOW
        if self.slowing.note(self._clock.monotonic(), seconds, bad=bad):
            self.on_slots()
            self.changed.set()

    @property
    def slots(self) -> int:
        """How many may be in flight, as the settings say and the target takes them."""
        limit = self.backfill.settings.max_in_flight
        return limit if self.slowing is None else max(1, min(limit, self.slowing.limit))

    def apply(self, backfill: Backfill) -> None:
        """Put newer settings and status in force, now."""
        if backfill.version < self.backfill.version:
            return
        before, limit = self.backfill, self.backfill.settings.max_in_flight
        if backfill.asked_again_at != before.asked_again_at:
            self.asked += 1
            self.health.ask_now()
        self._obey(backfill)
        if backfill.settings.max_in_flight > limit:
            self.open_slowly(above=limit)
        if backfill.hours != before.hours:
            self._put_hours(backfill)
        self.on_change(backfill)
        self.changed.set()

    def _put_hours(self, backfill: Backfill) -> None:
        """Other windows: if they are open where the old ones were not, that is an opening like any other."""
        now, before = self._clock.now(), self._windows
        self._windows = WindowGate(_calendar(backfill))
        if not before.check(now).open and self._windows.check(now).open:
            self.open_slowly()

    def _own_refusal(self, at: datetime) -> Refusal | None:
        return self._by_workflow or self.window_refusal(at)

    def _own_refusals(self, at: datetime) -> Iterator[Refusal | None]:
        yield self._by_workflow
        yield self.window_refusal(at)

    @property
    def calendar(self) -> Calendar:
        """The windows in force."""
        return self._windows.calendar

    def window_refusal(self, at: datetime) -> Refusal | None:
        """Why no window is open at `at`, and when one opens."""
        state = self._windows.check(at)
        if state.open:
            return None
        if self._closed is None or self._closed[0] is not state:
            begun_at = self.backfill.planned_at or self.backfill.created_at
            reason = closed(self._windows.calendar, at, begun_at=begun_at)
            if reason is None:
                return None
            self._closed = state, Refusal.of(reason)
        return self._closed[1]

    @property
    def is_probing(self) -> bool:
        """True while the target is only asked whether it is well again: what was said of it still holds."""
        return self.health.is_half_open

    def open_slowly(self, *, above: int = 0) -> None:
        """A window has just opened, or more may be in flight than `above`: fill the slots over a short ramp."""
        self._ramp_since, self._ramp_above = self._clock.boottime(), above

    def ramp_limit(self) -> int:
        """How many may be in flight at this moment: one probe, a share while the ramp lasts, else the full limit."""
        limit = self.slots
        if self.health.is_half_open:
            return 1
        if self._ramp_since is None or self._ramp_seconds <= 0:
            return limit
        share = (self._clock.boottime() - self._ramp_since) / self._ramp_seconds
        if share >= 1:
            self._ramp_since = None
            return limit
        above = min(self._ramp_above, limit)
        return max(1, above + math.ceil((limit - above) * share))

    @property
    def opens_slowly(self) -> bool:
        """True while fewer may be in flight than the limit says: see `ramp_limit`."""
        return self._ramp_since is not None or self.health.is_half_open

    def _admit(self, item: Item, at: datetime) -> None:
        if len(self.in_flight) >= self.backfill.settings.max_in_flight:
            raise NotPermitted(f"{len(self.in_flight)} are in flight already")
        if self.on_admit is not None:
            self.on_admit(item)
        self.in_flight[item.position] = item, at
        self.last_start = self._looked_at
        self.first_start.set()
        if self.on_start is not None:
            self.on_start(item)

    def oldest(self, most: int) -> list[InFlight]:
        """What is in flight, the oldest of it if it is more than `most`."""
        begun = [InFlight(item.position, item.attempt, at) for item, at in list(self.in_flight.values())]
        return sorted(begun, key=lambda one: one.started_at)[:most]

    def _left(self, item: Item) -> None:
        self.in_flight.pop(item.position, None)


def _terms_of(backfill: Backfill) -> Terms:
    return Terms(backfill.workflow_name, backfill.settings.max_attempts, backfill.id)
