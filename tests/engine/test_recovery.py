"""What a dead process left behind: repeated one by one, charged only to who stood alone, and never to the living."""

import asyncio

import pytest
from tests.engine.parts import a_lease
from tests.support.backfills import make_backfill
from tests.support.clock import NOON, FakeClock
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.ledgers import make_ledger
from tests.support.waiting import eventually

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.backfills.context import Limits
from backfilld.engine.backfills.running.recovery import Recovery
from backfilld.events import Bus
from backfilld.executors.base import Work
from backfilld.store.backfills.leases import Grant, LeaseStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.ledger import Ledger

ALL = {"filter_resolved": {"match_all": True}}
FEW = Limits(ramp_seconds=0, max_unrecorded=7)
DEAD = "dead/1"


async def left_behind(pool: Pool, *statuses: str, alone: int | None = None, **settings) -> Backfill:
    """A running backfill whose owner died; the item at `alone` was started by itself."""
    backfill = await make_backfill(pool, **ALL | {"max_in_flight": 3} | settings)
    await make_ledger(pool, backfill, {f"e{n:06}": status for n, status in enumerate(statuses)})
    await pool.execute("UPDATE backfills SET status = 'running' WHERE no = $1", backfill.no)
    await died(pool, backfill, alone=alone)
    return backfill


async def died(pool: Pool, backfill: Backfill, *, alone: int | None = None) -> None:
    grant = await LeaseStore(pool, instance="dead", process="1").acquire(backfill.no)
    await pool.execute("UPDATE leases SET expires_at = $1", NOON.replace(year=2020))
    if alone is not None:
        await Ledger(pool).start_alone(backfill.no, grant.fence, alone, DEAD)


async def slow(_: Work) -> Verdict:
    await asyncio.sleep(0.003)
    return SUCCEEDED


async def test_what_may_have_been_started_runs_one_at_a_time_and_the_rest_at_full_speed(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 40)
    async with engine_on(dsn, pool, executor, ListSource(entities(40)), limits=FEW) as engine:
        await engine.until(backfill, "completed")

    assert {1} == {start.in_flight for start in executor.starts[:10]}
    assert 3 == executor.most_running
    assert [f"e{n:06}" for n in range(10)] == [start.entity_id for start in executor.starts[:10]]


async def test_after_a_clean_end_nothing_runs_alone(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    async with engine_on(dsn, pool, executor, ListSource(entities(20)), limits=FEW) as engine:
        await engine.until(backfill, "completed")

    assert {start.in_flight for start in executor.starts[:6]} > {1}


async def test_the_start_of_who_stands_alone_is_written_down_before_it_happens(dsn, pool):
    seen = []

    async def script(work: Work) -> Verdict:
        seen.append((work.entity_id, await pool.fetchval("SELECT alone_position FROM backfill_progress")))
        return SUCCEEDED

    backfill = await left_behind(pool, *["pending"] * 4)
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(4)), limits=FEW) as engine:
        await engine.until(backfill, "completed")

    assert [(f"e{n:06}", n) for n in range(4)] == seen
    assert await pool.fetchval("SELECT alone_position IS NULL AND alone_holder IS NULL FROM backfill_progress")


async def test_who_stood_alone_is_charged_and_comes_again(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 5, alone=2)
    async with engine_on(dsn, pool, executor, ListSource(entities(5)), limits=FEW) as engine:
        await engine.until(backfill, "completed")
        outcome = await pool.fetchrow("SELECT attempts, status::text FROM outcomes WHERE position = 2")
        tries = await pool.fetch("SELECT position, attempt, error_class FROM tries")

    assert [(2, 1, "interrupted")] == [tuple(row) for row in tries]
    assert (2, "succeeded") == tuple(outcome)
    assert [2] == [start.attempt for start in executor.starts if start.entity_id == "e000002"]
    assert {"succeeded": 5} == await engine.outcomes(backfill)
    assert 0 == (await engine.progress(backfill)).retrying


async def test_three_deaths_in_its_presence_end_an_item_and_harm_no_neighbor(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 6, alone=1)
    for death in range(2):  # daemons that took over, started it alone, and died of it
        grant = await LeaseStore(pool, instance=f"next{death}", process="1").acquire(backfill.no)
        recovery = recovering(pool, backfill, grant)
        await recovery.charge()
        await Ledger(pool).start_alone(backfill.no, grant.fence, 1, grant.holder)
        await pool.execute("UPDATE leases SET expires_at = $1", NOON.replace(year=2020))
    async with engine_on(dsn, pool, executor, ListSource(entities(6)), limits=FEW) as engine:
        await engine.until(backfill, "completed_with_failures")
        outcome = await pool.fetchrow("SELECT position, attempts, error_class FROM outcomes WHERE status = 'failed'")

    assert (1, 3, "interrupted") == tuple(outcome)
    assert {"succeeded": 5, "failed": 1} == await engine.outcomes(backfill)
    assert "e000001" not in {start.entity_id for start in executor.starts}


def recovering(pool: Pool, backfill: Backfill, grant: Grant, most: int = 10) -> Recovery:
    lease = a_lease(FakeClock(), backfill.no)
    lease.grant = grant
    return Recovery(backfill, lease, Ledger(pool), FakeClock(), Bus(), most=most)


async def interruptions(pool: Pool) -> int:
    return await pool.fetchval("SELECT coalesce(sum(interruptions), 0) FROM retries")


async def test_nobody_is_charged_when_several_were_in_flight(dsn, pool):
    backfill = await left_behind(pool, *["pending"] * 5)
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.no)
    await recovering(pool, backfill, grant).charge()

    assert 0 == await interruptions(pool)


