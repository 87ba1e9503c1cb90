"""The last synchronous step before a start, whoever starts: may one more start now, and if not, why.

Everything that forbids a start is looked at here, from one reading of the clock, in the order of what a person would
want to hear first. Between this look and the executor's send nothing is awaited, so that after a pause has been put in
force and the starts that had passed before are out (`settled`), nothing can start any more.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import Verdict
from backfilld.domain.brakes.settings import Start
from backfilld.engine.brakes.board import Brakes
from backfilld.engine.brakes.brake import Brake
from backfilld.engine.starting.leases import Lease
from backfilld.engine.starting.targets.target_health import TargetHealth
from backfilld.executors.base import NotPermitted

# What is asked for every item: to look a member up in its enum is a call of its own (until Python 3.12).
_PASSED, _SENT = Point.GATE_PASSED, Point.GATE_SENT
W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing may start. `reason` None: it is none to publish (ended, lease lapsed)."""

    message: str
    reason: Reason | None = None

    @staticmethod
    def of(reason: Reason) -> "Refusal":
        """What is said to people, too."""
        return Refusal(reason.message, reason)

    @property
    def code(self) -> ReasonCode | None:
        return None if self.reason is None else self.reason.code

    @property
    def until(self) -> datetime | None:
        return None if self.reason is None else self.reason.until


@dataclass(frozen=True, slots=True)
class Terms:
    """On whose behalf something is tried, and how often at most; `backfill_id` None: no backfill made it."""

    workflow_name: str
    max_attempts: int
    backfill_id: UUID | None = None


_UNSAFE = Refusal("the lease is not ours for certain")
_OUTDATED = Refusal("it was changed, and the change is not in force here yet")


class StartGate(Generic[W]):
    """In front of whatever starts under one lease. `changed` is set whenever an answer may have become another."""

    is_live = False  # whether what starts is carried by no backfill

    def __init__(self, lease: Lease[Any], health: TargetHealth, clock: Clock, terms: Terms) -> None:
        self.health = health
        self.terms = terms
        self.changed = asyncio.Event()
        self.draining = False
        self._draining_since: datetime | None = None
        self._clock = clock
        self._lease = lease
        self._first: Refusal | None = None  # what is to be said before anything else
        self._version = 0  # of what is in force here
        self._looked_at = 0.0  # boot time of the last look at what may forbid a start
        self._crossing = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self.on_sent: Callable[[W], None] | None = None  # must not wait
        self.asks_as: Hashable = self  # who wants a part of the target's budget
        self.limit: Callable[[datetime], Refusal | None] | None = None  # None: there is nothing to ask
        self.on_tried: Callable[[float, Verdict], None] | None = None  # seconds; None: nobody follows the latency
        self.brakes: tuple[Brake, ...] | None = None  # those that apply; None: there is nothing to ask
        self._leave_brakes: Callable[[], None] = lambda: None
        self._stop_listening = health.listen(self.changed.set)
        self._leave_switch = lease.stop_switch.join(self)

    def __repr__(self) -> str:
        refusal = self.refusal(self._clock.now())
        state = "open" if refusal is None else f"closed: {refusal.message}"
        return f"<gate of {self.terms.workflow_name}, {self._crossing} on their way out, {state}, {self._lease!r}>"

    def close(self) -> None:
        """Listen no more."""
        self._stop_listening()
        if not self.is_live and (budget := self.health.origin.budget) is not None:
            budget.leave(self.asks_as)
        self._leave_switch()
        self._leave_brakes()

    def obey(self, brakes: Brakes | None, start: Start) -> None:
        """Ask the brakes that apply to `start`, from now on."""
        if brakes is not None:
            self._leave_brakes = brakes.join(self, start)

    def drain(self) -> None:
        """Start nothing any more: the daemon is stopping."""
        self.draining = True
        self._draining_since = self._draining_since or self._clock.now()
        self.changed.set()

    async def settled(self) -> None:
        """Return once no start that has passed is still on its way out."""
        await self._settled.wait()

    def refusal(self, at: datetime) -> Refusal | None:
        """Why nothing may start at `at`, which is now; None if something may."""
        if self._first is not None:
            return self._first
        self._looked_at = self._clock.boottime()
        if not self._lease.is_safe(self._looked_at):
            return _UNSAFE
        if self._version < self._lease.newest_version:
            return _OUTDATED
        if self.draining:
            return Refusal.of(because(ReasonCode.DRAINING, since=self._draining_since or at, case="daemon"))
        refusal = (
            self._own_refusal(at)
            or self.stop_refusal()
            or (None if self.brakes is None else self.brake_refusal(at))
            or self._target_refusal()
        )
        if refusal is None and self.limit is not None:
            return self.limit(at)
        return refusal

    def reasons(self, at: datetime) -> Iterator[Reason]:
        """All that forbids a start at `at`, in the order in which `refusal` looks, which tells the first of it."""
        if self._first is not None and self._first.reason is not None:
            yield self._first.reason
        if self.draining:
            yield because(ReasonCode.DRAINING, since=self._draining_since or at, case="daemon")
        for refusal in (*self._own_refusals(at), self.stop_refusal()):
            if refusal is not None and refusal.reason is not None:
                yield refusal.reason
        yield from (reason for _, reason in self._braking(at))
        yield from self.health.reasons()
        refusal = None if self.limit is None else self.limit(at)
        if refusal is not None and refusal.reason is not None:
            yield refusal.reason

    def _own_refusals(self, at: datetime) -> Iterator[Refusal | None]:
        """Each part of `_own_refusal`."""
        yield self._own_refusal(at)

    def _own_refusal(self, at: datetime) -> Refusal | None:
        """What the one behind this gate forbids: its workflow, its windows."""
        return None

    def stop_refusal(self) -> Refusal | None:
        """Why nothing may start anywhere, if an operator said so."""
        reason = self._lease.stop_switch.reason
        return None if reason is None else Refusal.of(reason)

    def brake_refusal(self, at: datetime) -> Refusal | None:
        """Why a brake holds what stands behind this gate: of several one that needs somebody, else the first."""
        holding = self._braking(at)
        if not holding:
            return None
        brake, reason = holding[0]
        return Refusal.of(reason) if brake.is_worth_telling(at) else Refusal(reason.message)

    def _braking(self, at: datetime) -> list[tuple[Brake, Reason]]:
        holding = [(brake, reason) for brake in self.brakes or () if (reason := brake.reason(at)) is not None]
        return sorted(holding, key=lambda one: one[1].code is not ReasonCode.BRAKED_CRITICALLY)

    def _target_refusal(self) -> Refusal | None:
        reason = self.health.reason()
        return None if reason is None else Refusal.of(reason)

    def turn_in(self) -> float:
        """Seconds until its turn at the target comes, as far as its budget goes; 0: now. Keeps a place in the queue."""
        budget = self.health.origin.budget
        return 0.0 if budget is None else budget.wait(self.asks_as, live=self.is_live)

    def permit(self, what: W) -> "Permit[W]":
        """What an executor needs to start `what`."""
        return Permit(self, what)

    def _admit(self, what: W, at: datetime) -> None:
        """It starts at `at`: count it, unless it is one too many (NotPermitted)."""

    def _left(self, what: W) -> None:
        """It is in flight no more."""


