"""Brakes before real gates: no start while a brake that applies holds, and none is delayed by one that hangs."""

import asyncio
import itertools
import random
import time
from typing import Any

import pytest
from tests.engine.brakes.signals import Scripted, brake
from tests.support.attempts import all_ended, make_attempts
from tests.support.backfills import make_backfill
from tests.support.engine import Engine, ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.domain.brakes.settings import Scope
from backfilld.executors.base import Work
from backfilld.store.admin.audit_pages import AuditEvent, AuditPages
from backfilld.store.steering.brakes import BrakeStore

ALL = {"filter_resolved": {"match_all": True}}


async def said(engine: Engine, backfill: Backfill) -> Backfill:
    """The backfill once its row says why nothing starts."""

    async def row() -> Backfill | None:
        found = await engine.tools.backfills.get(backfill.id)
        return found if found.reason is not None else None

    return await eventually(row)


async def test_nothing_starts_while_it_holds_and_everything_goes_on_afterwards(dsn, pool):
    signal, executor = Scripted(11), ScriptedExecutor()
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, executor, brakes=[brake("crm_lag", signal)]) as engine:
        row = await said(engine, backfill)
        started = len(executor.starts)
        signal.value = 1
        await engine.until(backfill, "completed")

    assert 0 == started
    assert "braked" == row.reason.code
    assert "11 is more than 10" in row.reason.message
    assert 50 == len(executor.starts)


async def test_one_that_hangs_delays_no_start(dsn, pool):
    signal, executor = Scripted(1), ScriptedExecutor()
    backfill = await make_backfill(pool, **ALL)
    slow = brake("slow", signal, on_error="go_on", timeout_seconds=0.05)
    async with engine_on(dsn, pool, executor, brakes=[slow]) as engine:
        await eventually(lambda: signal.looks)
        signal.hangs = True
        await engine.until(backfill, "completed")
        signal.hangs = False

    assert 50 == len(executor.starts)


async def test_no_start_while_a_brake_that_applies_holds(dsn, pool):
    """The log of the target against that of the signal: between a verdict and its end there is no start."""
    signal, draw = Scripted(1), random.Random(7)
    held: list[tuple[float, float]] = []
    at: list[float] = []
    now = time.monotonic  # the loop's own time counts milliseconds

    async def script(_: Work) -> Verdict:
        at.append(now())
        await asyncio.sleep(0.001)
        return SUCCEEDED

    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    source = ListSource(entities(600))
    crm = brake("crm", signal, Scope(targets=frozenset({"http://target"})), release_after=1)
    async with engine_on(dsn, pool, ScriptedExecutor(script), source, brakes=[crm]) as engine:
        one = engine.brakes.find("crm")
        assert one is not None
        for _ in range(12):
            await asyncio.sleep(draw.uniform(0.005, 0.05))
            signal.value = 11
            await eventually(lambda: one.verdict.holds)
            since = now()
            await asyncio.sleep(draw.uniform(0.005, 0.05))
            held.append((since, now()))
            signal.value = 1
            await eventually(lambda: not one.verdict.holds)
        await engine.until(backfill, "completed")

    assert 600 == len(at)
    assert [] == [(start, span) for start, span in itertools.product(at, held) if span[0] <= start <= span[1]]


@pytest.mark.parametrize(
    "scope",
    [Scope(frozenset({"default/other"})), Scope(None, frozenset({"http://other"}))],
)
async def test_what_it_does_not_apply_to_goes_on(dsn, pool, scope):
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, brakes=[brake("other", Scripted(11), scope)]) as engine:
        await engine.until(backfill, "completed")


async def test_attempts_of_schedules_are_held_by_brakes_that_say_so_alone(dsn, pool):
    signal, executor = Scripted(11), ScriptedExecutor()
    usual, live = brake("usual", Scripted(11)), brake("live", signal, Scope(live=True))
    ids = await make_attempts(pool)
    async with engine_on(dsn, pool, executor, brakes=[usual, live]) as engine:
        await eventually(lambda: signal.looks > 3)
        started = len(executor.starts)
        signal.value = 1
        await all_ended(engine, ids)

    assert 0 == started
    assert len(ids) == len(executor.starts)