async def test_nobody_is_charged_whose_outcome_was_recorded(dsn, pool):
    backfill = await left_behind(pool, "pending", "succeeded", alone=1)
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.no)
    await recovering(pool, backfill, grant).charge()

    assert 0 == await interruptions(pool)


async def test_a_process_that_was_only_cut_off_takes_its_charge_back(dsn, pool):
    backfill = await left_behind(pool, *["pending"] * 3, alone=0)
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.no)
    await recovering(pool, backfill, grant).charge()
    charged = await interruptions(pool)
    await Ledger(pool).take_back_charge(backfill.no, DEAD)

    assert 1 == charged
    assert 0 == await interruptions(pool)


async def test_a_process_that_speaks_up_before_it_is_charged_is_not(dsn, pool):
    backfill = await left_behind(pool, *["pending"] * 3, alone=0)
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.no)
    alone = await Ledger(pool).find_alone(backfill.no)
    await Ledger(pool).take_back_charge(backfill.no, DEAD)
    charged = await Ledger(pool).charge_interruption(backfill.no, grant.fence, alone, NOON)

    assert not charged
    assert 0 == await interruptions(pool)


@pytest.mark.parametrize("_", range(5))
async def test_a_charge_and_its_taking_back_that_race_leave_nothing(dsn, pool, _: int):
    backfill = await left_behind(pool, *["pending"] * 3, alone=0)
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.no)
    await asyncio.gather(recovering(pool, backfill, grant).charge(), Ledger(pool).take_back_charge(backfill.no, DEAD))

    assert 0 == await interruptions(pool)


async def test_whoever_takes_its_own_lost_lease_again_leaves_no_name_behind(dsn, pool):
    backfill = await left_behind(pool, *["pending"] * 3, alone=0)
    grant = await LeaseStore(pool, instance="dead", process="1").acquire(backfill.no)
    await recovering(pool, backfill, grant).charge()
    name = await pool.fetchval("SELECT alone_holder FROM backfill_progress")

    assert DEAD == grant.holder
    assert name is None
    assert 0 == await interruptions(pool)


async def test_a_charge_is_written_once_though_its_answer_is_lost(dsn, pool):
    backfill = await left_behind(pool, *["pending"] * 3, alone=0)
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.no)
    alone = await Ledger(pool).find_alone(backfill.no)
    written = [await Ledger(pool).charge_interruption(backfill.no, grant.fence, alone, NOON) for _ in range(2)]

    assert [True, False] == written
    assert 1 == await interruptions(pool) == await pool.fetchval("SELECT retrying FROM backfill_progress")


@pytest.mark.parametrize("in_flight", [False, True])
async def test_a_graceful_stop_in_the_middle_of_a_recovery_charges_nobody_and_goes_on_alone(dsn, pool, in_flight: bool):
    stuck = asyncio.Event()

    async def script(_: Work) -> Verdict:
        if in_flight and len(first.starts) == 4:
            await stuck.wait()
        await asyncio.sleep(0.01)
        return SUCCEEDED

    first, second = ScriptedExecutor(script), ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 30)
    async with engine_on(dsn, pool, first, ListSource(entities(30)), limits=FEW):
        await eventually(lambda: len(first.starts) >= 4)
    async with engine_on(dsn, pool, second, ListSource(entities(30)), limits=FEW) as engine:
        await engine.until(backfill, "completed")

    assert 1 == first.most_running
    assert {1} == {start.in_flight for start in second.starts[:5]}
    assert 0 == await pool.fetchval("SELECT count(*) FROM tries")
    assert {"succeeded": 30} == await engine.outcomes(backfill)


async def test_an_item_that_is_sent_back_while_alone_runs_alone_again(dsn, pool):
    refused = 12

    def script(work: Work) -> Verdict:
        nonlocal refused
        if work.entity_id == "e000000" and refused:
            refused -= 1
            return Verdict(VerdictKind.REFUSED, error="not today")
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    executor.sends = 0.002
    backfill = await left_behind(pool, *["pending"] * 30)
    async with engine_on(dsn, pool, executor, ListSource(entities(30)), limits=FEW) as engine:
        health = engine.tools.targets.health(executor.target)
        health.listen(lambda: health.reset() if health.is_half_open else None)
        await engine.until(backfill, "completed")

    assert 12 + 30 == len(executor.starts)
    assert {1} == {start.in_flight for start in executor.starts[:22]}
    assert {"succeeded": 30} == await engine.outcomes(backfill)


async def test_retries_of_the_dead_run_alone_too_after_the_plan(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["retrying", "pending"] * 6)
    await pool.execute("UPDATE retries SET next_attempt_at = $1", NOON.replace(year=2020))
    async with engine_on(dsn, pool, executor, ListSource(entities(12)), limits=FEW) as engine:
        await engine.until(backfill, "completed")

    odd, even = [f"e{n:06}" for n in range(1, 12, 2)], [f"e{n:06}" for n in range(0, 12, 2)]
    assert odd + even == [start.entity_id for start in executor.starts]
    assert {1} == {start.in_flight for start in executor.starts}


async def test_a_paused_backfill_whose_owner_died_is_still_recovered_item_by_item(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 20)
    await pool.execute("UPDATE backfills SET status = 'paused'")
    async with engine_on(dsn, pool, executor, ListSource(entities(20)), limits=FEW) as engine:
        await engine.resume(backfill)
        await engine.until(backfill, "completed")

    assert {1} == {start.in_flight for start in executor.starts[:10]}
