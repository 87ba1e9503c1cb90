"""Plan items on their way: the side of the ledger that the engine works with.

Every write names the fence of the lease it was made under; a runner that has lost its lease writes
nothing. What became of items is written by `recording`, and read by people in `pages`.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.failures.fingerprints import common_text
from backfilld.domain.backfills.retries import INTERRUPTED, LastError
from backfilld.store.connection.deadlines import allow
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load
from backfilld.store.ledger import session_items as items
from backfilld.store.ledger.entries import PlanRow
from backfilld.store.ledger.plan_pages import PlanPage, PlanPages

queries = load("ledger.ledger")

CANCELLED_AT_ONCE = 50_000
COMPARED = 20  # messages of a group of failures, to see in which of its parts they differ
CANCEL_TIMEOUT_SECONDS = 120
CLOCKS_DIFFER = timedelta(minutes=1)  # between daemons, and when the time of a network is followed


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
