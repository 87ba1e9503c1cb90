"""What a dead owner of a backfill may have started, and how far the repeating of it has got.

Every write names the fence of the lease it was made under, as all that an owner writes does.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import asyncpg

from backfilld.crash_points import Point, reached
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load
from backfilld.store.ledger.entries import PlanRow
from backfilld.store.ledger.plan_pages import PlanPages

_sql = load("ledger.recovery")
EVERYTHING = 2**31 - 1
AT_ONCE = 1000  # positions of a plan that are looked at


@dataclass(frozen=True, slots=True)
class Alone:
    """The item that was started by itself, and has no outcome."""

    position: int
    holder: str
    entity_id: str
    interruptions: int
    tries: int
    counted: int


@dataclass(frozen=True, slots=True)
class Round:
    """What is to be repeated: items of the plan (while it is open, of the sample) below `to`, and taken retries.

    `number` 0: nothing; 2: the process died again before the first round was through. `fence`: retries that were taken
    under a smaller one. `items` are left of them, at most. `next_to`: where the next first round ends, of what was
    started beyond `to` (0: nothing was).
    """

    number: int = 0
    to: int = 0
    fence: int = 0
    items: int = 0
    next_to: int = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """From where on items are handed out, and how far: `settled` of them are. the rest is what its limits stand at."""

    mark: int
    throughput: float
    settled: int
    limit: int
    repeat_round: int
    failure_counts: str | None = None
    credits_used: Decimal = Decimal(0)
    highest_credits: Decimal = Decimal(0)


class RecoveryStore:
    """Of one database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # Who stood alone

    async def start_alone(self, backfill_number: int, fence: int, position: int | None, holder: str) -> bool:
        """Name the item that is about to start by itself (None: no more). False: the lease is lost."""
        value = await self._pool.fetchval(
            _sql.start_alone, backfill_number, fence, position, None if position is None else holder
        )
        return value is not None

    async def find_alone(self, backfill_number: int) -> Alone | None:
        """The item that a process started by itself and never recorded."""
        row = await self._pool.fetchrow(_sql.find_alone, backfill_number)
        return Alone(**dict(row)) if row else None

    async def charge_interruption(self, backfill_number: int, fence: int, alone: Alone, at: datetime) -> bool:
        """Write down that the process died with `alone` in flight, and let it be repeated.

        False, and nothing is written, if that process has said meanwhile that it lives, or the lease is lost.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            is_new = await connection.fetchval(
                _sql.charge_interruption, backfill_number, fence, alone.position, alone.tries + 1, at, alone.holder
            )
            if is_new:
                await connection.execute(_sql.grow_retrying, backfill_number)
            reached(Point.CHARGE_BEFORE_COMMIT)
        reached(Point.CHARGE_AFTER_COMMIT)
        return is_new is not None

    async def take_back_charge(self, backfill_number: int, holder: str) -> None:
        """`holder` lives: it lost its lease, but did not die of the item that it was charged for, or shall be."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_sql.end_alone, backfill_number, holder)
            await connection.execute(_sql.take_back_charge, backfill_number, holder)

    # What is to be repeated

    async def take_over(self, backfill_number: int, fence: int, now: datetime, *, most: int) -> Round | None:
        """After an unclean end: begin a first round, or the second one if a round is not through. None: lease lost.

        `most`: at most so many, if the last owner wrote no limit down. A second time changes nothing.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_sql.lock_account, backfill_number, fence)
            if row is None:
                return None
            if row["is_unknown"]:
                await connection.execute(_sql.take_due, backfill_number, now, most)
                await connection.execute(_sql.assume_limit, backfill_number, most)
                row = await connection.fetchrow(_sql.lock_account, backfill_number, fence)
                assert row is not None  # noqa: S101 - we have locked it
            left = await _round_of(connection, backfill_number, row)
            if left.number and left.fence == fence:
                return left
            if left.items:
                left = replace(left, number=2)
                await connection.execute(_sql.set_round, backfill_number, fence, 2, left.to, left.fence)
                return left
            return await _begin_first(connection, backfill_number, fence, left.next_to)

    async def read_round(self, backfill_number: int, fence: int) -> Round | None:
        """What is left of the round that was begun. None: the lease is lost."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_sql.lock_account, backfill_number, fence)
            return None if row is None else await _round_of(connection, backfill_number, row)

    async def end_round(self, backfill_number: int, fence: int, *, next_to: int) -> Round | None:
        """A round is through; begin a first one with what others have started beyond it. None: the lease is lost."""
        async with self._pool.acquire() as connection, connection.transaction():
            reached(Point.ALONE_BEFORE_END)
            if await connection.fetchrow(_sql.lock_account, backfill_number, fence) is None:
                return None
            found = await _begin_first(connection, backfill_number, fence, next_to)
        reached(Point.ALONE_ENDED)
        return found

    async def read_repeats(
        self, backfill_number: int, before_fence: int, *, taken: Collection[int], most: int
    ) -> list[PlanRow]:
        """At most `most` retries that were handed out by owners before `before_fence`, without those in `taken`."""
        rows = await self._pool.fetch(_sql.read_repeats, backfill_number, before_fence, list(taken), most)
        return [PlanRow(*row) for row in rows]

    # What is handed out

    async def open_hand_out(self, backfill_number: int, fence: int, *, keeps: bool, ahead: int) -> Opening | None:
        """Allow `ahead` more to be handed out than are settled, or (`keeps`) what the last owner could. None: lost."""
        row = await self._pool.fetchrow(_sql.open_hand_out, backfill_number, fence, keeps, ahead)
        return None if row is None else Opening(**dict(row))

    async def note_cut_off(self, backfill_number: int, fence: int, positions: Collection[int], at: datetime) -> None:
        """They were started by us, and are not waited for: they are tried again at once, as the try that they were."""
        await self._pool.execute(_sql.note_cut_off, backfill_number, fence, list(positions), at)

    async def put_back_retries(self, backfill_number: int, fence: int, positions: Collection[int]) -> None:
        """They were handed out by us, and are not under way any more though nothing became of them."""
        await self._pool.execute(_sql.put_back_retries, backfill_number, fence, list(positions))


