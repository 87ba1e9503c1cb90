"""A backfill over somebody else's database, from its plan to its outcomes."""

import asyncpg
import pytest
from tests.support.backfills import make_backfill
from tests.support.engine import SteppedClock, engine_on
from tests.support.sql_types import TICKETS, sql_sources
from tests.support.waiting import eventually

OPEN = {"combinator": "and", "not": False, "rules": [{"field": "status", "operator": "=", "value": "open"}]}


@pytest.fixture
async def foreign(empty_dsn):
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute(TICKETS)
    yield connection
    await connection.close()


@pytest.fixture
async def sources(tmp_path, empty_dsn, pool, foreign):
    made = sql_sources(tmp_path, empty_dsn, pool, SteppedClock())
    yield made
    await made.close()


async def test_what_matches_is_started_with_its_attributes(dsn, pool, sources):
    backfill = await make_backfill(pool, filter_resolved=OPEN)
    async with engine_on(dsn, pool, source=sources) as engine:
        await engine.until(backfill, "completed")

    assert {str(n) for n in range(2, 21, 2)} == {start.entity_id for start in engine.executor.starts}
    assert {"open"} == {start.attributes["status"] for start in engine.executor.starts}


async def test_newest_first_goes_by_the_configured_time(dsn, pool, sources):
    backfill = await make_backfill(pool, filter_resolved=OPEN, order="newest_first", max_in_flight=1)
    async with engine_on(dsn, pool, source=sources) as engine:
        await engine.until(backfill, "completed")

    assert [str(n) for n in range(20, 0, -2)] == [start.entity_id for start in engine.executor.starts]


async def test_a_database_that_goes_away_is_waited_for_and_says_so(dsn, pool, sources, foreign, monkeypatch):
    monkeypatch.setattr("backfilld.engine.backfills.planning.step.FIRST_PAUSE_SECONDS", 1.1)  # worth telling at once
    name = await foreign.fetchval("SELECT current_database()")
    await pool.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    backfill = await make_backfill(pool, filter_resolved=OPEN)
    async with engine_on(dsn, pool, source=sources) as engine:
        reason = await eventually(lambda: reason_of(engine, backfill))
        await pool.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await engine.until(backfill, "completed")

    assert "source_unreachable" == reason.code
    assert "not currently accepting connections" in reason.message
    assert 10 == len(engine.executor.starts)


async def reason_of(engine, backfill):
    return (await engine.tools.backfills.get(backfill.id)).reason


async def test_a_query_that_breaks_ends_the_backfill_with_the_reason(dsn, pool, sources, foreign):
    await foreign.execute("DROP TABLE tickets")
    backfill = await make_backfill(pool, filter_resolved=OPEN)
    async with engine_on(dsn, pool, source=sources) as engine:
        row = await engine.until(backfill, "failed")

    assert 'the source is broken: relation "tickets" does not exist' == row.error["message"]


async def test_rows_that_cannot_be_read_are_planned_and_skipped_where_that_is_wished(
    dsn, pool, foreign, tmp_path, empty_dsn
):
    await foreign.execute("ALTER TABLE tickets ADD COLUMN j json")
    await foreign.execute("UPDATE tickets SET j = $1::text::json WHERE id IN (4, 7)", r'{"a": "\u0000"}')
    sources = sql_sources(tmp_path, empty_dsn, pool, SteppedClock(), more='on_bad_row = "skip"')
    backfill = await make_backfill(pool, filter_resolved=OPEN)
    async with engine_on(dsn, pool, source=sources) as engine:
        await engine.until(backfill, "completed")
    await sources.close()
    skipped = await pool.fetch(
        "SELECT entity_id, skip_reason FROM outcomes JOIN plan_items USING (backfill_number, position)"
        " WHERE status = 'skipped' ORDER BY position"
    )

    assert {str(n) for n in range(2, 21, 2)} - {"4"} == {start.entity_id for start in engine.executor.starts}
    assert [("4", "unreadable")] == [tuple(row) for row in skipped]  # the other is closed, which its column says
