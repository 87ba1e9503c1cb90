"""The last outcome of each entity under its workflow: of what really ran, the latest, longer than any backfill."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from random import Random

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.ledgers import insert_retry, make_ledger, rows_touched

from backfilld.domain.backfills.records import Backfill
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.ledger.last_runs import LastRunsStore


@pytest.fixture
def remembered(pool: Pool) -> LastRunsStore:
    return LastRunsStore(pool)


async def ran(pool: Pool, entries: dict[str, str], of: Backfill | None = None, *, hours: int = 0, **kw) -> Backfill:
    """A backfill that has ended, `hours` after noon."""
    backfill = await make_backfill(pool, of, exclusive=False, **kw)
    await make_ledger(pool, backfill, entries)
    await end(pool, backfill, hours)
    return backfill


async def end(pool: Pool, backfill: Backfill, hours: int = 0) -> None:
    at = NOON + timedelta(hours=hours)
    await pool.execute("UPDATE outcomes SET finished_at = $2 WHERE backfill_number = $1", backfill.number, at)
    await pool.execute(
        "UPDATE backfills SET status = 'completed', completed_at = $2 WHERE number = $1", backfill.number, at
    )


async def last_runs(pool: Pool) -> dict[str, str]:
    return dict(tuple(row) for row in await pool.fetch("SELECT entity_id, status::text FROM last_runs"))


async def test_only_what_really_ran_is_remembered(pool, remembered):
    await ran(pool, {"a": "succeeded", "b": "failed:http_404", "c": "skipped", "d": "cancelled"})
    await remembered.bring_up_to_date()

    assert {"a": "succeeded", "b": "failed"} == await last_runs(pool)


async def test_the_latest_outcome_counts_whichever_is_remembered_first(pool, remembered):
    late = await ran(pool, {"a": "failed:x", "b": "succeeded"}, hours=5)
    await remembered.bring_up_to_date()
    await ran(pool, {"a": "succeeded", "b": "failed:x"}, late, hours=2)
    await ran(pool, {"b": "failed:x"}, late, hours=9)
    await remembered.bring_up_to_date()

    assert {"a": "failed", "b": "failed"} == await last_runs(pool)


async def test_workflows_and_types_are_kept_apart(pool, remembered):
    one = await ran(pool, {"a": "succeeded"})
    await ran(pool, {"a": "failed:x"}, one, entity_type="task")
    await ran(pool, {"a": "failed:x"})
    await remembered.bring_up_to_date()

    assert 3 == await pool.fetchval("SELECT count(*) FROM last_runs")


async def test_what_runs_still_is_left_alone_unless_a_planner_of_its_workflow_asks(pool, remembered):
    running = await make_backfill(pool)
    await make_ledger(pool, running, {"a": "succeeded", "b": "pending"})
    await remembered.bring_up_to_date()
    before = await last_runs(pool)
    await remembered.bring_up_to_date(running.workflow_id)
    asked = await last_runs(pool)
    await pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts)"
        " VALUES ($1, 1, 'succeeded', $2, $2, 1)", running.number, NOON,
    )  # fmt: skip
    await end(pool, running)
    await remembered.bring_up_to_date()

    assert {} == before
    assert {"a": "succeeded"} == asked
    assert {"a": "succeeded", "b": "succeeded"} == await last_runs(pool)


@pytest.mark.parametrize("at_once", [1, 2, 100])
async def test_each_is_looked_at_once_in_bounded_steps(pool, remembered, monkeypatch, at_once: int):
    monkeypatch.setattr("backfilld.store.ledger.last_runs.AT_ONCE", at_once)
    await ran(pool, {f"e{n}": "succeeded" for n in range(5)})
    looked = [await remembered.bring_up_to_date() for _ in range(2)]

    assert [1, 0] == looked
    assert 5 == len(await last_runs(pool))


async def test_two_that_remember_at_once_agree(pool, remembered):
    await ran(pool, {f"e{n}": "succeeded" for n in range(50)})
    await asyncio.gather(*(remembered.bring_up_to_date() for _ in range(4)), return_exceptions=True)
    await remembered.bring_up_to_date()

    assert 50 == len(await last_runs(pool))


async def test_what_is_remembered_outlives_its_backfill(pool, remembered):
    backfill = await ran(pool, {"a": "succeeded"})
    await remembered.bring_up_to_date()
    for table in ("outcomes", "plan_items"):
        await pool.execute(f"DELETE FROM {table}")  # noqa: S608 - names from above
    await pool.execute("DELETE FROM backfills WHERE number = $1", backfill.number)

    assert {"a": "succeeded"} == await last_runs(pool)


class Counting(LastRunsStore):
    """Counts what it looks at."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.looks = 0

    async def _remember(self, *args, **more):
        self.looks += 1
        await super()._remember(*args, **more)


async def half_done(pool: Pool, items: int, **settings) -> Backfill:
    """A running backfill whose first half has ended."""
    backfill = await make_backfill(pool, exclusive=False, **settings)
    await pool.execute(
        "INSERT INTO plan_items (backfill_number, position, entity_id)"
        " SELECT $1, n, 'e' || n FROM generate_series(0, $2::integer - 1) AS n",
        backfill.number, items,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts)"
        " SELECT $1, n, 'succeeded', $3, $3, 1 FROM generate_series(0, $2::integer - 1) AS n",
        backfill.number, items // 2, NOON,
    )  # fmt: skip
    await pool.execute(
        "UPDATE backfill_progress SET planned = $2, succeeded = $2 / 2, low_water_mark = $2 / 2"
        " WHERE backfill_number = $1",
        backfill.number, items,
    )  # fmt: skip
    return backfill


