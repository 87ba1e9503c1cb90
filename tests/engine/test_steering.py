"""Pause, resume, cancel: after the answer nothing starts, whoever runs the backfill."""

import asyncio

import pytest
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.domain.errors import Unavailable
from backfilld.executors.base import Work

ALL = {"filter_resolved": {"match_all": True}}


async def slow(_: Work) -> Verdict:
    await asyncio.sleep(0.005)
    return SUCCEEDED


async def some_started(executor: ScriptedExecutor, at_least: int) -> None:
    await eventually(lambda: len(executor.starts) >= at_least)


@pytest.mark.parametrize("sends", [pytest.param(0.0, marks=pytest.mark.slow), 0.01])
async def test_after_the_answer_to_a_pause_nothing_starts(dsn, pool, sends):
    executor = ScriptedExecutor(slow, connects=0.002, sends=sends)
    backfill = await make_backfill(pool, **ALL, max_in_flight=10)
    async with engine_on(dsn, pool, executor, ListSource(entities(1000))) as engine:
        for round_ in range(10):
            await some_started(executor, 20 * round_ + 5)
            await engine.pause(backfill)
            answered = len(executor.starts)
            await asyncio.sleep(0.03)

            assert answered == len(executor.starts)
            await engine.resume(backfill)


async def test_a_pause_is_obeyed_by_the_daemon_that_owns_the_backfill(dsn, pool):
    executor = ScriptedExecutor(slow, connects=0.002, sends=0.002)
    source = ListSource(entities(3000))
    backfill = await make_backfill(pool, **ALL, max_in_flight=10)
    async with engine_on(dsn, pool, executor, source):
        await some_started(executor, 1)
        async with engine_on(dsn, pool, ScriptedExecutor(slow), source) as other:
            await some_started(executor, 20)
            await other.pause(backfill)
            answered = len(executor.starts)
            await asyncio.sleep(0.1)

    assert answered == len(executor.starts)
    assert [] == other.executor.starts


async def test_an_owner_that_does_not_answer_is_not_confirmed(dsn, pool, monkeypatch):
    monkeypatch.setattr("backfilld.engine.control.CONFIRM_SECONDS", 0.3)
    backfill = await make_backfill(pool, **ALL)
    await pool.execute(
        "INSERT INTO leases (backfill_number, holder, fence, expires_at)"
        " VALUES ($1, 'elsewhere/1', 1, clock_timestamp() + interval '1 hour')",
        backfill.number,
    )
    async with engine_on(dsn, pool) as engine:
        with pytest.raises(Unavailable) as refused:
            await engine.pause(backfill)

    assert "not_confirmed" == refused.value.code


async def test_cancel_ends_every_item_and_drains_what_is_in_flight(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await make_backfill(pool, **ALL, max_in_flight=4)
    async with engine_on(dsn, pool, executor, ListSource(entities(1000))) as engine:
        await some_started(executor, 50)
        await engine.cancel(backfill)
        answered = len(executor.starts)
        row = await engine.until(backfill, "cancelled")
        progress = await engine.progress(backfill)

    assert answered == len(executor.starts) == progress.succeeded
    assert 1000 == progress.succeeded + progress.cancelled
    assert row.completed_at is not None
    assert {"succeeded": progress.succeeded, "cancelled": progress.cancelled} == await engine.outcomes(backfill)


async def test_cancel_can_cut_off_what_is_in_flight(dsn, pool):
    async def endless(_: Work) -> Verdict:
        await asyncio.sleep(3600)
        return SUCCEEDED

    executor = ScriptedExecutor(endless)
    backfill = await make_backfill(pool, **ALL, max_in_flight=4)
    async with engine_on(dsn, pool, executor) as engine:
        await some_started(executor, 4)
        await engine.cancel(backfill, in_flight=True)
        await engine.until(backfill, "cancelled")
        started = await pool.fetchval("SELECT count(*) FROM outcomes WHERE started_at IS NOT NULL")

    assert {"cancelled": 50} == await engine.outcomes(backfill)
    assert 4 == started


async def test_a_paused_backfill_can_be_cancelled_and_a_planned_one_too(dsn, pool):
    backfill = await make_backfill(pool, **ALL, start="when_approved")
    async with engine_on(dsn, pool) as engine:
        await engine.until(backfill, "paused")
        await engine.cancel(backfill)
        await engine.until(backfill, "cancelled")

    assert {"cancelled": 50} == await engine.outcomes(backfill)
    assert [] == engine.executor.starts


async def test_a_resume_while_the_last_items_drain_goes_on_and_loses_nothing(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await make_backfill(pool, **ALL, max_in_flight=10)
    async with engine_on(dsn, pool, executor, ListSource(entities(400))) as engine:
        for n in range(1, 8):
            await some_started(executor, n * 30)
            await engine.pause(backfill)
            await asyncio.sleep(0.004 if n % 2 else 0)
            await engine.resume(backfill)
        await engine.until(backfill, "completed")

    assert {"succeeded": 400} == await engine.outcomes(backfill)
    assert 400 == len(executor.starts)


async def test_a_graceful_stop_lets_work_finish_and_the_next_daemon_repeats_nothing(dsn, pool):
    source = ListSource(entities(300))
    first, second = ScriptedExecutor(slow), ScriptedExecutor(slow)
    backfill = await make_backfill(pool, **ALL, max_in_flight=5)
    async with engine_on(dsn, pool, first, source):
        await some_started(first, 40)
    async with engine_on(dsn, pool, second, source) as engine:
        await engine.until(backfill, "completed")

    assert 300 == len(first.starts) + len(second.starts)
    assert {"succeeded": 300} == await engine.outcomes(backfill)
