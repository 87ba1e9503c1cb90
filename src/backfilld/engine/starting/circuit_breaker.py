"""How the targets are: reachable, overwhelmed, or refusing us.

One target serves many backfills, so its health is kept per target and not per backfill. A target that is
down is probed by one item at a time, ever more rarely; the first real answer opens the gate for all.
"""

from collections.abc import Callable, Hashable
from datetime import datetime

from backfilld.clock import Clock
from backfilld.domain.backfills.records import Item
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.holding import OF_BREAKERS, Reason, because
from backfilld.engine.starting.boot_deadline import BootDeadline
from backfilld.events import BreakerMoved, Bus

OPENS_AFTER = 5  # unreachable tries in a row …
OPENS_OVER = 2  # … of at least so many items, so that one poisoned item does not stop the rest
FIRST_PROBE_SECONDS = 1.0
RAREST_PROBE_SECONDS = 30.0
FIRST_REFUSAL_SECONDS = 5.0
RAREST_REFUSAL_SECONDS = 60.0
THROTTLE_SECONDS = 1.0  # a 429 that does not say how long; doubles while they go on
LONGEST_THROTTLE_SECONDS = 30.0
# What is asked for every item: to look a member up in its enum is a call of its own (until Python 3.12).
_SUCCEEDED, _UNREACHABLE = VerdictKind.SUCCEEDED, VerdictKind.UNREACHABLE
_REFUSED, _THROTTLED = VerdictKind.REFUSED, VerdictKind.THROTTLED


