"""Which item comes next: due retries before the plan; after an unclean end first what may have been started.

Items that need no start on the way (the source has them no more, or their process died once too often)
are ended here, so that the worker only ever sees items to start.
"""

from collections import deque
from datetime import datetime

from backfilld.domain.backfills.records import Item
from backfilld.domain.backfills.retries import MOST_INTERRUPTIONS, interrupted
from backfilld.engine.backfills.gate import CannotGoOn
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.backfills.running.item_run import ENTITY_GONE, ItemRun
from backfilld.engine.backfills.running.plan_reader import PlanReader
from backfilld.engine.backfills.running.recovery import Recovery
from backfilld.engine.backfills.running.session_chain import Chain
from backfilld.engine.backfills.status_writer import StatusWriter
from backfilld.sources.base import SourceBroken, SourceUnreachable

RETRIES_AT_ONCE = 100


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
    ) -> None:
        self._chain = chain
        self._reader = reader
        self._recovery = recovery
        self._processor = processor
        self._standing = standing
        self._account = account
        self._due: deque[Item] = deque()

    async def next(self, now: datetime, slots: int) -> Item | None:
        """The next item to start. None: there is none now, or so much ended here that it must be recorded first."""
        try:
            while self._account.has_room and (item := await self._read(now, slots)) is not None:
                if item.position in self._chain.killed:
                    self._account.batched(item.position)  # it has ended; nothing else takes it off the mark
                elif item.gone:
                    self._processor.skip(item, ENTITY_GONE)
                elif item.interruptions >= MOST_INTERRUPTIONS:
                    self._processor.record(item, interrupted(item, now))
                else:
                    return item
        except SourceUnreachable as problem:
            self._processor.hold_for_source(problem)
        except SourceBroken as problem:
            raise CannotGoOn.with_source(problem) from problem
        return None

    async def _read(self, now: datetime, slots: int) -> Item | None:
        if self._chain.is_serial:
            return await self._read_in_turn(now, slots)
        patiently = self._standing.patiently
        if self._recovery.wants_planned and (item := await patiently(lambda: self._reader.next_planned(slots))):
            self._recovery.took_planned()
            return item
        self._recovery.no_more_planned()
        if not self._due:
            self._due.extend(await patiently(lambda: self._reader.next_retries(now, RETRIES_AT_ONCE)))
        if self._due:
            self._recovery.took_retry()
            return self._due.popleft()
        self._recovery.no_more_retries()
        return await patiently(lambda: self._reader.next_planned(slots))

    async def _read_in_turn(self, now: datetime, slots: int) -> Item | None:
        """In a chain the one that waits to be tried again holds everything behind it."""
        patiently = self._standing.patiently
        if not self._due:
            self._due.extend(await patiently(lambda: self._reader.next_retries(now, RETRIES_AT_ONCE)))
        if self._due:
            self._recovery.took_retry()
            return self._due.popleft()
        if self._account.next_retry_at is not None:
            return None
        self._recovery.no_more_retries()
        item = await patiently(lambda: self._reader.next_planned(slots))
        if item is None:
            self._recovery.no_more_planned()
        elif self._recovery.wants_planned:
            self._recovery.took_planned()
        return item
