"""Targets and sources in trouble, seen from a whole run: what is waited for, what is said, what an item pays."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.domain.entities.records import Entity
from backfilld.engine.backfills.context import Limits
from backfilld.executors.base import Work
from backfilld.store.connection.queries import load

ALL = {"filter_resolved": {"match_all": True}}
DOWN = Verdict(VerdictKind.UNREACHABLE, error_class="connect_failed", error="connection refused")
REFUSED = Verdict(VerdictKind.REFUSED, error_class="http_401", error="who are you?", http_status=401)
BUSY = Verdict(VerdictKind.THROTTLED, error_class="http_429", http_status=429, retry_after_seconds=1.3)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Probes, and questions to a source, come quickly; the rules stay as they are."""
    monkeypatch.setattr("backfilld.engine.starting.targets.target_health.FIRST_REFUSAL_SECONDS", 0.3)
    monkeypatch.setattr("backfilld.engine.starting.targets.origin.FIRST_PROBE_SECONDS", 0.2)
    monkeypatch.setattr("backfilld.engine.backfills.status_writer.WORTH_TELLING", timedelta())
    monkeypatch.setattr("backfilld.engine.backfills.running.item_run.SOURCE_PAUSE_SECONDS", 0.3)
    monkeypatch.setattr("backfilld.engine.backfills.planning.step.FIRST_PAUSE_SECONDS", 0.1)


class Moody:
    """A target whose mood a test changes."""

    def __init__(self) -> None:
        self.says = SUCCEEDED

    async def __call__(self, _: Work) -> Verdict:
        await asyncio.sleep(0.002)
        return self.says


class Unconnected(ScriptedExecutor):
    """A target that does not even take a connection: no try comes to its start."""

    is_down = True
    asked = 0

    async def execute(self, work, permit):
        if self.is_down:
            self.asked += 1
            return DOWN
        return await super().execute(work, permit)


async def reason(engine, backfill) -> str | None:
    row = await engine.tools.backfills.get(backfill.id)
    return row.reason.code if row.reason else None


async def says(engine, backfill, code: str | None) -> None:
    async def look() -> bool:
        return await reason(engine, backfill) == code

    await eventually(look)


async def test_a_target_that_is_down_is_waited_for_and_fails_no_item(dsn, pool):
    target = Moody()
    executor = ScriptedExecutor(target)
    backfill = await make_backfill(pool, **ALL, max_attempts=1)
    async with engine_on(dsn, pool, executor, ListSource(entities(150))) as engine:
        await eventually(lambda: len(executor.starts) > 20)
        await engine.pause(
            backfill
        )  # with others in flight, one may succeed after another's start, whose try then counts
        await eventually(lambda: executor.running == 0)
        target.says = DOWN
        await engine.resume(backfill)
        await says(engine, backfill, "target_unreachable")
        row = await engine.tools.backfills.get(backfill.id)
        before = len(executor.starts)
        await asyncio.sleep(0.5)
        probes = len(executor.starts) - before
        target.says = SUCCEEDED
        await engine.until(backfill, "completed")

    assert "running" == row.status
    assert "connection refused" in row.reason.message
    assert probes <= 3
    assert {"succeeded": 150} == await engine.outcomes(backfill)


async def test_a_target_that_takes_no_connection_is_asked_ever_more_rarely(dsn, pool):
    executor = Unconnected()
    backfill = await make_backfill(pool, **ALL, max_in_flight=10)
    async with engine_on(dsn, pool, executor, ListSource(entities(60))) as engine:
        await says(engine, backfill, "target_unreachable")
        before = executor.asked
        await asyncio.sleep(0.5)
        asked = executor.asked - before
        executor.is_down = False
        await engine.until(backfill, "completed")

    assert asked <= 3
    assert {"succeeded": 60} == await engine.outcomes(backfill)