class TargetHealth:
    """One target. Decisions go by boot time: a stepped wall clock neither closes nor opens anything."""

    def __init__(self, target: str, clock: Clock, bus: Bus) -> None:
        self.target = target
        self._clock = clock
        self._bus = bus
        self._listeners: list[Callable[[], None]] = []
        self._failures = 0
        self._failing_items: set[Hashable] = set()
        self._cause: ReasonCode | None = None  # the breaker is open because of this
        self._since = clock.now()  # when that began, for whoever was the first to notice
        self._problem: str | None = None
        self._failing_since: datetime | None = None
        self._throttled_since: datetime | None = None
        self._probe_at = BootDeadline(clock)
        self._probe_wait = 0.0
        self._probing = False
        self._paused_until = BootDeadline(clock)
        self._throttle_wait = 0.0
        self.last_success_at: datetime | None = None
        self.last_success_item: Hashable | None = None

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called whenever the answer of `reason` may have changed; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def reason(self) -> Reason | None:
        """Why nothing may start now; None if something may (if only one probe). `until` None: it is being probed."""
        if self._cause is not None and (self._probing or self._probe_at.is_to_come):
            return self._told(None if self._probing else self._probe_at.told)
        if self._paused_until.is_to_come:
            until = self._paused_until.told
            since = self._throttled_since or self._clock.now()
            return because(ReasonCode.RATE_LIMITED, since=since, until=until, target=self.target)
        return None

    def _told(self, until: datetime | None = None) -> Reason:
        cause = self._cause or ReasonCode.TARGET_UNREACHABLE
        return because(cause, since=self._since, until=until, target=self.target, problem=self._problem)

    def suspect(self, reason: Reason | None) -> None:
        """What was said of the target before this process began still holds until a probe tells otherwise."""
        knows_more = self.last_success_at is not None or self._failures or self._cause is not None
        if reason is None or knows_more or reason.code not in OF_BREAKERS:
            return
        self._cause, self._since = reason.code, reason.since
        self._problem = (reason.facts or {}).get("problem")

    @property
    def is_half_open(self) -> bool:
        """True if one probe may start, and nothing beside it."""
        return self._cause is not None

    def start(self) -> bool:
        """Something starts; True if it is the probe on which everything waits."""
        if self._cause is not None and not self._probing:
            self._probing = True
            self._bus.tell(BreakerMoved(self.target, "half_open", self._told().message))
            return True
        return False

    def abandon_probe(self) -> None:
        """The probe ended without telling anything; the next one may start."""
        self._probing = False
        self._changed()

    def others_succeed(self, item: Item, *, since: datetime) -> bool:
        """Whether another one did since `item` failed last, or since this try of it began; of any kind of work."""
        if self.last_success_at is None or self.last_success_item == item.place:
            return False
        return self.last_success_at > (item.last_failed_at or since)

    def note(self, verdict: Verdict, item: Hashable, *, probe: bool, at: datetime | None = None) -> None:
        """Learn from a try of `item` (whatever tells that from others) that ended `at`, or just now.

        `probe`: what `start` said of it.
        """
        probe = probe and self._probing  # else another answer came first, and this is a try like any other
        if probe:
            self._probing = False
        kind = verdict.kind
        if kind is _UNREACHABLE:
            self._note_unreachable(verdict, item, probe, at or self._clock.now())
        elif kind is _REFUSED:
            self._note_refusal(verdict, probe, at or self._clock.now())
        else:
            self._note_answer(verdict, item, at, probe)
        if verdict.retry_after_seconds is not None or kind is _THROTTLED:
            self._note_pause(verdict)
        if probe:
            self._changed()

    def _note_unreachable(self, verdict: Verdict, item: Hashable, probe: bool, at: datetime) -> None:
        if not self._failures:
            self._failing_since = at
        self._failures += 1
        self._failing_items.add(item)
        long_enough = self._failures >= OPENS_AFTER and len(self._failing_items) >= OPENS_OVER
        if probe or self._failed_as_probe or (self._cause is None and long_enough):
            since = self._failing_since or at
            self._open(ReasonCode.TARGET_UNREACHABLE, verdict, since, FIRST_PROBE_SECONDS, RAREST_PROBE_SECONDS)

    def _note_refusal(self, verdict: Verdict, probe: bool, at: datetime) -> None:
        if probe or self._failed_as_probe or self._cause is not ReasonCode.TARGET_REFUSES:
            self._open(ReasonCode.TARGET_REFUSES, verdict, at, FIRST_REFUSAL_SECONDS, RAREST_REFUSAL_SECONDS)

    @property
    def _failed_as_probe(self) -> bool:
        """True if a try that ends now was the probe, though it never passed the gate: no connection, no secret."""
        return self._cause is not None and not self._probing and not self._probe_at.is_to_come

    def _open(self, cause: ReasonCode, verdict: Verdict, since: datetime, first: float, rarest: float) -> None:
        again = self._cause is cause
        self._probe_wait = min(max(first, self._probe_wait * 2), rarest) if again else first
        self._since = self._since if again else since
        self._probe_at.move(self._clock.boottime() + self._probe_wait)
        self._cause, self._probing = cause, False
        self._problem = verdict.error or verdict.error_class
        state = "refusing" if cause is ReasonCode.TARGET_REFUSES else "open"
        self._bus.tell(BreakerMoved(self.target, state, self._told().message))
        self._changed()

    def _note_answer(self, verdict: Verdict, item: Hashable, at: datetime | None, probe: bool) -> None:
        if self._failures:
            self._failures = 0
            self._failing_items.clear()
        if verdict.kind is _SUCCEEDED:
            self.last_success_at = at or self._clock.now()
            self.last_success_item = item
        if verdict.kind is not _THROTTLED:
            self._throttle_wait = 0.0
            if self._throttled_since is not None and not self._paused_until.is_to_come:
                self._throttled_since = None
        # an answer to what was started before the refusal does not say that we are welcome again
        if self._cause is not None and (probe or self._cause is not ReasonCode.TARGET_REFUSES):
            self.reset()

    def _note_pause(self, verdict: Verdict) -> None:
        seconds = verdict.retry_after_seconds
        if seconds is None:
            self._throttle_wait = min(max(THROTTLE_SECONDS, self._throttle_wait * 2), LONGEST_THROTTLE_SECONDS)
            seconds = self._throttle_wait
        if self._throttled_since is None:
            self._throttled_since = self._clock.now()
        until = self._clock.boottime() + seconds
        if until > self._paused_until.at:
            self._paused_until.move(until)
            self._changed()

    def reset(self) -> None:
        """Somebody mended something (or the target answers again): start as if nothing had happened."""
        was_open = self._cause is not None
        self._cause, self._problem, self._probing, self._probe_wait = None, None, False, 0.0
        if was_open:
            self._bus.tell(BreakerMoved(self.target, "closed", None))
        self._changed()

    def _changed(self) -> None:
        for listener in list(self._listeners):
            listener()


class Targets:
    """The health of every target that this process knows."""

    def __init__(self, clock: Clock, bus: Bus) -> None:
        self._clock = clock
        self._bus = bus
        self._known: dict[str, TargetHealth] = {}

    def health(self, target: str) -> TargetHealth:
        """Always the same object for the same target."""
        if target not in self._known:
            self._known[target] = TargetHealth(target, self._clock, self._bus)
        return self._known[target]

    def reset(self) -> None:
        """After a reload: whatever refused us may have got its new credentials."""
        for health in self._known.values():
            health.reset()