async def test_a_latch_holds_after_a_restart_although_the_signal_is_well(dsn, pool):
    backfill = await make_backfill(pool, **ALL)
    executor = ScriptedExecutor()
    async with engine_on(dsn, pool, executor, brakes=[brake("crm_lag", Scripted(121))]) as engine:
        one = engine.brakes.find("crm_lag")
        await eventually(lambda: one.kept is not None and one.kept.critical_at)
    async with engine_on(dsn, pool, executor, brakes=[brake("crm_lag", signal := Scripted(1))]) as engine:
        await eventually(lambda: signal.looks > 5)
        row = await said(engine, backfill)
    rows = await pool.fetch("SELECT action, subject, actor FROM audit_log WHERE action LIKE 'brake.%'")

    assert [] == executor.starts
    assert "braked_critically" == row.reason.code
    assert [("brake.latch", "brake/crm_lag", "system")] == [tuple(row) for row in rows]


async def test_a_latch_that_is_not_written_yet_outlives_a_reload_with_other_settings(dsn, pool):
    async with engine_on(dsn, pool, brakes=[brake("crm_lag", Scripted(1))]) as engine:
        await eventually(lambda: engine.brakes.find("crm_lag").kept is not None)
        engine.brakes.find("crm_lag").unwritten = engine.clock.now(), 121.0
        engine.brakes.put([brake("crm_lag", signal := Scripted(1), every_seconds=0.03)])
        await eventually(lambda: signal.looks > 2)
        one = engine.brakes.find("crm_lag")
        await eventually(lambda: one.kept is not None)

        assert 121.0 == one.kept.critical_value


async def test_a_reload_in_the_middle_of_writing_ends_nothing(dsn, pool, monkeypatch):
    real, reloads = BrakeStore.end_episode, [[brake("one", signal := Scripted(1)), brake("another", signal)]]

    async def end_while_it_is_reloaded(store: BrakeStore, name: str, **what: Any) -> None:
        await real(store, name, **what)
        if reloads:
            engine.brakes.put(reloads.pop())

    monkeypatch.setattr(BrakeStore, "end_episode", end_while_it_is_reloaded)
    async with engine_on(dsn, pool, brakes=[brake("one", signal), brake("two", signal)]) as engine:
        await eventually(lambda: not reloads)
        await eventually(lambda: engine.brakes.find("another").kept is not None)

        assert ["one", "another"] == [one.settings.name for one in engine.brakes]


async def test_each_time_it_held_is_one_row_with_its_worst_value(dsn, pool):
    signal = Scripted(1)
    async with engine_on(dsn, pool, brakes=[brake("crm_lag", signal)]) as engine:
        one = engine.brakes.find("crm_lag")
        for values in ((11, 40, 1), (12, 1)):
            for value in values:
                signal.value, seen = value, signal.looks
                await eventually(lambda seen=seen: signal.looks > seen + 4)
            await eventually(lambda: not one.verdict.holds)

        async def written() -> bool:
            return 2 == await pool.fetchval("SELECT count(*) FROM brake_episodes WHERE ended_at IS NOT NULL")

        await eventually(written)

    assert [40.0, 12.0] == [row["worst"] for row in await pool.fetch("SELECT worst FROM brake_episodes ORDER BY id")]


async def test_the_timeline_of_a_backfill_has_one_row_a_time_with_its_worst_value(dsn, pool):
    signal = Scripted(11)
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, brakes=[brake("crm_lag", signal)]) as engine:
        await said(engine, backfill)
        seen, signal.value = signal.looks, 40
        await eventually(lambda: signal.looks > seen + 3)
        signal.value = 1
        await engine.until(backfill, "completed")

        async def rows() -> list[AuditEvent]:
            found = [one for one in await AuditPages(pool).list_timeline(backfill.number, limit=50) if one.probes]
            return found if found and found[0].new.get("worst") == 40 else []

        (outage,) = await eventually(rows)

    assert {"status_reason": "braked", "worst": 40} == outage.new
    assert outage.began_at < outage.ended_at


async def test_new_settings_are_obeyed_from_now_on(dsn, pool):
    signal, executor = Scripted(11), ScriptedExecutor()
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, executor, brakes=[brake("crm_lag", signal)]) as engine:
        await eventually(lambda: signal.looks > 3)
        engine.brakes.put([])
        await engine.until(backfill, "completed")
        await eventually(lambda: signal.closed)
        gate = engine.brakes

    assert [] == list(gate)
