"""A database that answers, and takes nothing: a backfill tells what it waits for, and goes on by itself."""

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.engine import ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.schedules import make_schedule
from tests.support.waiting import eventually

from backfilld.domain.states import ReasonCode
from backfilld.events import BackfillHeldUp

FULL = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON {table} EXECUTE FUNCTION refuse();
"""
WORDS = "the disk of the database is full"


async def fill(pool, table):
    """What a full disk does, for one table alone."""
    await pool.execute(FULL.format(table=table))


async def clear(pool, table):
    await pool.execute(f"DROP TRIGGER refuse ON {table}")


@pytest.mark.parametrize(
    ("table", "message"),
    [("plan_items", f"it waits for the database: {WORDS}"), ("outcomes", f"20 outcomes cannot be recorded: {WORDS}")],
)
async def test_a_table_that_takes_nothing_is_told_and_waited_for(dsn, pool, table, message):
    await fill(pool, table)
    backfill = await make_backfill(pool, filter_resolved={"match_all": True})
    async with engine_on(dsn, pool, ScriptedExecutor(), ListSource(entities(20))) as engine:
        hold = await eventually(lambda: (live := engine.control.live(backfill.no)) and live.hold)
        obstacle = engine.scheduler.obstacle or engine.recorder.obstacle
        await clear(pool, table)
        await engine.until(backfill, "completed", succeeded=20)
        over = (engine.scheduler.obstacle, engine.recorder.obstacle)
    told = [event for event in engine.events if isinstance(event, BackfillHeldUp)]

    assert (ReasonCode.WAITING_FOR_CAPACITY, message) == (hold.code, hold.message)
    assert "DiskFullError" == type(obstacle).__name__
    assert (None, None) == over
    assert (1 if table == "plan_items" else 0) == len(told)


async def test_sessions_that_cannot_be_made_are_told_and_made_later(dsn, pool):
    await fill(pool, "sessions")
    await make_schedule(pool, {"minutes_interval>": 1}, next_session_at=NOON)
    async with engine_on(dsn, pool, ScriptedExecutor(), ListSource(), clock=SteppedClock(NOON)) as engine:
        obstacle = await eventually(lambda: engine.firing.obstacle)
        await clear(pool, "sessions")
        await eventually(lambda: pool.fetchval("SELECT count(*) > 0 FROM sessions"))
        await eventually(lambda: engine.firing.obstacle is None)

    assert "DiskFullError" == type(obstacle).__name__
