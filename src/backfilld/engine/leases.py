"""Keeping what we hold.

One task renews every lease of this process each second, on a connection of its own, so that neither a
full pool nor a slow statement makes us lose them. A lease that could not be renewed is not lost yet: the
holder starts nothing after two seconds, and goes on when a renewal succeeds. It is lost when its fence
has fallen, and then for good.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from backfilld.clock import Clock
from backfilld.store import outages
from backfilld.store.leases import Grant, LeaseStore

RENEW_EVERY_SECONDS = 1.0
SAFE_SECONDS = 2.0  # a second less than the lease itself, counted from before the renewal was sent
RENEWAL_TIMEOUT_SECONDS = 5.0


@dataclass(eq=False, slots=True)
class Lease:
    """The right to run one backfill. `renewed_at` is the boot time at which the last good renewal was *sent*."""

    grant: Grant
    renewed_at: float
    lost: bool = False
    in_flight: Callable[[], int] = field(default=lambda: 0)
    on_lost: Callable[[], None] = field(default=lambda: None)
    on_version: Callable[[int], None] = field(default=lambda _: None)

    @property
    def backfill_no(self) -> int:
        return self.grant.backfill_no

    @property
    def fence(self) -> int:
        return self.grant.fence

    def is_safe(self, boottime: float) -> bool:
        """True while nobody else can have the lease, whatever the database's clock says."""
        return not self.lost and boottime - self.renewed_at < SAFE_SECONDS


class LeaseKeeper:
    """Takes, renews and gives back the leases of this process."""

    def __init__(self, store: LeaseStore, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._held: dict[int, Lease] = {}

    async def take(self, backfill_no: int) -> Lease | None:
        """The lease, if it can be had now."""
        sent_at = self._clock.boottime()
        grant = await self.store.acquire(backfill_no)
        if grant is None:
            return None
        lease = self._held[backfill_no] = Lease(grant, sent_at)
        return lease

    async def give_back(self, lease: Lease, *, in_order: bool) -> None:
        """Let others have it. `in_order`: nothing is left that may have been started and is not recorded."""
        self._held.pop(lease.backfill_no, None)
        if not lease.lost:
            await self.store.release(lease.backfill_no, lease.fence, in_order=in_order)

    def forget(self, lease: Lease) -> None:
        """Renew it no more; it runs out by itself."""
        self._held.pop(lease.backfill_no, None)

    async def serve(self) -> None:
        """Renew until cancelled."""
        while True:
            await self._clock.sleep(RENEW_EVERY_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew everything once. A database that does not answer changes nothing here."""
        held = list(self._held.values())
        if not held:
            return
        sent_at = self._clock.boottime()
        try:
            async with asyncio.timeout(RENEWAL_TIMEOUT_SECONDS):
                versions = await self.store.renew([(x.backfill_no, x.fence, x.in_flight()) for x in held])
        except Exception as problem:
            if not outages.passes(problem):
                raise
            return
        for lease in held:
            if lease.backfill_no in versions:
                lease.renewed_at = max(lease.renewed_at, sent_at)
                lease.on_version(versions[lease.backfill_no])
            elif self._held.get(lease.backfill_no) is lease:
                self._lose(lease)

    def _lose(self, lease: Lease) -> None:
        lease.lost = True
        self._held.pop(lease.backfill_no, None)
        lease.on_lost()
