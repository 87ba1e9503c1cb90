"""A pause until a certain time ends by itself then, once, whoever looks; every other pause lasts."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.backfill_api import make_operations
from tests.support.backfills import make_backfill, put_into
from tests.support.engine import Engine, ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.schedules import ANNA
from tests.support.waiting import eventually

from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.executors.base import Work
from backfilld.operations.backfills.steer import Signal, Steering
from backfilld.store.backfills.backfills import BackfillStore

ALL = {"filter_resolved": {"match_all": True}}
NOON = datetime(2027, 3, 1, 12, 5, tzinfo=UTC)  # a Monday
MORNING = {"monday": [{"run_start_time": "08:00", "run_end_time": "12:30"}]}


def steering(engine: Engine) -> Steering:
    control: Any = engine.control
    return make_operations(engine.pool, engine.clock, control).steering  # type: ignore[arg-type]


async def pause(engine: Engine, backfill: Backfill, **delay: float) -> Signal:
    until = engine.clock.now() + timedelta(**delay) if delay else None
    return await steering(engine).pause(ANNA, backfill.id, until=until)


async def audited(pool: Any) -> list[tuple[str, str]]:
    rows = await pool.fetch("SELECT actor, action FROM audit_log WHERE action LIKE 'backfill.%e' ORDER BY id")
    return [tuple(row) for row in rows]


async def slow(_: Work) -> Verdict:
    await asyncio.sleep(0.005)
    return SUCCEEDED


async def test_it_goes_on_by_itself_then_and_not_before(dsn, pool):
    clock, executor = SteppedClock(NOON), ScriptedExecutor(slow)
    backfill = await make_backfill(pool, **ALL, max_in_flight=2, created_at=NOON)
    async with engine_on(dsn, pool, executor, ListSource(entities(60)), clock=clock) as engine:
        await eventually(lambda: len(executor.starts) > 5)
        await pause(engine, backfill, seconds=0.4)
        until, paused_after = clock.now() + timedelta(seconds=0.3), len(executor.starts)
        await engine.until(backfill, "completed")
        later = executor.starts[paused_after:]

    assert later
    assert all(start.at > until for start in later)
    assert [("anna", "backfill.pause"), ("system", "backfill.resume")] == await audited(pool)


async def test_two_daemons_end_it_once(dsn, pool):
    clock, source = SteppedClock(NOON), ListSource(entities(20))
    backfill = await make_backfill(pool, **ALL, created_at=NOON)
    async with (
        engine_on(dsn, pool, source=source, clock=clock) as one,
        engine_on(dsn, pool, source=source, clock=clock),
    ):
        await pause(one, backfill, seconds=0.2)
        await one.until(backfill, "completed")

    assert [("anna", "backfill.pause"), ("system", "backfill.resume")] == await audited(pool)


async def test_one_that_ended_while_no_daemon_ran_goes_on_at_the_next_start(dsn, pool):
    clock = SteppedClock(NOON)
    backfill = await make_backfill(pool, **ALL, created_at=NOON)
    async with engine_on(dsn, pool, clock=clock) as engine:
        await pause(engine, backfill, hours=2)
    clock.offset += timedelta(hours=3)
    async with engine_on(dsn, pool, clock=clock) as engine:
        await engine.until(backfill, "completed")

    assert 50 == await pool.fetchval("SELECT count(*) FROM outcomes")


async def test_outside_its_windows_it_waits_for_them(dsn, pool):
    async def endless(_: Work) -> Verdict:
        await asyncio.sleep(3600)
        return SUCCEEDED

    clock, executor = SteppedClock(NOON), ScriptedExecutor(endless)
    backfill = await make_backfill(pool, **ALL, daily_execution_windows=MORNING, created_at=NOON)
    async with engine_on(dsn, pool, executor, clock=clock) as engine:
        await eventually(lambda: len(executor.starts) == 5)
        await pause(engine, backfill, hours=2)
        clock.offset += timedelta(hours=3)
        engine.scheduler.nudge()
        row = await engine.until(backfill, "waiting")

    assert ReasonCode.OUTSIDE_WINDOW is row.reason.code
    assert 5 == len(executor.starts)


@pytest.mark.parametrize("change", ["cleared", "moved", "another reason"])
async def test_what_is_not_to_end_now_does_not(dsn, pool, change):
    clock = SteppedClock(NOON)
    backfill = await make_backfill(pool, **ALL, created_at=NOON)
    async with engine_on(dsn, pool, clock=clock) as engine:
        await pause(engine, backfill, hours=2)
        if change == "cleared":
            await pause(engine, backfill)
        elif change == "moved":
            await pause(engine, backfill, hours=9)
        else:
            await put_into(pool, backfill, Status.PAUSED)
            done = because(ReasonCode.SAMPLE_DONE, since=NOON)
            await BackfillStore(pool).move(
                backfill.number, Status.PAUSED, reason=done, at=NOON, expected=(Status.PAUSED,), wake_at=NOON
            )
        clock.offset += timedelta(hours=3)
        version = (await BackfillStore(pool).get(backfill.id)).version
        for _ in range(3):
            await engine.scheduler.tick()
        row = await BackfillStore(pool).get(backfill.id)

    assert (Status.PAUSED, version) == (row.status, row.version)
