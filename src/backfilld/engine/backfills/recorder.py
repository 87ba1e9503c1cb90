"""Group commit of what happened.

One recorder serves the whole process: whatever has gathered since its last commit goes into the next, so
that an outcome costs a fraction of a flush. When idle it commits at once; under load it lingers a little,
because fuller batches leave more of the machine to the work itself. Nothing submitted is ever dropped
while its fence stands: a commit of unknown result is repeated, and writes nothing twice.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.records import Outcome, Try
from backfilld.domain.backfills.retries import UNRECORDABLE
from backfilld.engine.backfills.run_state import RunState, entry_of
from backfilld.engine.service import FIRST_PAUSE_SECONDS, Part, longer
from backfilld.events import OutcomesRecorded, RecorderFailed
from backfilld.store.connection import transient_errors
from backfilld.store.connection.deadlines import connection_within
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.entries import Checkpoint, EndedItem, TriedItem
from backfilld.store.ledger.recording import record

COMMIT_TIMEOUT_SECONDS = 15.0  # a connection that stalls is given up, and the batch repeated on another
BUSY_BATCH = 3  # as many since the last commit mean load: the next one waits for company; fewer are committed at once
NOWHERE: Mapping[int, Checkpoint] = {}

Entry = tuple[RunState, EndedItem | TriedItem]
_owner: Callable[[Entry], RunState] = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit carries, and where each backfill stands once it has happened."""

    entries: Sequence[Entry]
    standings: Sequence[Checkpoint]

    def only(self, entries: Sequence[Entry]) -> "Batch":
        """The same commit without some backfills."""
        kept = {account.backfill_number for account, _ in entries}
        return Batch(entries, tuple(standing for standing in self.standings if standing.backfill_number in kept))

    def part(self, entries: Sequence[Entry]) -> "Batch":
        """Some of the entries. A part must not move a mark: the other part may hold positions below it."""
        counts = {account.backfill_number: account.counts_with(_lines(entries, account)) for account, _ in entries}
        standings = (
            replace(standing, mark=0, failure_counts=counts[standing.backfill_number])
            for standing in self.only(entries).standings
        )
        return replace(self.only(entries), standings=tuple(standings))


