"""An executor is told when nobody wants any more what it has started; and only then."""

import asyncio
from typing import Any

import pytest
from tests.engine.test_live_attempts import request_kill
from tests.support.attempts import all_ended, make_attempts
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually
from tests.support.wire import wire_to

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.executors.base import Work
from backfilld.store.connection.pool import open_pool

ALL = {"filter_resolved": {"match_all": True}}


async def endless(_: Work) -> Verdict:
    await asyncio.sleep(3600)
    return SUCCEEDED


def started(executor: ScriptedExecutor) -> set[str]:
    return {start.key for start in executor.starts}


async def test_a_cancel_that_does_not_wait_tells_the_executor_of_each_item_in_flight(dsn, pool):
    executor = ScriptedExecutor(endless)
    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    async with engine_on(dsn, pool, executor) as engine:
        await eventually(lambda: len(executor.starts) == 3)
        await engine.cancel(backfill, in_flight=True)
        await engine.until(backfill, "cancelled")

    assert started(executor) == set(executor.stopped)
    assert 3 == len(executor.stopped)


async def test_a_kill_tells_the_executor(dsn, pool):
    executor = ScriptedExecutor(endless)
    ids = await make_attempts(pool)
    async with engine_on(dsn, pool, executor) as engine:
        await eventually(lambda: executor.starts)
        await request_kill(pool, *ids)
        await all_ended(engine, ids)
        await eventually(lambda: executor.stopped)

    assert started(executor) == set(executor.stopped)


async def test_what_had_not_come_to_its_start_is_not_told_of(dsn, pool):
    executor = ScriptedExecutor(connects=3600)
    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    async with engine_on(dsn, pool, executor) as engine:
        await eventually(lambda: engine.tools.capacity.in_use == 3)
        await engine.cancel(backfill, in_flight=True)
        await engine.until(backfill, "cancelled")

    assert [] == executor.stopped


@pytest.mark.parametrize("kind", ["items", "attempts"])
async def test_a_daemon_that_stops_still_wants_what_it_cuts_off(dsn, pool, kind: str):
    executor = ScriptedExecutor(endless)
    if kind == "items":
        await make_backfill(pool, **ALL, max_in_flight=2)
    else:
        await make_attempts(pool, 2)
    async with engine_on(dsn, pool, executor):
        await eventually(lambda: len(executor.starts) == 2)

    assert [] == executor.stopped


@pytest.mark.usefixtures("short_leases")
@pytest.mark.parametrize("kind", ["items", "attempts"])
async def test_whoever_lost_the_lease_leaves_the_work_to_the_next_owner(dsn, pool, kind: str):
    executor = ScriptedExecutor(endless)
    if kind == "items":
        await make_backfill(pool, **ALL, max_in_flight=2)
    else:
        await make_attempts(pool, 2)
    async with wire_to(dsn) as wire:
        far = await open_pool(wire.dsn, size=3)
        async with engine_on(wire.dsn, far, executor) as engine:
            await eventually(lambda: executor.running == 2)
            await pool.execute("UPDATE leases SET fence = fence + 1")
            await pool.execute("UPDATE attempts SET fence = fence + 1")
            await eventually(lambda: not executor.running)
            stopped = list(executor.stopped)
            await engine.stop_all()
        await far.close()

    assert [] == stopped


async def test_an_executor_that_cannot_be_told_holds_nobody_up(dsn, pool, monkeypatch):
    monkeypatch.setattr("backfilld.engine.starting.one_try.STOP_SECONDS", 0.05)

    class Deaf(ScriptedExecutor):
        async def stop(self, work: Work) -> Any:
            if work.entity_id == "e000000":
                raise ConnectionError("nobody there")
            await asyncio.sleep(3600)

    executor = Deaf(endless)
    backfill = await make_backfill(pool, **ALL, max_in_flight=2)
    async with engine_on(dsn, pool, executor, ListSource(entities(5))) as engine:
        await eventually(lambda: len(executor.starts) == 2)
        await engine.cancel(backfill, in_flight=True)
        await engine.until(backfill, "cancelled", seconds=5)
        outcomes = await engine.outcomes(backfill)

    assert {"cancelled": 5} == outcomes
