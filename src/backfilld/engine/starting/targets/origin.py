"""What is true for all who send something to one origin: whether it answers, and how long it asked us to wait.

Whoever brought the last bad news lets the others go first: else the same bad one might probe for ever.
"""

from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Protocol

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import VerdictKind
from backfilld.domain.engines import is_engine, shown_target
from backfilld.engine.starting.targets.boot_deadline import BootDeadline
from backfilld.engine.starting.targets.budget import TargetBudget
from backfilld.engine.starting.targets.circuit_breaker import Breaker
from backfilld.engine.starting.targets.machine import Machine

UNREACHABLE = frozenset({ReasonCode.TARGET_UNREACHABLE, ReasonCode.ENGINE_UNREACHABLE})
OPENS_AFTER = 5  # unreachable tries in a row …
OPENS_OVER = 2  # … of at least so many items, so that one poisoned item does not stop the rest
FIRST_PROBE_SECONDS = 1.0
RAREST_PROBE_SECONDS = 30.0
THROTTLE_SECONDS = 1.0  # a 429 that does not say how long; doubles while they go on
LONGEST_THROTTLE_SECONDS = 30.0
TURN_SECONDS = 0.25  # by so much does one let each of those go first that did not bring the last bad news …
LONGEST_TURN_SECONDS = 1.0  # … though they may have no use for it
# What is asked for every item: to look a member up in its enum is a call of its own (until Python 3.12).
_SUCCEEDED, _THROTTLED = VerdictKind.SUCCEEDED, VerdictKind.THROTTLED


class User(Protocol):
    """Who sends something there."""

    was_bad_at: float  # the boot time at which it brought bad news last; 0: never

    def changed(self) -> None:
        """Another answer may be given now."""


class Origin:
    """What is true for all who send something there."""

    def __init__(self, target: str, clock: Clock, bus: Bus, machine: Machine) -> None:
        self.target = target
        self.machine = machine
        self.budget: TargetBudget | None = None  # that the configuration gives it
        self.last_start: float | None = None  # boot time of the last start there; None: nothing has started
        self.last_of_backfills: float | None = None
        self._clock = clock
        self.breaker = Breaker(
            clock,
            bus,
            code=ReasonCode.ENGINE_UNREACHABLE if is_engine(target) else ReasonCode.TARGET_UNREACHABLE,
            target=shown_target(target),
            label=target,
            opened_as="open",
            first_seconds=FIRST_PROBE_SECONDS,
            rarest_seconds=RAREST_PROBE_SECONDS,
        )
        self.prober: User | None = None
        self.users: list[User] = []
        self.paused_until = BootDeadline(clock)
        self._asked: str | None = None  # what the pause is the answer to; None: it did not say for how long
        self._throttle_wait = 0.0
        self._failures = 0
        self._failing_items: set[Hashable] = set()
        self._failing_since: datetime | None = None
        self._throttled_since: datetime | None = None
        self.last_success_at: datetime | None = None
        self.last_success_item: Hashable | None = None
        self.obstacles: dict[str | None, Reason] = {}  # by address there, None for all: what its own watch tells

    def reason(self, user: User) -> Reason | None:
        """Why nothing of `user` may start there."""
        if self.machine.was_short and (shortage := self.machine.reason()) is not None:
            return shortage
        breaker = self.breaker
        if breaker.is_open:
            if breaker.is_probing:
                return breaker.reason()
            if (until := self._turn(user, breaker.probe_at)) is not None:
                return breaker.reason(until)
        if self.paused_until.at and (until := self._turn(user, self.paused_until)) is not None:
            since = self._throttled_since or self._clock.now()
            return because(ReasonCode.RATE_LIMITED, since=since, until=until, target=self.target, problem=self._asked)
        return None

    def hold(self, address: str | None, reason: Reason | None) -> None:
        """Nothing is to start at `address` for that reason (None: at none); without one it may again."""
        if reason is None:
            self.obstacles.pop(address, None)
        else:
            self.obstacles[address] = reason
        self.changed()

    def obstacle(self, address: str) -> Reason | None:
        """What its own watch says stands in the way at `address`."""
        return self.obstacles.get(None) or self.obstacles.get(address)

    def _turn(self, user: User, since: BootDeadline) -> datetime | None:
        """When it is the turn of `user`, if from `since` on one after the other may; None: now."""
        if since.is_to_come:
            return since.told
        if len(self.users) < 2 or not user.was_bad_at:
            return None
        first = sum(other is not user and other.was_bad_at < user.was_bad_at for other in self.users)
        seconds = since.at + min(first * TURN_SECONDS, LONGEST_TURN_SECONDS) - self._clock.boottime()
        return self._clock.now() + timedelta(seconds=seconds) if seconds > 0 else None

    @property
    def knows_nothing(self) -> bool:
        """True while nobody has heard of it in this process."""
        return self.last_success_at is None and not self._failures and not self.breaker.is_open

    def note_unreachable(self, problem: str | None, item: Hashable, at: datetime, *, probe: bool) -> None:
        if not self._failures:
            self._failing_since = at
        self._failures += 1
        self._failing_items.add(item)
        long_enough = self._failures >= OPENS_AFTER and len(self._failing_items) >= OPENS_OVER
        if probe or self.breaker.wants_probe or (not self.breaker.is_open and long_enough):
            self.breaker.open(problem, self._failing_since or at)
            self.changed()

    def note_answer(self, kind: VerdictKind, item: Hashable, at: datetime) -> None:
        if self._failures:
            self._failures = 0
            self._failing_items.clear()
        if kind is _SUCCEEDED:
            self.last_success_at = at
            self.last_success_item = item
        if kind is not _THROTTLED:
            self._throttle_wait = 0.0
            if self._throttled_since is not None and not self.paused_until.is_to_come:
                self._throttled_since = None
        if self.breaker.is_open:
            self.reset()

    def note_pause(self, seconds: float | None) -> None:
        asked = None if seconds is None else f"Retry-After {seconds:g} s"
        if seconds is None:
            if self.paused_until.is_to_come:
                return  # it was on its way when the pause began
            self._throttle_wait = min(max(THROTTLE_SECONDS, self._throttle_wait * 2), LONGEST_THROTTLE_SECONDS)
            seconds = self._throttle_wait
        if self._throttled_since is None:
            self._throttled_since = self._clock.now()
        until = self._clock.boottime() + seconds
        if until > self.paused_until.at:
            self.paused_until.move(until)
            self._asked = asked
            self.changed()

    def reset(self) -> None:
        """It answers again, or somebody mended something."""
        self.breaker.close()
        self.changed()

    def changed(self) -> None:
        for user in list(self.users):
            user.changed()