class Permit(Generic[W]):
    """The right to start one thing. Used up by `start`, given back by `end`, however the try went."""

    __slots__ = ("_on_its_way", "_what", "gate", "is_probe", "started", "started_at")

    def __init__(self, gate: StartGate[W], what: W) -> None:
        self.gate = gate
        self._what = what
        self._on_its_way = False
        self.started = False
        self.is_probe = False
        self.started_at: datetime | None = None

    def start(self) -> None:
        if self.started:
            raise NotPermitted("a permit is good for one start")
        gate = self.gate
        now = gate._clock.now()
        refusal = gate.refusal(now)
        if refusal is not None:
            raise NotPermitted(refusal.message)
        origin = gate.health.origin
        budget = origin.budget
        if budget is not None and budget.is_short(live=gate.is_live):
            raise NotPermitted("the target's budget is used up for now")
        gate._admit(self._what, now)
        if not gate._crossing:
            gate._settled.clear()
        gate._crossing += 1
        self.started_at = now
        self.started = self._on_its_way = True  # before anything else, so that `end` gives it back whatever goes wrong
        if budget is not None:
            budget.take(gate.asks_as, live=gate.is_live)
        origin.last_start = gate._looked_at
        if not gate.is_live:
            origin.last_of_backfills = gate._looked_at
        self.is_probe = gate.health.start()
        reached(_PASSED)

    def sent(self) -> None:
        if self._on_its_way:
            self._on_its_way = False
            gate = self.gate
            gate._crossing -= 1
            if not gate._crossing:
                gate._settled.set()
            if gate.on_sent is not None:
                gate.on_sent(self._what)
            reached(_SENT)

    def end(self) -> None:
        """It is in flight no more."""
        if self._on_its_way:
            self.sent()
        if self.started:
            self.gate._left(self._what)
