"""A target that is still at the work of an earlier request is waited for, whatever came between."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.attempts import all_ended, make_attempts
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.left_behind import left_behind
from tests.support.waiting import eventually

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.backfills.context import Limits
from backfilld.executors.base import Work

ALL = {"filter_resolved": {"match_all": True}}
FEW = Limits(ramp_seconds=0, max_unrecorded=7)
TIMEOUT = Verdict(VerdictKind.TRY_AGAIN, error_class="timeout", error="no whole answer within 1 s")
BUSY = Verdict(
    VerdictKind.FAILED, error_class="http_409", error="HTTP 409 Conflict", http_status=409, is_about_key=True,
    retry_after_seconds=0.01,
)  # fmt: skip


class WorksOncePerKey:
    """A target as the draft of `Idempotency-Key` describes it: while it works for a key it answers 409 to the others,
    and afterwards what it answered first. Of each key it loses the first answer."""

    def __init__(self, *, known: int = 0) -> None:
        self.is_done = asyncio.Event()
        self.asked: dict[str, int] = {f"e{n:06}": 1 for n in range(known)}

    async def __call__(self, work: Work) -> Verdict:
        times = self.asked[work.entity_id] = self.asked.get(work.entity_id, 0) + 1
        if times == 1:
            return TIMEOUT
        return SUCCEEDED if self.is_done.is_set() else BUSY


async def test_an_item_whose_time_was_over_is_waited_for_without_costing_a_try(dsn, pool):
    target = WorksOncePerKey()
    backfill = await make_backfill(pool, **ALL, max_attempts=2, max_in_flight=5)
    async with engine_on(dsn, pool, ScriptedExecutor(target), ListSource(entities(5))) as engine:
        await eventually(lambda: len(target.asked) == 5 and min(target.asked.values()) > 4)
        rows = await pool.fetch("SELECT counted, in_doubt, unknown_since IS NOT NULL AS waits FROM retries")
        target.is_done.set()
        await engine.until(backfill, "completed")

    assert {"succeeded": 5} == await engine.outcomes(backfill)
    assert {(1, True, True)} == {tuple(row) for row in rows}


async def test_what_a_killed_daemon_had_started_is_waited_for(dsn, pool):
    target = WorksOncePerKey(known=3)
    backfill = await left_behind(pool, *["pending"] * 3, max_attempts=1)
    async with engine_on(dsn, pool, ScriptedExecutor(target), ListSource(entities(3)), limits=FEW) as engine:
        await eventually(lambda: min(target.asked.values()) > 3)
        target.is_done.set()
        await engine.until(backfill, "completed")

    assert {"succeeded": 3} == await engine.outcomes(backfill)


async def test_a_retry_that_a_killed_daemon_had_taken_is_waited_for(dsn, pool):
    target = WorksOncePerKey(known=1)
    backfill = await left_behind(pool, "retrying", started=0, max_attempts=5)
    await pool.execute("UPDATE retries SET taken_fence = 1, in_doubt = false")
    async with engine_on(dsn, pool, ScriptedExecutor(target), ListSource(entities(1)), limits=FEW) as engine:
        await eventually(lambda: target.asked["e000000"] > 2)
        target.is_done.set()
        await engine.until(backfill, "completed")

    assert {"succeeded": 1} == await engine.outcomes(backfill)


async def test_the_item_that_is_charged_for_a_kill_is_waited_for(dsn, pool):
    target = WorksOncePerKey(known=1)
    backfill = await left_behind(pool, "pending", alone=0, max_attempts=1)
    async with engine_on(dsn, pool, ScriptedExecutor(target), ListSource(entities(1)), limits=FEW) as engine:
        await eventually(lambda: target.asked["e000000"] > 2)
        target.is_done.set()
        await engine.until(backfill, "completed")

    assert {"succeeded": 1} == await engine.outcomes(backfill)


async def test_a_conflict_about_what_was_never_sent_before_is_final(dsn, pool):
    backfill = await make_backfill(pool, **ALL, max_attempts=5)
    async with engine_on(dsn, pool, ScriptedExecutor(lambda _: BUSY), ListSource(entities(2))) as engine:
        await engine.until(backfill, "completed_with_failures")

    assert 2 == len(engine.executor.starts)


async def test_a_conflict_about_one_key_does_not_hold_the_others(dsn, pool):
    slowly = Verdict(
        VerdictKind.FAILED, error_class="http_409", http_status=409, is_about_key=True, retry_after_seconds=3600.0
    )
    target = WorksOncePerKey()

    async def script(work: Work) -> Verdict:
        if work.entity_id != "e000000":
            return SUCCEEDED
        verdict = await target(work)
        return slowly if verdict is BUSY else verdict

    backfill = await make_backfill(pool, **ALL, max_attempts=3, max_in_flight=1)
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(20))) as engine:
        await engine.until(backfill, succeeded=19)
        await eventually(lambda: target.asked["e000000"] == 2)

    assert {"succeeded": 19} == await engine.outcomes(backfill)


@pytest.mark.usefixtures("short_leases")
async def test_an_attempt_outside_of_backfills_is_waited_for_too(dsn, pool):
    asked = 0
    is_done = asyncio.Event()

    async def script(_: Work) -> Verdict:
        nonlocal asked
        asked += 1
        return TIMEOUT if asked == 1 else SUCCEEDED if is_done.is_set() else BUSY

    ids = await make_attempts(pool, max_attempts=2)
    async with engine_on(dsn, pool, ScriptedExecutor(script)) as engine:
        await eventually(lambda: asked > 4)
        is_done.set()
        attempts = await all_ended(engine, ids)

    assert ["success"] == [attempt.status for attempt in attempts]


@pytest.mark.usefixtures("short_leases")
@pytest.mark.parametrize("ends", ["killed", "cut off"])
async def test_an_attempt_that_was_under_way_at_the_end_of_a_daemon_is_waited_for(dsn, pool, ends):
    began = asyncio.Event()
    is_done = asyncio.Event()
    asked = 0

    async def endless(_: Work) -> Verdict:
        began.set()
        await asyncio.sleep(3600)
        return SUCCEEDED

    async def script(_: Work) -> Verdict:
        nonlocal asked
        asked += 1
        return SUCCEEDED if is_done.is_set() else BUSY

    ids = await make_attempts(pool, max_attempts=1)
    async with engine_on(dsn, pool, ScriptedExecutor(endless)) as engine:
        await began.wait()
        if ends == "killed":  # what it writes from now on is not its own any more
            await pool.execute("UPDATE attempts SET fence = fence + 1, lease_until = now() - interval '1 hour'")
    async with engine_on(dsn, pool, ScriptedExecutor(script)) as engine:
        await eventually(lambda: asked > 2)
        is_done.set()
        attempts = await all_ended(engine, ids)

    assert ["success"] == [attempt.status for attempt in attempts]


async def test_patience_with_a_conflict_ends(dsn, pool):
    backfill = await left_behind(pool, "pending", max_attempts=1)
    executor, clock = ScriptedExecutor(lambda _: BUSY), SteppedClock()
    async with engine_on(dsn, pool, executor, ListSource(entities(1)), limits=FEW, clock=clock) as engine:
        await eventually(lambda: len(executor.starts) > 1)
        clock.offset += timedelta(hours=1)
        await engine.until(backfill, "completed_with_failures")
    row = await pool.fetchrow("SELECT error_class, http_status, error FROM outcomes")

    assert ("http_409", 409) == (row["error_class"], row["http_status"])
    assert "what it did with an earlier request under this key is not known" in row["error"]


async def test_what_was_cut_off_at_a_stop_is_waited_for_as_the_try_that_it_was(dsn, pool):
    backfill = await make_backfill(pool, **ALL, max_attempts=1, max_in_flight=3)
    stopped = ScriptedExecutor(endless)
    async with engine_on(dsn, pool, stopped, ListSource(entities(5))):
        await eventually(lambda: stopped.running == 3)
    left = [tuple(row) for row in await pool.fetch("SELECT tries, counted, in_doubt, taken_fence FROM retries")]
    counted = await pool.fetchval("SELECT retrying FROM backfill_progress")
    busy = dict.fromkeys(("e000000", "e000001", "e000002"), 2)

    def script(work: Work) -> Verdict:
        if busy.get(work.entity_id, 0):
            busy[work.entity_id] -= 1
            return BUSY
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    async with engine_on(dsn, pool, executor, ListSource(entities(5))) as engine:
        await engine.until(backfill, "completed")

    assert ([(0, 0, True, None)] * 3, 3) == (left, counted)
    assert {"succeeded": 5} == await engine.outcomes(backfill)
    assert [1, 2, 3] == [start.attempt for start in executor.starts if start.entity_id == "e000000"]
    assert 0 == (await engine.progress(backfill)).retrying


async def endless(_: Work) -> Verdict:
    await asyncio.sleep(3600)
    return SUCCEEDED
