"""The gate in front of attempts outside of backfills: synchronous with the executor's send, like that of items.

There is one per process. That an attempt is killed, or its workflow disabled, is looked at when the beginning of its
try is written down; what is left to look at here is what may change in the very last moment.
"""

import asyncio
from datetime import datetime

from backfilld.clock import Clock
from backfilld.engine.starting.circuit_breaker import TargetHealth
from backfilld.engine.starting.leases import Lease
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.executors.base import NotPermitted
from backfilld.store.sessions.live_attempts import TakenAttempt


class LiveGate:
    """Joins the stop switch, so that stop-all waits for what is on its way out."""

    def __init__(self, clock: Clock, stop_switch: StopSwitch) -> None:
        self._clock = clock
        self._switch = stop_switch
        self._crossing = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self.changed = asyncio.Event()
        self.draining = False
        self.in_flight = 0
        stop_switch.join(self)

    async def settled(self) -> None:
        """Return once no start that has passed is still on its way out."""
        await self._settled.wait()

    @property
    def is_open(self) -> bool:
        """False while nothing may start, whatever it is."""
        return not self.draining and self._switch.reason is None

    def permit(self, lease: Lease[TakenAttempt], health: TargetHealth) -> "LiveTicket":
        """What an executor needs to start the attempt of `lease`."""
        return LiveTicket(self, lease, health)

    def refusal(self, lease: Lease[TakenAttempt], health: TargetHealth) -> str | None:
        """Why the attempt may not start at this moment; None if it may."""
        if not lease.is_safe(self._clock.boottime()):
            return "the lease is not ours for certain"
        if self.draining:
            return "the daemon is stopping"
        if (reason := self._switch.reason) is not None:
            return reason.message
        obstacle = health.obstacle()
        return None if obstacle is None else obstacle.message

    def _enter(self, lease: Lease[TakenAttempt], health: TargetHealth) -> bool:
        if (why := self.refusal(lease, health)) is not None:
            raise NotPermitted(why)
        self._crossing += 1
        self._settled.clear()
        self.in_flight += 1
        return health.start()

    def _sent(self) -> None:
        self._crossing -= 1
        if not self._crossing:
            self._settled.set()


class LiveTicket:
    """The right to start one attempt. Used up by `start`, given back by `end`, however the try went."""

    def __init__(self, gate: LiveGate, lease: Lease[TakenAttempt], health: TargetHealth) -> None:
        self._gate = gate
        self._lease = lease
        self._health = health
        self._on_its_way = False
        self.started_at: datetime | None = None
        self.is_probe = False
        self.is_killed = False

    def start(self) -> None:
        if self.started_at is not None or self.is_killed:
            raise NotPermitted("a permit is good for one start, and for none of what is killed")
        self.is_probe = self._gate._enter(self._lease, self._health)
        self.started_at = self._gate._clock.now()
        self._on_its_way = True

    def sent(self) -> None:
        if self._on_its_way:
            self._on_its_way = False
            self._gate._sent()

    def end(self) -> None:
        """The attempt is in flight no more."""
        self.sent()
        if self.started_at is not None:
            self._gate.in_flight -= 1