async def test_a_target_that_refuses_us_holds_the_backfill_and_leaves_the_items_untouched(dsn, pool):
    target = Moody()
    target.says = REFUSED
    executor = ScriptedExecutor(target)
    backfill = await make_backfill(pool, **ALL, max_attempts=1, max_in_flight=3)
    async with engine_on(dsn, pool, executor, ListSource(entities(30))) as engine:
        await says(engine, backfill, "target_refuses")
        await asyncio.sleep(0.4)
        touched = await pool.fetchval("SELECT (SELECT count(*) FROM tries) + (SELECT count(*) FROM outcomes)")
        held = {start.entity_id for start in executor.starts}
        target.says = SUCCEEDED
        await engine.until(backfill, "completed")

    assert 0 == touched
    assert {"e000000", "e000001", "e000002", "e000003"} >= held  # the probe is another one
    assert {1} == {start.attempt for start in executor.starts}
    assert {"succeeded": 30} == await engine.outcomes(backfill)
    assert 0 == await pool.fetchval("SELECT count(*) FROM tries")


async def test_a_target_that_is_too_busy_gets_the_pause_it_asked_for(dsn, pool):
    asked: list[float] = []
    loop = asyncio.get_running_loop()

    def script(work: Work) -> Verdict:
        if not asked and work.entity_id == "e000010":
            asked.append(loop.time())
            return BUSY
        started.append(loop.time())
        return SUCCEEDED

    started: list[float] = []
    backfill = await make_backfill(pool, **ALL, max_in_flight=1)
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(30))) as engine:
        await says(engine, backfill, "rate_limited")
        await engine.until(backfill, "completed")

    assert all(at < asked[0] or at >= asked[0] + 1.3 for at in started)
    assert {"succeeded": 30} == await engine.outcomes(backfill)


async def test_the_pause_of_a_target_holds_for_other_backfills_too(dsn, pool):
    target = Moody()
    target.says = replace(BUSY, retry_after_seconds=3600)
    executor = ScriptedExecutor(target)
    first, second = await make_backfill(pool, **ALL), None
    async with engine_on(dsn, pool, executor) as engine:
        await says(engine, first, "rate_limited")
        started = len(executor.starts)
        target.says = SUCCEEDED
        second = await make_backfill(pool, **ALL)
        await says(engine, second, "rate_limited")

        assert started == len(executor.starts)


async def test_an_item_that_alone_is_not_reached_ends_failed(dsn, pool):
    async def script(work: Work) -> Verdict:
        await asyncio.sleep(0.01)
        if work.entity_id == "e000000":
            return replace(DOWN, error_class="http_503", http_status=503)
        return SUCCEEDED

    backfill = await make_backfill(pool, **ALL, max_in_flight=2, max_attempts=3)
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(150))) as engine:
        await engine.until(backfill, "completed_with_failures")
        failed = await pool.fetchrow("SELECT position, attempts, error_class FROM outcomes WHERE status = 'failed'")

    assert (0, "http_503") == (failed["position"], failed["error_class"])
    assert failed["attempts"] <= 4
    assert {"succeeded": 149, "failed": 1} == await engine.outcomes(backfill)


async def test_a_source_that_goes_away_holds_the_run_and_nothing_is_lost(dsn, pool):
    source = ListSource(entities(120))
    backfill = await make_backfill(pool, **ALL, max_in_flight=3)

    async def script(_: Work) -> Verdict:
        await asyncio.sleep(0.003)
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    async with engine_on(dsn, pool, executor, source, limits=Limits(ramp_seconds=0)) as engine:
        await eventually(lambda: len(executor.starts) > 10)
        source.is_down = True
        await says(engine, backfill, "source_unreachable")
        source.is_down = False
        await engine.until(backfill, "completed")

    assert 120 == len(executor.starts)
    assert {"succeeded": 120} == await engine.outcomes(backfill)


@pytest.mark.parametrize("hours", [-5, pytest.param(5, marks=pytest.mark.slow)])
async def test_a_stepped_clock_does_not_stretch_the_hold_for_a_source(dsn, pool, hours: int):
    source, clock = ListSource(entities(60)), SteppedClock()
    backfill = await make_backfill(pool, **ALL, start="when_approved", max_in_flight=2)
    async with engine_on(dsn, pool, source=source, clock=clock) as engine:
        await engine.until(backfill, "paused")
        source.is_down = True
        await engine.resume(backfill)
        await says(engine, backfill, "source_unreachable")
        source.is_down = False
        clock.offset += timedelta(hours=hours)
        await engine.until(backfill, "completed", seconds=5)

    assert {"succeeded": 60} == await engine.outcomes(backfill)


