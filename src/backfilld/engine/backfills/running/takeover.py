"""What an owner of a backfill does before anything else: find out what the last one may have left, and write it down.

The charge comes first: it says of one item that it may have killed its process. Then what is to be repeated, so that it
is known whatever becomes of us. Then how far items may be handed out from now on.
"""

from typing import TypeVar

from backfilld.domain.backfills.records import Backfill
from backfilld.engine.backfills.context import BackfillContext
from backfilld.engine.starting.hand_out import HandOut
from backfilld.engine.starting.leases import Lease, LeaseGone
from backfilld.events import ItemInterrupted
from backfilld.store.backfills.leases import Grant
from backfilld.store.ledger.recovery import Opening, Round

T = TypeVar("T")


class Takeover:
    """Of one backfill by one lease. `is_over`: nothing is left of what the last owner may have started."""

    def __init__(self, backfill: Backfill, lease: Lease[Grant], tools: BackfillContext) -> None:
        self._backfill = backfill
        self._lease = lease
        self._store = tools.recovery
        self._clock = tools.clock
        self._bus = tools.bus
        self._max_unrecorded = tools.limits.max_unrecorded
        self.is_over = lease.grant.clean or backfill.planned_at is None

    def _most(self, max_in_flight: int) -> int:
        """So many may be started and unrecorded at once."""
        return self._max_unrecorded + max_in_flight

    async def charge(self) -> None:
        """The item that stood alone in flight when the last owner died is charged an interruption."""
        number, fence, grant = self._backfill.number, self._lease.fence, self._lease.grant
        alone = None if grant.clean else await self._store.find_alone(number)
        if alone is None:
            return
        if alone.holder == grant.holder:  # that is us: we had lost the lease, and nothing died
            await self._store.start_alone(number, fence, None, alone.holder)
        elif await self._store.charge_interruption(number, fence, alone, self._clock.now()):
            self._bus.tell(ItemInterrupted(self._backfill.id, alone.entity_id, alone.interruptions + 1))

    async def note_repeats(self) -> None:
        """Write down what is to be repeated, and in which round."""
        if not self.is_over:
            now, most = self._clock.now(), self._most(self._backfill.settings.max_in_flight)
            not_lost(await self._store.take_over(self._backfill.number, self._lease.fence, now, most=most))

    async def open(self, max_in_flight: int) -> tuple[Opening, HandOut, Round]:
        """From where on items are handed out, how far, and what is left to be repeated before.

        The limit may be another one than when the lease was taken: it was planned meanwhile.
        """
        number, fence, most = self._backfill.number, self._lease.fence, self._most(max_in_flight)
        ahead = max_in_flight if self._backfill.is_chain else min(2 * max_in_flight, most)
        opening = not_lost(await self._store.open_hand_out(number, fence, keeps=not self.is_over, ahead=ahead))
        left = not_lost(await self._store.read_round(number, fence)) if opening.repeat_round else Round()
        hand_out = HandOut(
            handed=opening.settled, limit=opening.limit, max_in_flight=max_in_flight, most=most
        )  # fmt: skip
        return opening, hand_out, left


def not_lost(found: T | None) -> T:
    """What the database says to whoever has the lease; LeaseGone: that is not us."""
    if found is None:
        raise LeaseGone
    return found
