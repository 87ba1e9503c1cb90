"""Which item comes next: due retries before the plan; after an unclean end first what may have been started.

Items that need no start on the way (the source has them no more, they match no more, or their process died once too
often) are ended here, so that the worker only ever sees items to start.
"""

from collections import deque
from datetime import datetime

from backfilld.domain.backfills.records import Item, Outcome
from backfilld.domain.backfills.retries import MOST_INTERRUPTIONS, given_up_after, has_no_try_left, interrupted
from backfilld.engine.backfills.gate import CannotGoOn
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.backfills.running.attributes import repeated
from backfilld.engine.backfills.running.item_run import ItemRun
from backfilld.engine.backfills.running.plan_reader import PlanReader
from backfilld.engine.backfills.running.recovery import Recovery
from backfilld.engine.backfills.running.session_chain import Chain
from backfilld.engine.backfills.status_writer import StatusWriter
from backfilld.sources.base import SourceBroken, SourceUnreachable
from backfilld.store.ledger.ledger import Ledger
from backfilld.store.ledger.recovery import RecoveryStore


class ItemOrder:
    """The items of one backfill in the order in which they shall start."""

    def __init__(
        self,
        reader: PlanReader,
        recovery: Recovery,
        processor: ItemRun,
        standing: StatusWriter,
        account: RunState,
        chain: Chain,
        store: RecoveryStore,
        ledger: Ledger,
    ) -> None:
        self._chain = chain
        self._reader = reader
        self._recovery = recovery
        self._processor = processor
        self._standing = standing
        self._account = account
        self._store = store
        self._ledger = ledger
        self._due: deque[Item] = deque()
        self._taken: deque[Item] = deque()  # of a dead owner

    async def next(self, now: datetime, slots: int) -> Item | None:
        """The next item to start. None: there is none now, or so much ended here that it must be recorded first."""
        self._reader.obey(self._standing.backfill)
        try:
            while self._account.has_room and (item := await self._read(now, slots)) is not None:
                if item.position in self._chain.killed:
                    self._account.batched(item.position)  # it has ended; nothing else takes it off the mark
                elif item.skip_reason is not None:
                    self._processor.skip(item, item.skip_reason)
                elif item.interruptions >= MOST_INTERRUPTIONS:
                    self._processor.record(item, interrupted(item, now))
                elif has_no_try_left(item, self._standing.backfill.settings.max_attempts):
                    self._processor.record(item, await self._given_up(item, now))
                else:
                    return item
                self._recovery.ended_unstarted(item)
        except SourceUnreachable as problem:
            self._processor.hold_for_source(problem)
        except SourceBroken as problem:
            raise CannotGoOn.with_source(problem) from problem
        return None

    def give_back(self, item: Item) -> None:
        """It does not start now; it comes again before everything else."""
        self._reader.give_back(item)
        self._recovery.came_back(item)

    async def _given_up(self, item: Item, now: datetime) -> Outcome:
        last = await self._standing.patiently(lambda: self._ledger.get_last_error(item.backfill_number, item.position))
        return given_up_after(last, item, now)

    async def _read(self, now: datetime, slots: int) -> Item | None:
        if self._recovery.is_reading and (item := await self._read_repeat(slots)) is not None:
            return item
        if self._recovery.holds_others:
            return None
        patiently = self._standing.patiently
        if not self._due:
            self._due.extend(await patiently(lambda: self._reader.next_retries(now, slots)))
        if self._due:
            return self._due.popleft()
        if self._chain.is_serial and self._account.next_retry_at is not None:
            return None  # the one that waits to be tried again holds everything behind it
        return await patiently(lambda: self._reader.next_planned(slots))

    async def _read_repeat(self, slots: int) -> Item | None:
        """The next of those that a dead owner may have started. In a chain the one that is tried again comes first."""
        found = self._reader.next_returned(self._recovery.is_repeat)
        for read in (self._read_taken, self._read_planned)[:: 1 if self._chain.is_serial else -1]:
            found = found or await read(slots)
        found = found or self._reader.next_returned(self._recovery.is_repeat, refused=True)
        self._recovery.look()
        return found

    async def _read_planned(self, slots: int) -> Item | None:
        if not self._recovery.wants_planned:
            return None
        item = await self._standing.patiently(lambda: self._reader.next_planned(slots))
        if item is not None and self._recovery.is_repeat(item):
            return repeated(item)
        if item is not None:
            self._reader.give_back(item)
        if item is not None or self._reader.is_exhausted:
            self._recovery.wants_planned = False
        return None

    async def _read_taken(self, slots: int) -> Item | None:
        recovery = self._recovery
        if not recovery.wants_retries:
            return None
        if not self._taken:
            self._taken.extend(
                await self._standing.patiently(lambda: self._reader.next_repeats(self._store, recovery.fence, slots))
            )
            recovery.retries.update(item.position for item in self._taken)
        recovery.wants_retries = bool(self._taken)
        return self._taken.popleft() if self._taken else None
