"""A cancel that does not wait for what is in flight, wherever that happens to be."""

import asyncio

from tests.engine.test_recovery import FEW, left_behind
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.executors.base import Work

ALL = {"filter_resolved": {"match_all": True}}
HOUR = 3600.0


async def endless(_: Work) -> Verdict:
    await asyncio.sleep(HOUR)
    return SUCCEEDED


async def started(pool) -> int:
    return await pool.fetchval("SELECT count(*) FROM outcomes WHERE started_at IS NOT NULL AND status = 'cancelled'")


async def test_a_request_that_is_stuck_on_its_way_out_is_cut_off_too(dsn, pool):
    executor = ScriptedExecutor(sends=HOUR)
    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    async with engine_on(dsn, pool, executor) as engine:
        await eventually(lambda: executor.running == 3)
        async with asyncio.timeout(8):
            await engine.cancel(backfill, in_flight=True)
        await engine.until(backfill, "cancelled")

    assert 3 == await started(pool)
    assert {"cancelled": 50} == await engine.outcomes(backfill)


async def test_what_had_not_come_to_its_start_is_cancelled_without_one(dsn, pool):
    executor = ScriptedExecutor(connects=HOUR)
    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    async with engine_on(dsn, pool, executor) as engine:
        await eventually(lambda: engine.tools.capacity.in_use == 3)
        await engine.cancel(backfill, in_flight=True)
        await engine.until(backfill, "cancelled")

    assert 0 == await started(pool)
    assert {"cancelled": 50} == await engine.outcomes(backfill)


async def test_what_waits_for_its_place_in_the_process_is_cancelled_without_a_start(dsn, pool):
    executor = ScriptedExecutor(endless)
    backfill = await make_backfill(pool, **ALL, max_in_flight=5)
    async with engine_on(dsn, pool, executor, capacity=2) as engine:
        await eventually(lambda: executor.running == 2 and engine.tools.capacity.waiting == 3)
        await engine.cancel(backfill, in_flight=True)
        await engine.until(backfill, "cancelled")

    assert 2 == await started(pool)
    assert not engine.tools.capacity.is_full


async def test_who_stands_alone_after_an_unclean_end_is_cut_off_too(dsn, pool):
    executor = ScriptedExecutor(endless)
    backfill = await left_behind(pool, *["pending"] * 10)
    async with engine_on(dsn, pool, executor, ListSource(entities(10)), limits=FEW) as engine:
        await eventually(lambda: executor.running)
        await engine.cancel(backfill, in_flight=True)
        await engine.until(backfill, "cancelled")

    assert 1 == await started(pool)
    assert await pool.fetchval("SELECT alone_position IS NULL FROM backfill_progress")


async def test_a_cancel_that_drains_can_be_made_one_that_cuts_off(dsn, pool):
    executor = ScriptedExecutor(endless)
    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    async with engine_on(dsn, pool, executor) as engine:
        await eventually(lambda: executor.running == 3)
        await engine.cancel(backfill)
        await asyncio.sleep(0.05)
        still = (await engine.tools.backfills.get(backfill.id)).status
        await pool.execute("UPDATE backfills SET cancel_in_flight = true, version = version + 1")
        engine.scheduler.hear(backfill.number)
        await engine.until(backfill, "cancelled")

    assert "cancelling" == still
    assert 3 == await started(pool)


async def test_the_end_of_the_grace_cuts_off_without_an_outcome(dsn, pool):
    executor = ScriptedExecutor(endless)
    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    async with engine_on(dsn, pool, executor) as engine:
        await eventually(lambda: executor.running == 3)
    leases = await pool.fetchrow("SELECT released, in_order FROM leases")

    assert (True, True) == tuple(leases)
    assert {} == await engine.outcomes(backfill)