async def _begin_first(on: Connection, backfill_number: int, fence: int, to: int) -> Round:
    """What was started up to `to`, and retries that were taken by others; round 0 if there is nothing of the kind."""
    await on.execute(_sql.set_round, backfill_number, fence, 1, to, fence)
    row = await on.fetchrow(_sql.lock_account, backfill_number, fence)
    assert row is not None  # noqa: S101 - whoever calls has locked it
    found = await _round_of(on, backfill_number, row)
    if found.items:
        return found
    await on.execute(_sql.set_round, backfill_number, fence, 0, 0, fence)
    return Round()


async def _round_of(on: Connection, backfill_number: int, row: asyncpg.Record) -> Round:
    number, to, fence = row["repeat_round"], row["repeat_to"], row["repeat_fence"]
    _, ends = await _first_left(on, backfill_number, row, most=max(0, row["most"]))
    if not number:
        return Round(next_to=ends)
    planned, _ = await _first_left(on, backfill_number, row, before=to)
    taken = await on.fetchval(_sql.count_taken, backfill_number, fence)
    return Round(number, to, fence, planned + taken, ends if ends > to else 0)


async def _first_left(
    on: Connection, backfill_number: int, row: asyncpg.Record, *, most: int = EVERYTHING, before: int = EVERYTHING
) -> tuple[int, int]:
    """Of the first `most` items without an outcome or a retry, below `before`: how many, and where they end."""
    pages, sample = PlanPages(on), row["sample_open"]
    since: int | None = 0 if sample else row["mark"]
    count = ends = 0
    while since is not None and since < before and count < most:
        page = await (pages.read_sample if sample else pages.read)(backfill_number, since=since, most=AT_ONCE)
        left = [item.position for item in page.rows if item.position < before][: most - count]
        count, ends, since = count + len(left), left[-1] + 1 if left else ends, page.goes_on_at
    return count, ends
