"""The leases of backfills: taken when one is due, given back when there is nothing to do for a while."""

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.engine.service import Part
from backfilld.engine.starting.leases import Lease, Renewer
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.store.backfills.leases import Grant, LeaseStore


class LeaseKeeper(Renewer[Grant]):
    """Those of this process."""

    def __init__(self, store: LeaseStore, clock: Clock, bus: Bus) -> None:
        super().__init__(Part.LEASES, store, clock, bus, StopSwitch())
        self.store = store

    async def take(self, backfill_number: int) -> Lease[Grant] | None:
        """The lease, if it can be had now."""
        sent_at = self._clock.boottime()
        reached(Point.LEASE_BEFORE_TAKING)
        grant = await self.store.acquire(backfill_number)
        if grant is None:
            return None
        reached(Point.LEASE_TAKEN)
        return self.keep(grant, sent_at)

    async def give_back(self, lease: Lease[Grant], *, in_order: bool) -> None:
        """Let others have it. `in_order`: nothing is left that may have been started and is not recorded."""
        self.forget(lease)
        if not lease.lost:
            reached(Point.LEASE_BEFORE_RELEASE)
            await self.store.release(lease.key, lease.fence, in_order=in_order)
            reached(Point.LEASE_RELEASED)
