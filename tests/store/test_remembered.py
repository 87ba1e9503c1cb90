"""The last outcome of each entity under its workflow: of what really ran, the latest, longer than any backfill."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.ledgers import make_ledger

from backfilld.domain.backfills.records import Backfill
from backfilld.store.connection.pool import Pool
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
    await pool.execute("UPDATE outcomes SET finished_at = $2 WHERE backfill_no = $1", backfill.no, at)
    await pool.execute("UPDATE backfills SET status = 'completed', completed_at = $2 WHERE no = $1", backfill.no, at)


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
        "INSERT INTO outcomes (backfill_no, position, status, started_at, finished_at, attempts)"
        " VALUES ($1, 1, 'succeeded', $2, $2, 1)", running.no, NOON,
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
    await pool.execute("DELETE FROM backfills WHERE no = $1", backfill.no)

    assert {"a": "succeeded"} == await last_runs(pool)
