"""Plan items on their way, and what became of them: the side of the ledger that the engine writes.

Every write names the fence of the lease it was made under; a runner that has lost its lease writes
nothing. What people read of the ledger is in `ledger_pages`.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.failures.fingerprints import common_text, fingerprint
from backfilld.domain.backfills.records import Outcome
from backfilld.domain.backfills.retries import INTERRUPTED, LastError
from backfilld.store.connection.deadlines import allow
from backfilld.store.connection.literals import integers, microseconds_before
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load
from backfilld.store.ledger import session_items as items
from backfilld.store.ledger.entries import Checkpoint, EndedItem, PlanRow, TriedItem
from backfilld.store.ledger.plan_pages import PlanPage, PlanPages

queries = load("ledger.ledger")
T = TypeVar("T")

CANCELLED_AT_ONCE = 50_000
COMPARED = 20  # messages of a group of failures, to see in which of its parts they differ
CANCEL_TIMEOUT_SECONDS = 120
CLOCKS_DIFFER = timedelta(minutes=1)  # between daemons, and when the time of a network is followed


async def record(
    connection: Connection,
    standings: Sequence[Checkpoint],
    ended: Sequence[EndedItem],
    tried: Sequence[TriedItem],
    now: datetime,
) -> set[int]:
    """Commit a batch; the backfills whose fence still stood. Nothing was written for the others."""
    sessions = any(entry.is_session for entry in ended) or any(entry.is_session for entry in tried)
    if not tried and not sessions:
        return await _record_outcomes(connection, standings, ended, now)
    async with connection.transaction():
        await _record_tries(connection, standings, tried)
        reached(Point.RECORDER_BETWEEN)
        owned = await _record_outcomes(connection, standings, ended, now)
        if sessions:
            await items.finish(
                connection,
                [entry for entry in ended if entry.is_session and entry.backfill_number in owned],
                [entry for entry in tried if entry.is_session and entry.backfill_number in owned],
            )
            reached(Point.RECORDER_SESSIONS)
        return owned


async def _record_outcomes(
    connection: Connection, standings: Sequence[Checkpoint], ended: Sequence[EndedItem], now: datetime
) -> set[int]:
    outcomes = [item.outcome for item in ended]
    answers = [o.http_status for o in outcomes]
    answered_alike = bool(answers) and answers.count(answers[0]) == len(answers)
    rows = await connection.fetch(
        queries.record_outcomes,
        [s.backfill_number for s in standings],
        [s.fence for s in standings],
        [s.mark for s in standings],
        [s.throughput for s in standings],
        [s.hand_out_limit for s in standings],
        now,
        None if len(standings) == 1 else [item.backfill_number for item in ended],
        integers([item.position for item in ended]),
        _unless_all([o.status for o in outcomes], "succeeded"),
        microseconds_before(now, [o.started_at for o in outcomes]),
        microseconds_before(now, [o.finished_at for o in outcomes]),
        _unless_all([o.attempts for o in outcomes], 1),
        None if answered_alike else answers,
        _unless_all([o.message for o in outcomes], None),
        _unless_all([o.result for o in outcomes], None),
        _unless_all([o.credits for o in outcomes], None),
        _unless_all([o.error_class for o in outcomes], None),
        _unless_all([o.error for o in outcomes], None),
        _unless_all([o.skip_reason for o in outcomes], None),
        _unless_all([item.had_retry for item in ended], False),
        [s.failure_counts for s in standings],
        _fingerprints(outcomes),
        answers[0] if answered_alike else None,
    )
    return {row["backfill_number"] for row in rows}


def _fingerprints(outcomes: list[Outcome]) -> list[bytes | None] | None:
    """Of failures; None if there is none, which costs what it must."""
    if _unless_all([o.error_class for o in outcomes], None) is None:
        return None
    return [fingerprint(o.error_class, o.error) if o.status == "failed" else None for o in outcomes]


def _unless_all(values: list[T], usual: T) -> list[T] | None:
    """The list, or None if it says the usual throughout: asyncpg looks at each element of a list most thoroughly."""
    return None if values.count(usual) == len(values) else values


async def _record_tries(connection: Connection, standings: Sequence[Checkpoint], tried: Sequence[TriedItem]) -> None:
    if not tried:
        return
    tries = [item.tried for item in tried]
    await connection.fetch(
        queries.record_tries,
        [s.backfill_number for s in standings],
        [s.fence for s in standings],
        [item.backfill_number for item in tried],
        [item.position for item in tried],
        [t.attempt for t in tries],
        [t.counted for t in tries],
        [t.started_at for t in tries],
        [t.finished_at for t in tries],
        [t.next_attempt_at for t in tries],
        [t.error_class for t in tries],
        [t.error for t in tries],
        [t.http_status for t in tries],
        [t.in_doubt for t in tries],
        [t.unknown_since for t in tries],
    )


class Ledger:
    """The engine's view of one database's plans, retries and outcomes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._plan = PlanPages(pool)

    async def read_plan(self, backfill_number: int, *, since: int, most: int, sample: bool = False) -> PlanPage:
        """At most `most` items from position `since` on without outcome or retry; of the sample only, if wished."""
        if sample:
            return await self._plan.read_sample(backfill_number, since=since, most=most)
        return await self._plan.read(backfill_number, since=since, most=most)

    async def read_retries(
        self, backfill_number: int, fence: int, *, due_at: datetime, taken: Collection[int], most: int
    ) -> list[PlanRow]:
        """At most `most` items whose next try is due, without those in `taken`; it is written down that they are."""
        rows = await self._pool.fetch(queries.read_retries, backfill_number, fence, due_at, list(taken), most)
        return [PlanRow(*row) for row in rows]

    async def get_last_error(self, backfill_number: int, position: int) -> LastError:
        """What an item that waits for its next try failed with last."""
        row = await self._pool.fetchrow(queries.find_last_error, backfill_number, position)
        return LastError(*row) if row else LastError(INTERRUPTED, None, None)  # it was killed in this moment

    async def next_retry(self, backfill_number: int, *, taken: Collection[int]) -> datetime | None:
        """When the next retry falls due, without those in `taken`; None if there is none."""
        due: datetime | None = await self._pool.fetchval(queries.next_retry, backfill_number, list(taken))
        return due

    async def wait_anew(self, backfill_number: int, fence: int, now: datetime) -> bool:
        """Let retries that were written by a clock that has been set back since wait anew; False if there are none."""
        changed = await self._pool.execute(queries.wait_anew, backfill_number, fence, now, CLOCKS_DIFFER)
        return changed != "UPDATE 0"

    async def has_unfinished(self, backfill_number: int) -> bool:
        """True while an item of the plan has no outcome."""
        return bool(await self._pool.fetchval(queries.has_unfinished, backfill_number))

    async def most_common_failure(self, backfill_number: int, last: int) -> tuple[str, int] | None:
        """Of the `last` failures in the order of the plan: what most of them have in common, and of how many."""
        row = await self._pool.fetchrow(queries.most_common_failure, backfill_number, last, COMPARED)
        return None if row is None else (common_text(row["errors"] or ()) or row["error_class"], row["times"])

    async def note_start(self, backfill_number: int, fence: int, at: datetime) -> None:
        """Write down when the first item started, unless that is known."""
        await self._pool.execute(queries.note_start, backfill_number, fence, at)

    async def cancel_rest(self, backfill_number: int, fence: int, at: datetime, *, sessions: bool = False) -> bool:
        """Let every item without an outcome be cancelled; what waited for a retry gets an outcome with its tries, in
        bounded transactions. False: lease lost.

        `sessions`: the items are attempts, which end with their items.
        """
        at_once = None if sessions else CANCELLED_AT_ONCE  # a schedule's backfill is small
        while True:
            async with self._cancelling() as connection:
                values = (backfill_number, fence, at_once, at)
                ended = await connection.fetchval(queries.cancel_retries, *values, timeout=CANCEL_TIMEOUT_SECONDS)
                if ended is None:
                    return False
                if sessions:
                    await items.cancel(connection, backfill_number, at)
                if ended != at_once:
                    await connection.execute(queries.cancel_rest, backfill_number, fence, at)
                    return True

    @asynccontextmanager
    async def _cancelling(self) -> AsyncIterator[Connection]:
        async with self._pool.acquire() as connection, connection.transaction():
            await allow(connection, CANCEL_TIMEOUT_SECONDS)
            yield connection
            reached(Point.CANCEL_REST_BEFORE_COMMIT)
        reached(Point.CANCEL_REST_AFTER_COMMIT)