class Recorder:
    """`pool` has one connection, for nobody else: no operator and no reader can make an outcome wait."""

    part = Part.OUTCOMES

    def __init__(self, pool: Pool, clock: Clock, bus: Bus, *, linger_seconds: float) -> None:
        self._pool = pool
        self._clock = clock
        self._bus = bus
        self._linger_seconds = linger_seconds
        self._gathered: list[Entry] = []
        self._called = asyncio.Event()
        self._hurry = asyncio.Event()
        self._last_batch = 0
        self._in_commit = 0
        self._misjudged: list[RunState] = []  # of whose outcomes one could not be stored, and was recorded as another
        self.obstacle: Exception | None = None  # what the last commit failed of, while it is being repeated
        self.obstacle_since: datetime | None = None

    @property
    def unrecorded(self) -> int:
        """How many ended items wait for their commit, or for its end."""
        return len(self._gathered) + self._in_commit

    def submit(self, account: RunState, position: int, result: Outcome | Try, *, had_retry: bool) -> None:
        """Take over what became of an item; never waits. The account says when there is room for more."""
        entry = entry_of(account, position, result, had_retry=had_retry)
        if isinstance(result, Outcome):
            account.ended(position, finally_=True)
            if account.limits is not None:
                account.limits.note(result)
        else:
            account.ended(position, finally_=False)
        self._gathered.append((account, entry))
        self._called.set()
        if account.wants_commit and not self._in_commit:
            self._hurry.set()

    def hurry(self) -> None:
        """Somebody waits for the next commit: do not linger."""
        self._hurry.set()

    async def room_for(self, account: RunState) -> None:
        """Return after a commit that concerned `account`, which has no room for more; or once it may hand out more."""
        account.recorded.clear()
        if not account.has_room:
            await account.recorded.wait()
        elif not account.may_hand_out():
            if not self._in_commit:
                self.hurry()
            await account.recorded.wait()

    async def flush(self, account: RunState) -> None:
        """Return once nothing of `account` is unrecorded, or its lease is lost."""
        while account.unrecorded:
            self.hurry()
            account.recorded.clear()
            await account.recorded.wait()

    async def serve(self) -> None:
        """Record until cancelled. Runners flush before they leave, so that nothing is gathered by then."""
        while True:
            await self._called.wait()
            await self._linger()
            self._called.clear()
            self._hurry.clear()
            batch = self._next_batch()
            if batch.entries:
                self._in_commit = len(batch.entries)
                await self._commit_patiently(batch)
                self._in_commit = 0
                self.obstacle = None
                self._count_anew()
                if any(account.wants_commit for account, _ in self._gathered):
                    self._hurry.set()

    def _next_batch(self) -> "Batch":
        """All that has gathered. The marks are taken here, once: what gathers later may still be lost with us."""
        entries, self._gathered = self._gathered, []
        self._last_batch = len(entries)
        for account, entry in entries:
            account.batched(entry.position)
        return Batch(entries, tuple(account.standing() for account in dict.fromkeys(map(_owner, entries))))

    async def _linger(self) -> None:
        """Let a batch grow under load, until somebody would have to wait for room while it is committed."""
        if self._last_batch < BUSY_BATCH or self._linger_seconds <= 0 or self._hurry.is_set():
            return
        try:
            async with asyncio.timeout(self._linger_seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass

    async def _commit_patiently(self, batch: "Batch") -> None:
        pause = FIRST_PAUSE_SECONDS
        while batch.entries:
            try:
                await self._commit(batch)
                return
            except Exception as problem:
                if not transient_errors.is_transient(problem):
                    await self._commit_in_parts(batch, problem)
                    return
                self.obstacle_since = self._clock.now() if self.obstacle is None else self.obstacle_since
                self.obstacle = problem
                self._bus.tell(RecorderFailed(repr(problem), self.unrecorded))
            await self._clock.sleep(pause)
            pause = longer(pause)
            batch = self._without_lost(batch)

    def _without_lost(self, batch: "Batch") -> "Batch":
        """Entries of lost leases would be refused by their fence anyway; nobody shall wait for them."""
        self._settle([entry for entry in batch.entries if entry[0].lease.lost])
        return batch.only([entry for entry in batch.entries if not entry[0].lease.lost])

    async def _commit_in_parts(self, batch: "Batch", problem: Exception) -> None:
        """Something in the batch cannot be stored. Halve it until the culprit is alone; that ends unrecordable."""
        if len(batch.entries) > 1:
            middle = len(batch.entries) // 2
            await self._commit_patiently(batch.part(batch.entries[:middle]))
            await self._commit_patiently(batch.part(batch.entries[middle:]))
            return
        account, entry = batch.entries[0]
        culprit = _unrecordable(entry, problem)
        if culprit == entry:
            raise problem
        self._misjudged.append(account)
        await self._commit_patiently(batch.part([(account, culprit)]))

    def _count_anew(self) -> None:
        while self._misjudged:
            account = self._misjudged.pop()
            account.count_anew(_lines(self._gathered, account))

    async def _commit(self, batch: "Batch") -> None:
        ended = [entry for _, entry in batch.entries if isinstance(entry, EndedItem)]
        retried = [(account, entry) for account, entry in batch.entries if isinstance(entry, TriedItem)]
        tried = [entry for _, entry in retried]
        began = self._clock.monotonic()
        async with connection_within(self._pool, COMMIT_TIMEOUT_SECONDS) as connection:
            reached(Point.RECORDER_BEFORE_COMMIT)
            await record(connection, batch.standings, ended, tried, self._clock.now())
            reached(Point.RECORDER_AFTER_COMMIT)
        seconds = self._clock.monotonic() - began
        for account, again in retried:
            account.note_retry(again.tried.next_attempt_at)
        self._settle(batch.entries, {standing.backfill_number: standing for standing in batch.standings})
        self._bus.tell(OutcomesRecorded(len(ended), len(tried), seconds))

    def _settle(self, batch: Sequence[Entry], standings: Mapping[int, Checkpoint] = NOWHERE) -> None:
        """Nobody waits for these any more; `standings`, by backfill, were committed with them."""
        for account, entry in batch:
            account.taken.discard(entry.position)
        for account, entries in Counter(map(_owner, batch)).items():
            if (standing := standings.get(account.backfill_number)) is None:
                account.hand_out.committed(0)
            else:
                account.hand_out.committed(standing.hand_out_limit)
                if account.limits is not None:
                    account.limits.committed(standing.failure_counts)
            account.written(entries)


def _lines(entries: Sequence[Entry], account: RunState) -> list[EndedItem | TriedItem]:
    return [entry for owner, entry in entries if owner is account]


def _unrecordable(entry: EndedItem | TriedItem, problem: Exception) -> EndedItem | TriedItem:
    """The same line with nothing in it that could be refused."""
    why = f"what became of this item cannot be stored: {type(problem).__name__}"
    if isinstance(entry, TriedItem):
        tried = replace(entry.tried, error_class=UNRECORDABLE, error=why, http_status=None, log=None)
        return replace(entry, tried=tried)
    outcome = Outcome(
        status="failed",
        started_at=entry.outcome.started_at or entry.outcome.finished_at,
        finished_at=entry.outcome.finished_at,
        attempts=entry.outcome.attempts,
        error_class=UNRECORDABLE,
        error=why,
    )
    return replace(entry, outcome=outcome)