async def finish(pool: Pool, backfill: Backfill, position: int, status: str = "succeeded") -> None:
    """What the recorder does with one item."""
    await pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, error_class)"
        " VALUES ($1, $2, $3::text::outcome_status, $4, $4, 1, CASE WHEN $3 = 'failed' THEN 'x' END)",
        backfill.number, position, status, NOON + timedelta(hours=1),
    )  # fmt: skip
    await pool.execute("DELETE FROM retries WHERE backfill_number = $1 AND position = $2", backfill.number, position)
    await pool.execute(
        "UPDATE backfill_progress"
        "   SET succeeded = succeeded + ($2 = 'succeeded')::int, failed = failed + ($2 = 'failed')::int"
        " WHERE backfill_number = $1",
        backfill.number, status,
    )  # fmt: skip


async def test_beside_a_running_backfill_only_what_is_new_is_looked_at(pool):
    backfill = await half_done(pool, 4_000)
    store = LastRunsStore(pool)
    await store.bring_up_to_date(backfill.workflow_id)
    await finish(pool, backfill, 2_000)
    async with pool.acquire() as connection:
        before = await rows_touched(connection)
        alone = LastRunsStore(_Only(connection))  # type: ignore[arg-type] # all that it uses
        await alone.bring_up_to_date(backfill.workflow_id)
        touched = await rows_touched(connection) - before

    assert 2_001 == len(await last_runs(pool))
    assert touched <= 20


class _Only:
    """A pool of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.fetch, self.execute = connection.fetch, connection.execute

    def acquire(self) -> AbstractAsyncContextManager[Connection]:
        return nullcontext(self._connection)


async def test_backfills_of_which_nothing_is_new_are_not_looked_at(pool):
    first = await half_done(pool, 2)
    for _ in range(5):
        await make_ledger(pool, await make_backfill(pool, first, exclusive=False), {"a": "pending", "b": "skipped"})
    await pool.execute(
        "UPDATE backfill_progress SET skipped_in_plan = skipped WHERE backfill_number > $1", first.number
    )
    store = Counting(pool)
    looked = [await store.bring_up_to_date(first.workflow_id) for _ in range(3)]

    assert [1, 0, 0] == looked
    assert 2 == store.looks  # before the low-water mark, and behind it


async def test_what_waited_when_the_mark_passed_it_is_remembered_when_it_ends(pool, remembered):
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {"a": "succeeded", "b": "retrying", "c": "succeeded", "d": "pending"})
    await remembered.bring_up_to_date(backfill.workflow_id)
    before = await last_runs(pool)
    await finish(pool, backfill, 1, "failed")
    await remembered.bring_up_to_date(backfill.workflow_id)

    assert {"a": "succeeded", "c": "succeeded"} == before
    assert {"a": "succeeded", "b": "failed", "c": "succeeded"} == await last_runs(pool)
    assert 0 == await pool.fetchval("SELECT count(*) FROM last_runs_waiting")


async def test_what_ended_ahead_of_one_that_takes_long_is_remembered(pool, remembered):
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {"a": "succeeded", "b": "pending", "c": "succeeded", "d": "failed:x"})
    await remembered.bring_up_to_date(backfill.workflow_id)

    assert {"a": "succeeded", "c": "succeeded", "d": "failed"} == await last_runs(pool)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
async def test_looks_at_any_moments_remember_what_one_look_at_the_end_would(pool, monkeypatch, seed: int):
    monkeypatch.setattr("backfilld.store.ledger.last_runs.AT_ONCE", 3)
    chance, store = Random(seed), LastRunsStore(pool)
    backfill = await make_backfill(pool)
    await make_ledger(pool, backfill, {f"e{n:02}": "pending" for n in range(30)})
    open_ones, waiting = list(range(30)), set()
    while open_ones:
        position = chance.choice(open_ones[:5] + sorted(waiting)[:2])
        if position not in waiting and chance.random() < 0.4:
            await insert_retry(pool, backfill.number, position)
            waiting.add(position)
        else:
            await finish(pool, backfill, position, chance.choice(["succeeded", "failed"]))
            open_ones.remove(position)
            waiting.discard(position)
        mark = next((n for n in open_ones if n not in waiting), 30)
        await pool.execute(
            "UPDATE backfill_progress SET low_water_mark = $2 WHERE backfill_number = $1", backfill.number, mark
        )
        if chance.random() < 0.3:
            await store.bring_up_to_date(backfill.workflow_id)
            assert await last_runs(pool) == await outcomes(pool, backfill)
    await end(pool, backfill)
    await store.bring_up_to_date()

    assert await last_runs(pool) == await outcomes(pool, backfill)
    assert 0 == await pool.fetchval("SELECT count(*) FROM last_runs_waiting")


async def outcomes(pool: Pool, backfill: Backfill) -> dict[str, str]:
    rows = await pool.fetch(
        "SELECT entity_id, status::text FROM outcomes JOIN plan_items USING (backfill_number, position)"
        " WHERE backfill_number = $1",
        backfill.number,
    )
    return dict(tuple(row) for row in rows)