async def test_attributes_are_fresh_though_an_item_waited_for_its_place_in_the_process(dsn, pool):
    leave, source = asyncio.Event(), ListSource(entities(2))

    async def script(work: Work) -> Verdict:
        if work.entity_id == "e000000":
            await leave.wait()
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(pool, **ALL, max_in_flight=2)
    limits = Limits(ramp_seconds=0, freshness_seconds=0.05)
    async with engine_on(dsn, pool, executor, source, capacity=1, limits=limits) as engine:
        await eventually(lambda: engine.tools.capacity.waiting)
        source.entities["e000001"] = Entity("e000001", {"n": "changed"})
        await asyncio.sleep(0.06)
        leave.set()
        await engine.until(backfill, "completed")

    assert {"n": "changed"} == executor.starts[-1].attributes


async def test_raising_the_limit_takes_effect_though_every_slot_is_held(dsn, pool):
    leave = asyncio.Event()

    async def script(_: Work) -> Verdict:
        await leave.wait()
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(pool, **ALL, max_in_flight=1)
    async with engine_on(dsn, pool, executor, ListSource(entities(20))) as engine:
        await eventually(lambda: executor.running == 1)
        await pool.execute("UPDATE backfills SET max_in_flight = 10, version = version + 1")
        engine.scheduler.hear(backfill.number)
        await eventually(lambda: executor.running == 10, seconds=5)  # with the next renewal, and not one with each
        leave.set()
        await engine.until(backfill, "completed")

    assert 10 == executor.most_running


async def test_lowering_the_limit_starts_nothing_until_few_enough_are_left(dsn, pool):
    ends: list[asyncio.Event] = []

    async def script(_: Work) -> Verdict:
        ends.append(asyncio.Event())
        await ends[-1].wait()
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(pool, **ALL, max_in_flight=5)
    async with engine_on(dsn, pool, executor, ListSource(entities(20))) as engine:
        await eventually(lambda: executor.running == 5)
        await pool.execute("UPDATE backfills SET max_in_flight = 2, version = version + 1")
        engine.scheduler.hear(backfill.number)
        await eventually(lambda: engine.scheduler.runner(backfill.number).backfill.settings.max_in_flight == 2)
        for n in range(3):
            ends[n].set()
        await engine.until(backfill, succeeded=3)
        await asyncio.sleep(0.05)
        started = len(executor.starts)
        ends[3].set()
        await eventually(lambda: len(executor.starts) == 6)
        running = executor.running
        while executor.running or len(executor.starts) < 20:
            for end in ends:
                end.set()
            await asyncio.sleep(0.001)
        await engine.until(backfill, "completed")

    assert 5 == started
    assert 2 == running


async def test_a_workflow_that_is_disabled_holds_its_backfill_until_it_is_enabled(dsn, pool):
    async def script(_: Work) -> Verdict:
        await asyncio.sleep(0.003)
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    async with engine_on(dsn, pool, executor, ListSource(entities(150))) as engine:
        await eventually(lambda: len(executor.starts) > 10)
        await _enable(pool, backfill, False)
        await says(engine, backfill, "workflow_disabled")
        row = await engine.tools.backfills.get(backfill.id)
        before = len(executor.starts)
        await asyncio.sleep(0.1)
        after = len(executor.starts)
        await _enable(pool, backfill, True)
        await engine.until(backfill, "completed")

    assert "running" == row.status
    assert before == after
    assert {"succeeded": 150} == await engine.outcomes(backfill)


async def _enable(pool, backfill, enabled: bool) -> None:
    """As the store of workflows does it: the row, and a word to whoever runs its backfills."""
    await pool.execute("UPDATE workflows SET enabled = $2 WHERE id = $1", backfill.workflow_id, enabled)
    await pool.execute(load("admin.workflows").tell_owners, backfill.workflow_id)
