"""Several daemons on one database: one owner at a time, and somebody takes over from whoever is gone."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually
from tests.support.wire import wire_to

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.executors.base import Work
from backfilld.store.connection.pool import open_pool

ALL = {"filter_resolved": {"match_all": True}}


async def slow(_: Work) -> Verdict:
    await asyncio.sleep(0.01)
    return SUCCEEDED


async def test_a_backfill_runs_in_one_of_them_and_never_above_its_limit(dsn, pool):
    executor, source = ScriptedExecutor(slow), ListSource(entities(120))  # one target for all: it counts for all
    backfills = [await make_backfill(pool, **ALL, max_in_flight=4) for _ in range(3)]
    running: dict[str, int] = {}
    most: dict[str, int] = {}

    async def counted(work: Work) -> Verdict:
        number = str(work.backfill_id)
        running[number] = running.get(number, 0) + 1
        most[number] = max(most.get(number, 0), running[number])
        await asyncio.sleep(0.005)
        running[number] -= 1
        return SUCCEEDED

    executor.script = counted
    async with (
        engine_on(dsn, pool, executor, source) as one,
        engine_on(dsn, pool, executor, source),
        engine_on(dsn, pool, executor, source),
    ):
        for backfill in backfills:
            await one.until(backfill, "completed")

    assert {4} == set(most.values())
    assert 360 == len({start.key for start in executor.starts}) == len(executor.starts)


@pytest.mark.usefixtures("short_leases")
async def test_whoever_is_cut_off_starts_nothing_once_another_owns_it(dsn, pool):
    cut_off, other = ScriptedExecutor(slow), ScriptedExecutor(slow)
    source = ListSource(entities(2000))
    backfill = await make_backfill(pool, **ALL, max_in_flight=2)
    async with wire_to(dsn) as wire:
        far = await open_pool(wire.dsn, size=3)
        async with engine_on(wire.dsn, far, cut_off, source) as first:
            await eventually(lambda: len(cut_off.starts) > 30)
            async with engine_on(dsn, pool, other, source) as second:
                wire.cut()
                await eventually(lambda: len(other.starts) > 20)
                last, began = cut_off.starts[-1].at, other.starts[0].at
                before = len(cut_off.starts)
                wire.mend()
                await eventually(lambda: first.scheduler.runner(backfill.number) is None)
                await asyncio.sleep(0.1)
                after = len(cut_off.starts)
                await second.cancel(backfill)
                await second.until(backfill, "cancelled")
                outcomes = await second.outcomes(backfill)
                progress = await second.progress(backfill)
        await far.close()

    assert last < began
    assert before == after
    assert 2000 == sum(outcomes.values())
    assert (progress.succeeded, progress.cancelled) == (outcomes["succeeded"], outcomes["cancelled"])


@pytest.mark.slow  # the quick ring has it with real processes
async def test_a_daemon_that_is_gone_is_followed_by_another_within_seconds(dsn, pool):
    source, other = ListSource(entities(100)), ScriptedExecutor(slow)
    gone = ScriptedExecutor(slow)
    backfill = await make_backfill(pool, **ALL, max_in_flight=5)
    async with wire_to(dsn) as wire:
        far = await open_pool(wire.dsn, size=3)
        async with engine_on(wire.dsn, far, gone, source) as first:
            await eventually(lambda: len(gone.starts) > 20)
            async with engine_on(dsn, pool, other, source) as second:
                wire.cut()
                cut_at = asyncio.get_running_loop().time()
                first.scheduler.runner(backfill.number).cancel_in_flight()
                await eventually(lambda: other.starts)
                took = asyncio.get_running_loop().time() - cut_at
                wire.mend()
                await second.until(backfill, "completed")
        await far.close()

    assert took < 6
    assert {"succeeded": 100} == await second.outcomes(backfill)
    assert {1} == {start.in_flight for start in other.starts[:5]}  # nobody knows what was in flight


async def test_what_one_gives_back_another_takes_at_once(dsn, pool):
    source = ListSource(entities(400))
    first, second = ScriptedExecutor(slow), ScriptedExecutor(slow)
    backfill = await make_backfill(pool, **ALL, max_in_flight=5)
    async with engine_on(dsn, pool, second, source, capacity=5) as staying:
        async with engine_on(dsn, pool, first, source) as leaving:
            for engine, others in ((leaving, staying), (staying, leaving)):
                if engine.scheduler.runner(backfill.number):
                    assert others.scheduler.runner(backfill.number) is None
            await eventually(lambda: len(first.starts) + len(second.starts) > 30)
        await staying.until(backfill, "completed")

    assert 400 == len(first.starts) + len(second.starts)
    assert {"succeeded": 400} == await staying.outcomes(backfill)


async def test_a_cancel_of_what_nobody_runs_yet_is_confirmed_whoever_takes_it(dsn, pool):
    backfill = await make_backfill(pool, **ALL, start="when_approved")
    source = ListSource(entities(30))
    async with engine_on(dsn, pool, source=source) as one, engine_on(dsn, pool, source=source) as other:
        await one.until(backfill, "paused")
        async with asyncio.timeout(5):
            await other.cancel(backfill)
        await one.until(backfill, "cancelled")

    assert {"cancelled": 30} == await one.outcomes(backfill)


async def test_what_one_works_on_is_known_to_the_other_with_its_start(dsn, pool):
    """Within a second, by what stands beside its lease."""
    held = asyncio.Event()

    async def script(work: Work) -> Verdict:
        await held.wait()
        return SUCCEEDED

    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, max_in_flight=3)
    executor = ScriptedExecutor(script)
    async with engine_on(dsn, pool, executor) as one, engine_on(dsn, pool, ScriptedExecutor(script)) as two:
        await eventually(lambda: len(executor.starts) == 3 or len(two.executor.starts) == 3)
        owner, other = (one, two) if executor.starts else (two, one)
        told = await eventually(lambda: all_three(other, backfill))
        known = await owner.control.in_flight(backfill.number)
        held.set()

    off = {position: abs(one.started_at - told[position].started_at) for position, one in known.items()}
    assert known.keys() == told.keys()
    assert all(difference < timedelta(milliseconds=1) for difference in off.values())


async def all_three(engine, backfill):
    """What is in flight, once it is all that there can be."""
    found = await engine.control.in_flight(backfill.number)
    return found if len(found) == 3 else None
