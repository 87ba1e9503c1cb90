"""Takes over what a dead process left behind.

Nobody knows which of the first items without an outcome were started when the last owner died, nor
whether one of them was what killed it. So these run one at a time, the start of each committed before it
happens: the item that kills its process is then known by name, is charged an interruption, and ends
`interrupted` after the third; its neighbours are unharmed. After them full concurrency returns.
"""

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.records import Backfill, Item
from backfilld.engine.starting.leases import Lease, LeaseGone
from backfilld.events import Bus, ItemInterrupted
from backfilld.store.backfills.leases import Grant
from backfilld.store.ledger.ledger import Ledger


class Recovery:
    """How many items are still to be started alone. After a clean end: none."""

    def __init__(
        self, backfill: Backfill, lease: Lease[Grant], ledger: Ledger, clock: Clock, bus: Bus, *, most: int
    ) -> None:
        self._backfill = backfill
        self._lease = lease
        self._ledger = ledger
        self._clock = clock
        self._bus = bus
        unclean = not lease.grant.clean and backfill.planned_at is not None
        self._planned = most if unclean else 0
        self._retries = most if unclean else 0
        self._stands_alone = False
        self.next_is_alone = False  # whether the item that was read last must be started by itself

    async def charge(self) -> None:
        """The item that stood alone in flight when the last owner died is charged an interruption."""
        if self._lease.grant.clean:
            return
        alone = await self._ledger.find_alone(self._backfill.no)
        if alone is None:
            return
        if alone.holder == self._lease.grant.holder:  # that is us: we had lost the lease, and nothing died
            await self._ledger.start_alone(self._backfill.no, self._lease.fence, None, alone.holder)
        elif await self._ledger.charge_interruption(self._backfill.no, self._lease.fence, alone, self._clock.now()):
            self._bus.tell(ItemInterrupted(self._backfill.id, alone.entity_id, alone.interruptions + 1))

    @property
    def is_complete(self) -> bool:
        """True if nothing is left that may have been started by the dead owner."""
        return self._planned <= 0 and self._retries <= 0 and not self._stands_alone

    @property
    def wants_planned(self) -> bool:
        """True while the next item shall come from the plan, though retries may be due."""
        return self._planned > 0

    def took_planned(self) -> None:
        """An item that may have been started was read from the plan."""
        self._planned -= 1
        self.next_is_alone = True

    def put_back(self) -> None:
        """The item that was read last was not started after all, and will be read again first of all."""
        if self.next_is_alone:
            self._planned += 1

    def no_more_planned(self) -> None:
        """Those of the plan are through."""
        self._planned = 0

    def took_retry(self) -> None:
        """A due retry was read; it too may have been started."""
        self.next_is_alone = self._retries > 0
        self._retries = max(0, self._retries - 1)

    def no_more_retries(self) -> None:
        """Whatever is read from now on was never started by the dead owner."""
        self._retries = 0
        self.next_is_alone = False

    async def begin(self, item: Item) -> None:
        """Commit that `item` is about to start by itself."""
        reached(Point.ALONE_BEFORE_START)
        if not await self._ledger.start_alone(
            self._backfill.no, self._lease.fence, item.position, self._lease.grant.holder
        ):
            raise LeaseGone
        self._stands_alone = True
        reached(Point.ALONE_COMMITTED)

    async def end(self) -> None:
        """Nobody stands alone any more; also when leaving, so that a graceful stop charges nobody."""
        if self._stands_alone:
            reached(Point.ALONE_BEFORE_END)
            await self._ledger.start_alone(self._backfill.no, self._lease.fence, None, self._lease.grant.holder)
            self._stands_alone = False
            reached(Point.ALONE_ENDED)

    async def take_back(self) -> None:
        """The lease was lost, but this process lives: whoever was charged for it is not."""
        if self._stands_alone:
            await self._ledger.take_back_charge(self._backfill.no, self._lease.grant.holder)
            self._stands_alone = False
