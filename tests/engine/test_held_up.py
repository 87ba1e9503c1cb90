"""A database that answers, and takes nothing: whatever waits for it tells what for, and goes on by itself."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest
from tests.support.attempts import all_ended, make_attempts
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.engine import ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.schedules import make_schedule
from tests.support.waiting import eventually

from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import SUCCEEDED
from backfilld.engine.service import Part
from backfilld.events import BackfillHeldUp, WorkGoesOn, WorkHeldUp
from backfilld.store.connection.pool import open_pool

FULL = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON {table} EXECUTE FUNCTION refuse();
"""
WORDS = "the disk of the database is full"


async def fill(pool, table):
    """What a full disk does, for one table alone."""
    await pool.execute(FULL.format(table=table))


def said(engine, backfill, message):
    """Why nothing starts, once that is it: more may still end while it is waited for."""
    live = engine.control.live(backfill.number)
    return live.hold if live and live.hold and live.hold.message == message else None


async def clear(pool, table):
    await pool.execute(f"DROP TRIGGER refuse ON {table}")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("plan_items", f"It waits for the database: {WORDS}."),
        ("outcomes", f"The database takes no outcomes: {WORDS}; 20 wait."),
    ],
)
async def test_a_table_that_takes_nothing_is_told_and_waited_for(dsn, pool, table, message):
    await fill(pool, table)
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, max_in_flight=20)
    async with engine_on(dsn, pool, ScriptedExecutor(), ListSource(entities(20))) as engine:
        hold = await eventually(lambda: said(engine, backfill, message))
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


@asynccontextmanager
async def locked(dsn, table):
    """As by somebody who alters the table by hand, and goes for a coffee."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


# what of the engine cannot do without a table, and so has to say that it waits for it
NEEDS = {
    "attempts": {Part.ATTEMPTS},
    "schedules": {Part.SCHEDULES},
    "stop_order": {Part.STOP_ORDER, Part.LEASES, Part.ATTEMPT_LEASES, Part.ATTEMPTS},
    "leases": {Part.LEASES, Part.BACKFILLS},
    "backfills": {Part.BACKFILLS},
    "idempotency_keys": {Part.CLEANING},
}


async def test_every_loop_that_waits_for_the_database_says_so(dsn, pool, monkeypatch):
    """One table after the other cannot be had."""
    monkeypatch.setattr("backfilld.engine.janitor.EVERY_SECONDS", 0.1)
    monkeypatch.setattr("backfilld.engine.service.LONGEST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr("backfilld.engine.starting.leases.RENEW_EVERY_SECONDS", 0.2)
    monkeypatch.setattr("backfilld.engine.news.LOOKS_EVERY_SECONDS", 0.2)
    held, told, over = asyncio.Event(), {}, {}
    impatient = {"lock_timeout": "100ms"}
    engine_pool = await open_pool(dsn, size=4, **impatient)
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, max_in_flight=1)
    (attempt,) = await make_attempts(pool)

    async def script(_):
        await held.wait()
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    more = {"session": impatient, "cleans": True, "listens": False}
    async with engine_on(dsn, engine_pool, executor, ListSource(entities(1)), **more) as engine:
        await eventually(lambda: executor.running == 2)
        for table, parts in NEEDS.items():
            engine.events.clear()
            async with locked(dsn, table):
                for part in parts:
                    await eventually(lambda part=part: engine.serving[part].obstacle, seconds=10)
                told[table] = {event.part for event in engine.events if isinstance(event, WorkHeldUp)}
            await eventually(lambda: all(part.obstacle is None for part in engine.serving.values()))
            over[table] = {event.part for event in engine.events if isinstance(event, WorkGoesOn)}
        held.set()
        await engine.until(backfill, "completed")
        await all_ended(engine, [attempt])
    await engine_pool.close()

    for table, parts in NEEDS.items():  # the scheduler says `database lost`
        assert {part.label for part in parts} - {"backfills"} <= told[table] <= over[table], table
