"""Keeping the attempts that we run ourselves: the leases of attempts outside of backfills.

One statement renews them all each second. A lease that could not be renewed for two seconds starts nothing any more,
not even when it is renewed again: the attempt is given back, and taken anew with whatever is in force then. What was
started under it may still be recorded while its fence stands.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.engine.service import Part, Patience
from backfilld.engine.starting.leases import RENEW_EVERY_SECONDS, RENEWAL_TIMEOUT_SECONDS, SAFE_SECONDS, LeaseGone
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.events import Bus
from backfilld.store.sessions.live_attempts import LiveAttemptStore, TakenAttempt


@dataclass(eq=False, slots=True)
class LiveLease:
    """The right to run one attempt. `renewed_at` is the boot time at which the last good renewal was *sent*."""

    taken: TakenAttempt
    renewed_at: float
    lapsed: bool = False
    lost: bool = False
    on_lost: Callable[[], None] = field(default=lambda: None)
    on_kill: Callable[[], None] = field(default=lambda: None)

    def is_safe(self, boottime: float) -> bool:
        """True while nobody else can have the lease, and it never was otherwise."""
        return not self.lost and not self.lapsed and boottime - self.renewed_at < SAFE_SECONDS

    def check(self) -> None:
        """Raise LeaseGone if it is lost."""
        if self.lost:
            raise LeaseGone


class LiveLeases:
    """Those of this process."""

    part = Part.ATTEMPT_LEASES

    def __init__(self, store: LiveAttemptStore, clock: Clock, bus: Bus, stop_switch: StopSwitch) -> None:
        self._store = store
        self._clock = clock
        self._stop_switch = stop_switch
        self._patience = Patience.of(self.part, clock, bus)
        self._held: dict[int, LiveLease] = {}

    @property
    def obstacle(self) -> Exception | None:
        """What the last renewal failed of."""
        return self._patience.obstacle

    @property
    def held(self) -> list[tuple[int, int]]:
        """Attempt and fence of each."""
        return [(lease.taken.id, lease.taken.fence) for lease in self._held.values()]

    async def take(self, *, suspects: bool) -> LiveLease | None:
        """The oldest attempt that may start now."""
        sent_at = self._clock.boottime()
        taken = await self._store.take(self._clock.now(), suspects=suspects)
        if taken is None:
            return None
        reached(Point.ATTEMPT_TAKEN)
        self._stop_switch.put(taken.stop_order)
        lease = self._held[taken.id] = LiveLease(taken, sent_at)
        return lease

    def forget(self, lease: LiveLease) -> None:
        """Renew it no more."""
        if self._held.get(lease.taken.id) is lease:
            del self._held[lease.taken.id]

    async def obey(self, version: int) -> None:
        """Tell whoever waits that the stop order of that version is obeyed here."""
        await self._store.obey(self.held, version)

    async def look_for_kills(self) -> None:
        """Cut off what somebody wants to be killed."""
        for id in await self._store.list_killed(list(self._held)):
            if lease := self._held.get(id):
                lease.on_kill()

    async def serve(self) -> None:
        """Renew until cancelled."""
        while True:
            await self._clock.sleep(RENEW_EVERY_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew everything once. A database that does not answer changes nothing here."""
        held = list(self._held.values())
        try:
            if held:
                await self._renew(held)
        except Exception as problem:
            self._patience.waits(self, problem)
        else:
            self._patience.goes_on(self)

    async def _renew(self, held: list[LiveLease]) -> None:
        sent_at = self._clock.boottime()
        renewed = await self._store.renew(
            [(lease.taken.id, lease.taken.fence) for lease in held],
            obeys_stop=self._stop_switch.obeyed,
            within_seconds=RENEWAL_TIMEOUT_SECONDS,
        )
        if renewed.stop_order is not None:
            self._stop_switch.put(renewed.stop_order)
        for lease in held:
            if lease.taken.id not in renewed.standing:
                self._lose(lease)
                continue
            # What was confirmed because the lease had run out must hold: the renewal may be older than that.
            lease.lapsed = lease.lapsed or self._clock.boottime() - lease.renewed_at >= SAFE_SECONDS
            lease.renewed_at = max(lease.renewed_at, sent_at)
            if lease.taken.id in renewed.killed:
                lease.on_kill()

    def _lose(self, lease: LiveLease) -> None:
        if self._held.get(lease.taken.id) is lease:  # else it was given back meanwhile
            del self._held[lease.taken.id]
            lease.lost = True
            lease.on_lost()
