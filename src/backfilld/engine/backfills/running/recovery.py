"""Repeats what a dead owner of a backfill may have started, before anything else.

How much that can be was committed beforehand (`hand_out`), so it is known. One of these items may be what the process
died of. In the first round each begins when the one before has ended, or a moment after it was sent: what kills its
process at once stands alone then, and its name is committed; what takes long costs no pace. If the process dies again
before they are through, they run one at a time to their end, in the whole process. Whoever stood alone at a death is
charged an interruption; after the third it ends `interrupted`, and its neighbours are unharmed.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.records import Item
from backfilld.domain.backfills.states import ReasonCode
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.backfills.running.takeover import Takeover, not_lost
from backfilld.engine.starting.leases import LeaseGone
from backfilld.engine.starting.repeats import SECONDS_APART, Repeats
from backfilld.events import RecoveryBegan, RecoveryEnded
from backfilld.store.ledger.recovery import RecoveryStore, Round

T = TypeVar("T")


class ItemTurn:
    """One item that is being repeated."""

    def __init__(self, recovery: "Recovery", item: Item) -> None:
        self.item = item
        self.sent = asyncio.Event()
        self._recovery = recovery

    @property
    def owner(self) -> object:
        return self.item.backfill_number

    async def name(self) -> None:
        reached(Point.ALONE_BEFORE_START)
        await self._recovery.write_name(self.item.position)
        reached(Point.ALONE_COMMITTED)

    async def unname(self) -> None:
        with contextlib.suppress(LeaseGone):
            await self._recovery.write_name(None)


class Recovery:
    """Of one backfill under one lease."""

    def __init__(self, run: Run, takeover: Takeover) -> None:
        tools = run.context
        self._takeover = takeover
        self._backfill = run.backfill  # its id and its number, which stay
        self._lease = run.lease
        self._standing = run.status_writer
        self._store: RecoveryStore = tools.recovery
        self._repeats: Repeats = tools.repeats
        self._clock: Clock = tools.clock
        self._bus = tools.bus
        self._round = Round()
        self._since: datetime | None = None
        self._begun: set[int] = set()  # positions of the present round that have been started
        self._turns: dict[int, ItemTurn] = {}  # in flight
        self._back: set[int] = set()  # positions of those that came back, and are to be started again
        self._is_cut_off = False
        self._ending: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._account: RunState | None = None
        self.retries: set[int] = set()  # positions of retries that are repeated
        self.wants_planned = False  # items of the plan are left to be begun
        self.wants_retries = False

    def serve(self, account: RunState, found: Round) -> None:
        """Repeat what is left of a round; what is read and recorded goes by this account."""
        self._account = account
        self._begin_round(found)

    def _begin_round(self, found: Round) -> None:
        is_new = found.number != self._round.number
        self._round = found
        self._begun, self._back, self.retries = set(), set(), set()
        self.wants_planned = self.wants_retries = found.number > 0
        if found.number and self._since is None:
            self._since = self._clock.now()
        if found.number and is_new:
            self._bus.tell(RecoveryBegan(self._backfill.id, found.number, found.items))
        self._repeats.expect(self._backfill.number, found.items)

    # Which items

    @property
    def is_complete(self) -> bool:
        """True if nothing is left that may have been started by a dead owner."""
        return not self._round.number

    @property
    def fence(self) -> int:
        """Retries that were taken under a smaller one are repeated."""
        return self._round.fence

    @property
    def is_reading(self) -> bool:
        """True while more of them is to be read before anything else."""
        return self.wants_planned or self.wants_retries or bool(self._back)

    @property
    def holds_others(self) -> bool:
        """True while nothing but what is repeated may start."""
        return self.is_reading or self._round.number > 1

    def is_repeat(self, item: Item) -> bool:
        """True if it may have been started by a dead owner, and nothing came of it since."""
        if not self._round.number:
            return False
        return item.position in self.retries if item.is_retry else item.position < self._round.to

    @property
    def may_begin(self) -> bool:
        """False while others of this process have their turn."""
        return self._repeats.may_begin(to_its_end=self._round.number > 1)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called when `may_begin` may have changed; what is returned ends that."""
        return self._repeats.listen(listener)

    # Their starts

    async def begin(self, item: Item) -> ItemTurn | None:
        """The turn of `item`, which may start now that it is committed who stands alone; None: it is not its turn."""
        turn = ItemTurn(self, item)
        if not self._repeats.begin(turn, to_its_end=self._round.number > 1):
            return None
        self._turns[item.position] = turn
        try:
            await self._repeats.settle_names(turn)
        except BaseException:
            self.ended(turn, came_back=False, cut_off=True)
            raise
        self._back.discard(item.position)
        self._begun.add(item.position)
        self._repeats.expect(self._backfill.number, self._round.items - len(self._begun))
        return turn

    def sent(self, item: Item) -> None:
        """All of it has left our buffers."""
        if (turn := self._turns.get(item.position)) is not None:
            turn.sent.set()

    async def next_may_begin(self, task: "asyncio.Task[None]", turn: ItemTurn) -> None:
        """Return when the one after `turn`, which `task` carries, may begin."""
        if self._round.number > 1:
            await asyncio.wait([task])
            return
        await _first_of(task, turn.sent.wait())
        await _first_of(task, self._clock.sleep(SECONDS_APART))

    def ended(self, turn: ItemTurn, *, came_back: bool, cut_off: bool) -> None:
        """It is in flight no more. `came_back`: we are to start it again; `cut_off`: another owner is."""
        position = turn.item.position
        self._turns.pop(position, None)
        self._repeats.end(turn)
        self._is_cut_off = self._is_cut_off or cut_off
        if came_back:
            self._begun.discard(position)
            self._back.add(position)
            self._write(self._repeats.unname(turn.owner))
        elif not cut_off:
            self.retries.discard(position)
        self.look()

    def came_back(self, item: Item) -> None:
        """It was read, and is to be read again before anything else."""
        if self.is_repeat(item):
            self._back.add(item.position)

    def ended_unstarted(self, item: Item) -> None:
        """It needs no start any more."""
        self._back.discard(item.position)
        self.look()

    async def before_others(self) -> None:
        """Something else of this backfill is about to start beside the last of them."""
        if self._round.number:
            await self._repeats.unname(self._backfill.number)

    async def write_name(self, position: int | None) -> None:
        """Commit who stands alone."""
        number, lease = self._backfill.number, self._lease

        async def write() -> None:
            if not await self._store.start_alone(number, lease.fence, position, lease.grant.holder):
                raise LeaseGone

        await self._standing.patiently(write)

    # The end

    def look(self) -> None:
        """See whether the round is through; if it is, say so as soon as all of it is recorded."""
        if self._ending is None and self._account is not None and self._is_through:
            self._ending = asyncio.create_task(self._end_round(self._account), name=f"{self._backfill.id}/recovered")

    @property
    def _is_through(self) -> bool:
        left = self.is_reading or self._turns or self._is_cut_off
        return self._round.number > 0 and not left

    async def _end_round(self, account: RunState) -> None:
        try:
            with contextlib.suppress(LeaseGone):
                await self._standing.patiently(lambda: self._end_when_recorded(account))
        finally:
            self._ending = None
            self._standing.look_again()

    async def _end_when_recorded(self, account: RunState) -> None:
        while not account.taken.isdisjoint(self._begun):
            account.recorded.clear()
            await account.recorded.wait()
        if not self._is_through:
            return
        present = self._round
        next_to = present.next_to if present.number > 1 else 0
        found = not_lost(await self._store.end_round(self._backfill.number, self._lease.fence, next_to=next_to))
        self._bus.tell(RecoveryEnded(self._backfill.id, present.number, len(self._begun)))
        self._begin_round(found)
        if not found.number:
            self._takeover.is_over, self._since = True, None
            await self._standing.recovered()

    async def settle(self) -> None:
        """Return when nothing is being written any more."""
        while writing := [*self._writing, *([self._ending] if self._ending else [])]:
            await asyncio.wait(writing)

    def _write(self, writing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(writing)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def leave(self) -> None:
        """A graceful stop charges nobody, and the next owner goes on where we were."""
        self._repeats.expect(self._backfill.number, 0)
        await self._repeats.unname(self._backfill.number)

    async def note_cut_off(self, account: RunState) -> None:
        """What was started and is not waited for any more is tried again first of all, and its target may be at it."""
        number, lease, cut_off = self._backfill.number, self._lease, account.cut_off
        if cut_off and not lease.lost:
            now = self._clock.now()
            with contextlib.suppress(LeaseGone):
                await self._standing.patiently(lambda: self._store.note_cut_off(number, lease.fence, cut_off, now))

    async def put_back_retries(self, account: RunState) -> None:
        """What was taken and did not start, or was cut off, is not under way: the next owner need not wonder."""
        number, lease = self._backfill.number, self._lease
        if account.taken and not lease.lost:
            with contextlib.suppress(LeaseGone):
                await self._standing.patiently(lambda: self._store.put_back_retries(number, lease.fence, account.taken))

    async def take_back(self) -> None:
        """The lease was lost, but this process lives: whoever was charged for it is not."""
        self._repeats.expect(self._backfill.number, 0)
        if self._begun:
            await self._store.take_back_charge(self._backfill.number, self._lease.grant.holder)

    def reason(self) -> Reason | None:
        """What is said while it lasts."""
        if not self._round.number or self._since is None:
            return None
        case = "first" if self._round.number == 1 else "second"
        return because(
            ReasonCode.RECOVERING, since=self._since, case=case, begun=len(self._begun), items=self._round.items
        )


async def _first_of(task: "asyncio.Task[None]", other: Awaitable[object]) -> None:
    waiting = asyncio.ensure_future(other)
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
