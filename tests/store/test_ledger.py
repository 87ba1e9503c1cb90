"""The engine's side of the ledger: written once, under the fence alone, with counters that are the rows."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.ledgers import make_ledger

from backfilld.domain.backfills.records import Backfill, Outcome, Try
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.pool import Pool, open_pool
from backfilld.store.ledger.entries import Checkpoint, EndedItem, TriedItem
from backfilld.store.ledger.ledger import Ledger
from backfilld.store.ledger.pages import LedgerPages
from backfilld.store.ledger.recording import record
from backfilld.store.ledger.recovery import RecoveryStore

DONE = Outcome("succeeded", NOON, NOON, 1)
AGAIN = Try(1, 1, NOON, NOON, NOON + timedelta(minutes=1), "http_500", "broken", 500)


@pytest.fixture
async def backfill(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {f"e{n}": "pending" for n in range(10)})
    await LeaseStore(pool, instance="a", process="1").acquire(backfill.number)
    return backfill


@pytest.fixture
def ledger(pool: Pool) -> Ledger:
    return Ledger(pool)


def standing(backfill: Backfill, mark: int = 0, fence: int = 1) -> Checkpoint:
    return Checkpoint(backfill.number, fence, mark, 2.5)


def ended(backfill: Backfill, position: int, outcome: Outcome = DONE, *, had_retry: bool = False) -> EndedItem:
    return EndedItem(backfill.number, position, outcome, had_retry)


async def write(pool: Pool, backfill: Backfill, *lines, mark: int = 0, fence: int = 1) -> set[int]:
    outcomes = [line for line in lines if isinstance(line, EndedItem)]
    tries = [line for line in lines if isinstance(line, TriedItem)]
    async with pool.acquire() as connection:
        return await record(connection, [standing(backfill, mark, fence)], outcomes, tries, NOON)


async def counters(pool: Pool) -> dict[str, int]:
    row = await pool.fetchrow(
        "SELECT succeeded, failed, skipped, cancelled, retrying, low_water_mark AS mark, credits_used::int AS credits"
        " FROM backfill_progress"
    )
    return {name: value for name, value in row.items() if value}


async def everything(pool: Pool) -> list:
    tables = ("backfill_progress", "outcomes", "retries", "tries")
    return [await pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]  # noqa: S608 - names from above


async def test_a_batch_that_is_written_twice_counts_once(pool, backfill):
    lines = [ended(backfill, 0), ended(backfill, 1, replace(DONE, credits=3)), TriedItem(backfill.number, 2, AGAIN)]
    await write(pool, backfill, *lines, mark=2)
    once = await everything(pool)
    owners = await write(pool, backfill, *lines, mark=2)

    assert once == await everything(pool)
    assert {backfill.number} == owners
    assert {"succeeded": 2, "retrying": 1, "mark": 2, "credits": 3} == await counters(pool)


async def test_a_retry_that_ends_twice_is_taken_off_once(pool, backfill):
    await write(pool, backfill, TriedItem(backfill.number, 2, AGAIN))
    for _ in range(2):
        await write(pool, backfill, ended(backfill, 2, had_retry=True))

    assert {"succeeded": 1} == await counters(pool)
    assert 0 == await pool.fetchval("SELECT count(*) FROM retries")
    assert 1 == await pool.fetchval("SELECT count(*) FROM tries")


async def test_of_two_outcomes_of_an_item_the_first_stands(pool, backfill):
    await write(pool, backfill, ended(backfill, 0))
    failed = Outcome("failed", NOON, NOON, 2, error_class="late", credits=5)
    await write(pool, backfill, ended(backfill, 0, failed))
    await write(pool, backfill, ended(backfill, 1, failed), ended(backfill, 1))

    assert {"succeeded": 1, "failed": 1, "credits": 5} == await counters(pool)


async def test_of_a_batch_that_is_partly_there_only_the_rest_is_written_and_counted(pool, backfill):
    dear, broken = replace(DONE, credits=3), Outcome("failed", NOON, NOON, 2, error_class="late", credits=5)
    await write(pool, backfill, TriedItem(backfill.number, 2, AGAIN), TriedItem(backfill.number, 3, AGAIN))
    there = [ended(backfill, 0, dear), ended(backfill, 2, had_retry=True)]
    await write(pool, backfill, *there, mark=1)
    rest = [ended(backfill, 1, broken), ended(backfill, 3, had_retry=True), TriedItem(backfill.number, 4, AGAIN)]
    await write(pool, backfill, *there, *rest, mark=5)

    assert {"succeeded": 3, "failed": 1, "retrying": 1, "mark": 5, "credits": 8} == await counters(pool)
    assert [0, 1, 2, 3] == [row[0] for row in await pool.fetch("SELECT position FROM outcomes ORDER BY 1")]
    assert [4] == [row[0] for row in await pool.fetch("SELECT position FROM retries")]


async def test_what_is_there_is_not_counted_again_even_where_the_plan_is_too_short_for_it(pool, backfill):
    everything_there_is = [ended(backfill, position) for position in range(10)]
    for _ in range(2):
        assert {backfill.number} == await write(pool, backfill, *everything_there_is, mark=10)

    assert {"succeeded": 10, "mark": 10} == await counters(pool)


@pytest.mark.parametrize("is_repeated", [False, True])
async def test_one_batch_counts_for_each_of_its_backfills(pool, backfill, is_repeated: bool):
    other = await make_backfill(pool)
    await make_ledger(pool, other, {f"e{n}": "pending" for n in range(10)})
    await LeaseStore(pool, instance="a", process="1").acquire(other.number)
    small = Decimal("1E-300")
    failed = Outcome("failed", NOON, NOON, 2, error_class="late", credits=Decimal(10) ** 12)
    skipped = Outcome("skipped", None, NOON, 0, skip_reason="entity_gone")
    lines = [
        ended(backfill, 0, failed),
        ended(other, 0),
        ended(other, 1, skipped),
        ended(backfill, 1, replace(DONE, credits=small)),
        ended(other, 2, Outcome("cancelled", None, NOON, 0)),
    ]
    async with pool.acquire() as connection:
        for _ in range(1 + is_repeated):
            await record(connection, [standing(backfill, 2), standing(other, 3)], lines, [], NOON)
    counted = await pool.fetch(
        "SELECT succeeded, failed, skipped, cancelled, credits_used, highest_credits"
        "  FROM backfill_progress ORDER BY backfill_number"
    )
    rows = await pool.fetch(
        "SELECT count(*) FILTER (WHERE status = 'succeeded'), count(*) FILTER (WHERE status = 'failed'),"
        "       count(*) FILTER (WHERE status = 'skipped'), count(*) FILTER (WHERE status = 'cancelled'),"
        "       coalesce(sum(credits), 0), coalesce(max(credits), 0)"
        "  FROM outcomes GROUP BY backfill_number ORDER BY backfill_number"
    )

    assert [(1, 1, 0, 0), (1, 0, 1, 1)] == [tuple(row)[:4] for row in counted]
    assert [tuple(row) for row in rows] == [tuple(row) for row in counted]


async def test_a_later_try_replaces_the_wait_and_keeps_the_earlier_try(pool, backfill):
    later = replace(AGAIN, attempt=2, counted=1, next_attempt_at=NOON + timedelta(minutes=5))
    await write(pool, backfill, TriedItem(backfill.number, 2, AGAIN))
    await write(pool, backfill, TriedItem(backfill.number, 2, later))
    row = await pool.fetchrow("SELECT tries, counted, next_attempt_at, first_started_at FROM retries")

    assert (2, 1, NOON + timedelta(minutes=5), NOON) == tuple(row)
    assert {"retrying": 1} == await counters(pool)
    assert 2 == await pool.fetchval("SELECT count(*) FROM tries")


@pytest.mark.parametrize("fence", [0, 2])
async def test_another_fence_writes_nothing(pool, backfill, fence: int):
    before = await everything(pool)
    owners = await write(pool, backfill, ended(backfill, 0), TriedItem(backfill.number, 1, AGAIN), mark=2, fence=fence)

    assert set() == owners
    assert before == await everything(pool)


async def test_in_one_batch_only_those_who_lost_their_lease_are_left_out(pool, backfill):
    other = await make_backfill(pool)
    await make_ledger(pool, other, {"a": "pending"})
    await LeaseStore(pool, instance="a", process="1").acquire(other.number)
    async with pool.acquire() as connection:
        owners = await record(
            connection,
            [standing(backfill, fence=9), standing(other)],
            [ended(backfill, 0), ended(other, 0)],
            [TriedItem(backfill.number, 1, AGAIN)],
            NOON,
        )

    assert {other.number} == owners
    assert [other.number] == [row[0] for row in await pool.fetch("SELECT backfill_number FROM outcomes")]
    assert 0 == await pool.fetchval("SELECT count(*) FROM retries")


async def test_the_mark_never_goes_back(pool, backfill):
    await write(pool, backfill, ended(backfill, 0), mark=5)
    await write(pool, backfill, ended(backfill, 1), mark=2)

    assert {"succeeded": 2, "mark": 5} == await counters(pool)


async def test_the_first_start_stays_and_is_written_under_the_fence_alone(pool, ledger, backfill):
    await pool.execute("UPDATE backfill_progress SET started_at = NULL")
    seen = []
    for fence, hours in ((9, 0), (1, 1), (1, 2)):
        await ledger.note_start(backfill.number, fence, NOON + timedelta(hours=hours))
        seen.append(await pool.fetchval("SELECT started_at FROM backfill_progress"))

    assert [None, NOON + timedelta(hours=1), NOON + timedelta(hours=1)] == seen


async def test_the_plan_is_read_in_bounds_and_without_what_is_through(pool, ledger, backfill):
    await write(pool, backfill, ended(backfill, 1), ended(backfill, 4), TriedItem(backfill.number, 2, AGAIN))
    pages = [await ledger.read_plan(backfill.number, since=since, most=4) for since in (1, 5, 9)]
    found = [[(row.position, row.entity_id) for row in page.rows] for page in pages]

    assert [[(3, "e3")], [(5, "e5"), (6, "e6"), (7, "e7"), (8, "e8")], [(9, "e9")]] == found
    assert [5, 9, None] == [page.goes_on_at for page in pages]


async def test_due_retries_are_read_longest_waiting_first(pool, ledger, backfill):
    for position, minutes in ((5, 3), (1, 1), (3, 2), (8, 9)):
        due = replace(AGAIN, next_attempt_at=NOON + timedelta(minutes=minutes))
        await write(pool, backfill, TriedItem(backfill.number, position, due))
    at = NOON + timedelta(minutes=3)
    rows = await ledger.read_retries(backfill.number, 7, due_at=at, taken=[3], most=9)
    following = await ledger.next_retry(backfill.number, taken=[1, 3, 5])

    assert [(1, 1, 1), (5, 1, 1)] == [(row.position, row.tries, row.counted) for row in rows]
    assert NOON + timedelta(minutes=9) == following
    assert await ledger.next_retry(backfill.number, taken=[1, 3, 5, 8]) is None


async def test_a_plan_is_unfinished_until_its_last_outcome(pool, ledger, backfill):
    seen = []
    for position in range(10):
        seen.append(await ledger.has_unfinished(backfill.number))
        await write(pool, backfill, ended(backfill, position))

    assert [True] * 10 == seen
    assert not await ledger.has_unfinished(backfill.number)


@pytest.mark.parametrize("at_once", [1, 3, 100])
async def test_canceling_ends_the_rest_and_nothing_else(pool, ledger, backfill, monkeypatch, at_once: int):
    monkeypatch.setattr("backfilld.store.ledger.ledger.CANCELLED_AT_ONCE", at_once)
    await write(pool, backfill, ended(backfill, 1), ended(backfill, 9), TriedItem(backfill.number, 4, AGAIN))
    first = await ledger.cancel_rest(backfill.number, 1, NOON)
    again = await ledger.cancel_rest(backfill.number, 1, NOON + timedelta(hours=1))
    entries = await LedgerPages(pool).list_page(backfill.number, statuses=["cancelled"], limit=99)

    assert (True, True) == (first, again)
    assert {"succeeded": 2, "cancelled": 8} == await counters(pool)
    assert [(n, int(n == 4), NOON) for n in (0, 2, 3, 4, 5, 6, 7, 8)] == [
        (entry.position, entry.attempts, entry.finished_at) for entry in entries
    ]
    assert 0 == await pool.fetchval("SELECT count(*) FROM retries")
    assert [1, 4, 9] == [row[0] for row in await pool.fetch("SELECT position FROM outcomes ORDER BY 1")]


async def test_canceling_much_may_take_longer_than_other_statements(dsn, pool, backfill):
    await pool.execute(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END$$;"
        " CREATE TRIGGER slowly AFTER INSERT ON outcomes EXECUTE FUNCTION slowly()"
    )
    await write(pool, backfill, TriedItem(backfill.number, 4, AGAIN))
    hasty = await open_pool(dsn, size=1, statement_timeout="150ms")
    ended = await Ledger(hasty).cancel_rest(backfill.number, 1, NOON)
    await hasty.close()

    assert ended


async def test_canceling_under_a_lost_lease_ends_nothing(pool, ledger, backfill):
    assert not await ledger.cancel_rest(backfill.number, 2, NOON)
    assert {} == await counters(pool)


async def test_who_stands_alone_is_named_under_the_fence_alone(pool, ledger, backfill):
    wrong = await RecoveryStore(pool).start_alone(backfill.number, 2, 3, "a/1")
    nobody = await RecoveryStore(pool).find_alone(backfill.number)
    right = await RecoveryStore(pool).start_alone(backfill.number, 1, 3, "a/1")
    alone = await RecoveryStore(pool).find_alone(backfill.number)
    await RecoveryStore(pool).start_alone(backfill.number, 1, None, "a/1")

    assert (False, None, True) == (wrong, nobody, right)
    assert (3, "a/1", "e3", 0, 0) == (alone.position, alone.holder, alone.entity_id, alone.interruptions, alone.tries)
    assert await RecoveryStore(pool).find_alone(backfill.number) is None


OUTCOME = "INSERT INTO outcomes (backfill_number, position, status, finished_at, attempts) VALUES (1, 0, {}, now(), 1)"


@pytest.mark.parametrize(
    "nonsense",
    [
        OUTCOME.format("'failed'"),
        OUTCOME.format("'skipped'"),
        OUTCOME.format("'succeeded'"),
        "UPDATE backfill_progress SET succeeded = planned + 1",
        "UPDATE backfill_progress SET retrying = -1",
        "UPDATE backfills SET status = 'completed'",
        "UPDATE backfills SET completed_at = now()",
    ],
)
async def test_nonsense_cannot_be_stored(pool, backfill, nonsense: str):
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(nonsense)
