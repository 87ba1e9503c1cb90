"""The database goes away while a backfill runs: nothing is lost, nothing counted twice, and the wait costs nothing."""

import asyncio

import pytest
from tests.engine.parts import cut_connections
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually
from tests.support.wire import wire_to

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.backfills.gate import Gate
from backfilld.executors.base import Work
from backfilld.store.connection import transient_errors
from backfilld.store.connection.pool import Pool, open_pool

ALL = {"filter_resolved": {"match_all": True}}
COUNTED = """
SELECT p.planned, p.succeeded, p.failed, p.skipped, p.cancelled, p.retrying,
       count(*) FILTER (WHERE o.status = 'succeeded') AS has_succeeded,
       count(*) FILTER (WHERE o.status = 'failed') AS has_failed,
       count(*) AS outcomes
  FROM backfill_progress p JOIN outcomes o USING (backfill_number) GROUP BY p.backfill_number
"""


async def ended(pool: Pool, backfill: Backfill) -> None:
    """Return when it has; the pool may hold connections that were cut."""

    async def look() -> bool:
        try:
            return await pool.fetchval(
                "SELECT completed_at IS NOT NULL FROM backfills WHERE number = $1", backfill.number
            )
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                raise
            return False

    await eventually(look, seconds=30)


async def some(_: Work) -> Verdict:
    await asyncio.sleep(0.005)
    return SUCCEEDED


def flaky(work: Work) -> Verdict:
    """Every seventh fails for good, every fifth succeeds at the second try."""
    n = int(work.entity_id[1:])
    if n % 7 == 0:
        return Verdict(VerdictKind.FAILED, error_class="http_404")
    if n % 5 == 0 and work.attempt == 1:
        return Verdict(VerdictKind.TRY_AGAIN, error_class="http_500")
    return SUCCEEDED


@pytest.mark.parametrize("every", [0.03, pytest.param(0.2, marks=pytest.mark.slow)])
async def test_the_account_is_exact_though_every_connection_breaks_again_and_again(dsn, pool, every: float):
    async def script(work: Work) -> Verdict:
        await asyncio.sleep(0.004)
        return flaky(work)

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(pool, **ALL, max_in_flight=8)
    engines = await open_pool(dsn, size=4)
    async with engine_on(dsn, engines, executor, ListSource(entities(400))):
        for _ in range(12):
            await asyncio.sleep(every)
            await cut_connections(pool)
        await ended(pool, backfill)
    row = await pool.fetchrow(COUNTED)
    await engines.close()

    failed = sum(n % 7 == 0 for n in range(400))
    assert (400, 400 - failed, failed, 0, 0, 0) == tuple(row)[:6]
    assert (400 - failed, failed, 400) == tuple(row)[6:]
    assert 8 >= executor.most_running
    assert 0 == await pool.fetchval("SELECT count(*) FROM retries")


async def test_an_item_is_in_flight_once_at_a_time_though_commits_are_of_unknown_result(dsn, pool):
    running: dict[str, int] = {}
    twice = []

    async def script(work: Work) -> Verdict:
        running[work.entity_id] = running.get(work.entity_id, 0) + 1
        if running[work.entity_id] > 1:
            twice.append(work.entity_id)
        await asyncio.sleep(0.05)
        running[work.entity_id] -= 1
        if work.attempt < 4:
            return Verdict(VerdictKind.TRY_AGAIN, error_class="http_500")
        return SUCCEEDED

    backfill = await make_backfill(pool, **ALL, max_in_flight=20, max_attempts=4)
    async with wire_to(dsn) as wire, engine_on(wire.dsn, pool, ScriptedExecutor(script), ListSource(entities(60))) as e:
        for _ in range(6):
            await asyncio.sleep(0.07)
            wire.cut()
            wire.mend()
        await e.until(backfill, "completed", seconds=30)

    assert [] == twice
    assert {"succeeded": 60} == await e.outcomes(backfill)


@pytest.mark.usefixtures("short_leases")
async def test_while_leases_cannot_be_renewed_nothing_starts_and_nobody_spins(dsn, pool, monkeypatch):
    looks, seconds = 0, 0.002
    refusal = Gate.refusal

    def counted(gate: Gate, at):
        nonlocal looks
        looks += 1
        return refusal(gate, at)

    async def script(_: Work) -> Verdict:
        await asyncio.sleep(seconds)
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(pool, **ALL, max_in_flight=4)
    async with wire_to(dsn) as wire, engine_on(wire.dsn, pool, executor, ListSource(entities(400))) as engine:
        await eventually(lambda: len(executor.starts) > 20)
        seconds = 0.2
        wire.cut()
        gate = engine.scheduler.runner(backfill.number).gate
        await eventually(lambda: gate.refusal(engine.clock.now()) and not executor.running)
        started = len(executor.starts)
        monkeypatch.setattr(Gate, "refusal", counted)
        await asyncio.sleep(0.6)
        seen, still, unrecorded = looks, len(executor.starts), engine.recorder.unrecorded
        seconds = 0.0
        wire.mend()
        await engine.until(backfill, "completed", seconds=30)

    assert 0 < unrecorded < 99
    assert started == still
    assert seen < 10 < looks
    assert {"succeeded": 400} == await engine.outcomes(backfill)


@pytest.mark.usefixtures("short_leases")
async def test_an_outage_charges_no_interruption(dsn, pool):
    executor = ScriptedExecutor(some)
    backfill = await make_backfill(pool, **ALL)
    async with wire_to(dsn) as wire, engine_on(wire.dsn, pool, executor, ListSource(entities(60))) as engine:
        for _ in range(3):
            await asyncio.sleep(0.05)
            wire.cut()
            await asyncio.sleep(0.15)
            wire.mend()
        await engine.until(backfill, "completed", seconds=30)

    assert 0 == await pool.fetchval("SELECT count(*) FROM tries WHERE error_class = 'interrupted'")


async def test_a_planner_that_loses_the_database_goes_on_where_it_was(dsn, pool, monkeypatch):
    monkeypatch.setattr("backfilld.engine.backfills.planning.plan_walk.PAGE", 20)
    engines = await open_pool(dsn, size=4)
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, engines, source=ListSource(entities(600))) as engine:
        for _ in range(8):
            await asyncio.sleep(0.01)
            await cut_connections(pool)
        await ended(pool, backfill)
    planned = await pool.fetchrow("SELECT count(*), count(DISTINCT entity_id), max(position) FROM plan_items")
    await engines.close()

    assert (600, 600, 599) == tuple(planned)
    assert 600 == len(engine.executor.starts)
