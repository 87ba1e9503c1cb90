"""Whether the turn of an item has come that nothing forbids: in a chain after those before it, else at its pace.

Of a backfill that starts at a pace one item at a time is on its way to its start, so that none is prepared in vain.
"""

from collections.abc import Callable
from datetime import timedelta

from backfilld.domain.backfills.records import Item
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.backfills.running.session_chain import WAITS_FOR_OTHERS, Chain

LOOKS_AGAIN = timedelta(milliseconds=500)


class Turns:
    """An answer that is False comes after a wait. `is_under_way`: whether what began with a position has not ended."""

    def __init__(self, run: Run, account: RunState, chain: Chain, is_under_way: Callable[[int], bool]) -> None:
        self._run = run
        self._account = account
        self._chain = chain
        self._clock = run.context.clock
        self._is_under_way = is_under_way
        self._next: int | None = None  # the position that was let through last

    async def are_over(self) -> bool:
        """True if what became of the last sessions stops the rest."""
        if not self._chain.wants_all_recorded:
            return False
        await self._run.context.recorder.flush(self._account)
        self._run.lease.check()
        return await self._chain.stops()

    async def is_due(self, item: Item) -> bool:
        """Whether those before it in its chain are through."""
        if await self._chain.is_due(item):
            return True
        await self._chain.say_waiting()
        await self._account.wait(self._run.gate.changed, self._clock.now() + WAITS_FOR_OTHERS)
        return False

    async def has_come(self, item: Item) -> bool:
        """Whether it may start, as far as its pace and the target's budget go; the slower of them decides."""
        limits, gate = self._account.limits, self._run.gate
        if gate.health.origin.budget is None and (limits is None or not limits.is_paced):
            return True
        until = None if limits is None else limits.turn_at()
        if until is None and self._one_is_on_its_way():
            until = self._clock.now() + LOOKS_AGAIN
        if until is None and (seconds := gate.turn_in()):
            until = self._clock.now() + timedelta(seconds=seconds)
        if until is None:
            self._next = item.position
            return True
        await self._account.wait(gate.changed, until)
        return False

    def _one_is_on_its_way(self) -> bool:
        position = self._next
        return position is not None and self._is_under_way(position) and position not in self._run.gate.in_flight
