"""Starts lie so far apart as was asked for, whatever is in flight, retries and restarts included."""

import asyncio
import math
from datetime import timedelta
from itertools import pairwise

import pytest
from tests.engine.test_runs import resolved
from tests.engine.whole_limits import ROUNDING
from tests.support.backfills import change_settings, make_backfill
from tests.support.clock import FakeClock
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.starting.pace import Pace
from backfilld.executors.base import Work

APART = 0.05
RATE = 60 / APART
AGAIN = Verdict(VerdictKind.TRY_AGAIN, error_class="http_500")


async def slow(work: Work) -> Verdict:
    await asyncio.sleep(APART)
    return SUCCEEDED


def gaps(executor: ScriptedExecutor) -> list[float]:
    """How far starts may have lain apart at most: none is less than the pace, however the machine puts us off."""
    return [later.between[1] - earlier.between[0] for earlier, later in pairwise(executor.starts)]


@pytest.mark.parametrize("rate", [0.5, 1, 7, 59.5, 60, 61, 600])
def test_in_any_minute_at_most_one_more_than_the_rate_starts(rate: float) -> None:
    clock = FakeClock()
    pace = Pace(clock, rate)
    starts = []
    while len(starts) < 3 * rate + 3:
        starts.append(clock.boottime())
        pace.take()
        clock.suspend(timedelta(seconds=pace.wait()))
    most = max(sum(first <= at < first + 60 for at in starts) for first in starts)

    assert math.ceil(rate) + 1 >= most


def test_nothing_is_saved_up_while_nothing_starts() -> None:
    clock = FakeClock()
    pace = Pace(clock, 60)
    first = pace.wait()
    pace.take()
    clock.suspend(timedelta(minutes=5))
    rested = pace.wait()
    pace.take()

    assert (0, 0, 1) == (first, rested, pace.wait())


def test_a_stepped_clock_changes_no_pace() -> None:
    clock = FakeClock()
    pace = Pace(clock, 1)
    pace.take()
    clock.suspend(timedelta(seconds=59))
    clock.set(clock.now() - timedelta(hours=3))

    assert 1 == pace.wait()


@pytest.mark.parametrize("max_in_flight", [1, 5])
async def test_starts_lie_apart_retries_included(dsn, pool, max_in_flight: int):
    tried = set()

    def script(work: Work) -> Verdict:
        if work.entity_id not in tried and int(work.entity_id[1:]) % 3 == 0:
            tried.add(work.entity_id)
            return AGAIN
        return SUCCEEDED

    backfill = await make_backfill(pool, **resolved(max_in_flight=max_in_flight, starts_per_minute=RATE))
    async with engine_on(dsn, pool, ScriptedExecutor(script, connects=0.002), ListSource(entities(12))) as engine:
        await engine.until(backfill, "completed")

    assert 16 == len(engine.executor.starts)
    assert APART - ROUNDING <= min(gaps(engine.executor))


async def test_a_slow_pace_is_no_reason_and_the_backfill_runs(dsn, pool):
    backfill = await make_backfill(pool, **resolved(starts_per_minute=0.1))
    async with engine_on(dsn, pool) as engine:
        row = await engine.until(backfill, succeeded=1)
        await asyncio.sleep(APART)
        row = await engine.until(backfill, "running")
        next_turn = engine.control.live(backfill.number).sharing.known()["turn"]
        away = (next_turn - engine.clock.now()).total_seconds()

    assert (1, None) == (len(engine.executor.starts), row.reason)
    assert 500 < away <= 600


async def test_a_restart_may_start_one_at_once(dsn, pool):
    backfill = await make_backfill(pool, **resolved(starts_per_minute=0.1))
    async with engine_on(dsn, pool) as first:
        await first.until(backfill, succeeded=1)
    async with engine_on(dsn, pool) as second:
        await second.until(backfill, succeeded=2)

    assert (1, 1) == (len(first.executor.starts), len(second.executor.starts))


async def test_a_changed_pace_is_in_force_at_once(dsn, pool):
    backfill = await make_backfill(pool, **resolved(starts_per_minute=0.1))
    async with engine_on(dsn, pool) as engine:
        await engine.until(backfill, succeeded=1)
        await change_settings(pool, backfill, starts_per_minute=None)
        await pool.execute("UPDATE backfills SET version = version + 1")
        engine.scheduler.hear(backfill.number)
        await engine.until(backfill, "completed")
        await eventually(lambda: not engine.tools.last_starts)  # what has ended is not kept

    assert 50 == len(engine.executor.starts)


async def test_a_pace_that_is_new_counts_from_the_last_start(dsn, pool):
    backfill = await make_backfill(pool, **resolved(max_in_flight=1))
    async with engine_on(dsn, pool, ScriptedExecutor(slow)) as engine:
        await engine.until(backfill, succeeded=2)
        await change_settings(pool, backfill, starts_per_minute=0.1)
        version = await pool.fetchval("UPDATE backfills SET version = version + 1 RETURNING version")
        await engine.control.confirm(backfill.number, version)
        before = len(engine.executor.starts)
        await asyncio.sleep(5 * APART)

    assert before == len(engine.executor.starts)


@pytest.mark.parametrize("paced", ["before", "meanwhile"])
async def test_a_pause_lets_nothing_start_sooner(dsn, pool, paced: str):
    rate = 0.1 if paced == "before" else None
    backfill = await make_backfill(pool, **resolved(max_in_flight=1, starts_per_minute=rate))
    async with engine_on(dsn, pool, ScriptedExecutor(slow)) as engine:
        await engine.until(backfill, succeeded=1)
        await engine.pause(backfill)
        before = len(engine.executor.starts)
        await change_settings(pool, backfill, starts_per_minute=0.1)
        await eventually(lambda: not engine.keeper.held)
        await engine.resume(backfill)
        await engine.until(backfill, "running")
        await asyncio.sleep(5 * APART)

    assert before == len(engine.executor.starts)


async def test_a_lease_that_was_lost_and_taken_again_lets_nothing_start_sooner(dsn, pool):
    backfill = await make_backfill(pool, **resolved(starts_per_minute=0.1))
    async with engine_on(dsn, pool) as engine:
        await engine.until(backfill, succeeded=1)
        await pool.execute("UPDATE leases SET fence = fence + 1, expires_at = now() - interval '1 hour'")
        fence = await pool.fetchval("SELECT fence FROM leases")
        await eventually(lambda: any(held > fence for _, held in engine.keeper.held))
        await engine.until(backfill, "running")
        await asyncio.sleep(5 * APART)

    assert 1 == len(engine.executor.starts)
