"""A backfill that follows the latency of its target, with real slots: never above what it found, never held."""

import asyncio

from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfill_settings import SlowDown
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.executors.base import Work

ALL = {"filter_resolved": {"match_all": True}}


async def test_it_begins_with_one_and_takes_more_while_the_target_is_quick(dsn, pool):
    async def script(_: Work) -> Verdict:
        await asyncio.sleep(0.002)
        return SUCCEEDED

    executor, source = ScriptedExecutor(script), ListSource(entities(200))
    backfill = await make_backfill(pool, **ALL, max_in_flight=4, slow_down=SlowDown(60_000, "p90", 20))
    async with engine_on(dsn, pool, executor, source) as engine:
        await engine.until(backfill, "completed")

    assert 200 == len(executor.starts)
    assert 1 == max(start.in_flight for start in executor.starts[:20])
    assert 4 >= executor.most_running > 1


async def test_a_target_that_asks_us_to_slow_down_gets_one_at_a_time_and_all_the_same_everything(dsn, pool):
    calls = 0

    def script(_: Work) -> Verdict:
        nonlocal calls
        calls += 1
        return Verdict(VerdictKind.TRY_AGAIN, error_class="timeout") if calls % 2 else SUCCEEDED

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(pool, **ALL, max_in_flight=5, max_attempts=20, slow_down=SlowDown(60_000, "p90", 10))
    async with engine_on(dsn, pool, executor, ListSource(entities(30))) as engine:
        await engine.until(backfill, "completed")

    assert 1 == executor.most_running


async def test_it_is_changed_while_it_runs(dsn, pool):
    waiting = asyncio.Event()

    async def script(_: Work) -> Verdict:
        await waiting.wait()
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(pool, **ALL, max_in_flight=5, slow_down=SlowDown(1))
    async with engine_on(dsn, pool, executor) as engine:
        await eventually(lambda: executor.running == 1)
        runner = engine.scheduler.runner(backfill.number)
        assert runner is not None
        slow, full = runner.gate.slots, await eventually(lambda: executor.running)
        await pool.execute(
            "UPDATE backfills SET settings = (settings::jsonb - 'slow_down')::json, version = version + 1"
            " WHERE number = $1",
            backfill.number,
        )
        await runner.learn()
        await eventually(lambda: executor.running == 5)
        waiting.set()
        await engine.until(backfill, "completed")

    assert (1, 1) == (slow, full)
