"""What a backfill does when nothing goes wrong, and when items do."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.retries import Backoff
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.executors.base import Work


def resolved(**settings):
    return {"filter_resolved": {"match_all": True}} | settings


async def test_every_planned_item_is_started_once_and_ends_once(dsn, pool):
    backfill = await make_backfill(pool, **resolved())
    async with engine_on(dsn, pool, source=ListSource(entities(500))) as engine:
        await engine.until(backfill, "completed")
        progress = await engine.progress(backfill)

    assert 500 == len({start.entity_id for start in engine.executor.starts}) == len(engine.executor.starts)
    assert (500, 500) == (progress.planned, progress.succeeded)
    assert {"succeeded": 500} == await engine.outcomes(backfill)


async def test_never_more_than_max_in_flight_and_the_slots_are_used(dsn, pool):
    async def script(_: Work) -> Verdict:
        await asyncio.sleep(0.01)
        return SUCCEEDED

    backfill = await make_backfill(pool, **resolved(max_in_flight=7))
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(100))) as engine:
        await engine.until(backfill, "completed")

    assert 7 == engine.executor.most_running


async def test_an_empty_plan_is_completed(dsn, pool):
    backfill = await make_backfill(pool, **resolved())
    async with engine_on(dsn, pool, source=ListSource()) as engine:
        row = await engine.until(backfill, "completed")

    assert row.completed_at is not None
    assert [] == engine.executor.starts


async def test_the_filter_decides_and_not_the_source(dsn, pool):
    some = {"combinator": "and", "not": False, "rules": [{"field": "n", "operator": "<", "value": 10}]}
    backfill = await make_backfill(pool, **resolved(filter_resolved=some))
    async with engine_on(dsn, pool) as engine:
        await engine.until(backfill, "completed")

    assert {f"e{n:06}" for n in range(10)} == {start.entity_id for start in engine.executor.starts}


async def test_a_failing_item_is_tried_max_attempts_times_and_then_fails(dsn, pool):
    def script(work: Work) -> Verdict:
        if work.entity_id == "e000003":
            return Verdict(VerdictKind.TRY_AGAIN, error_class="http_500", error="broken", http_status=500)
        return SUCCEEDED

    backfill = await make_backfill(pool, **resolved(max_attempts=3))
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(10))) as engine:
        await engine.until(backfill, "completed_with_failures")
        outcome = await pool.fetchrow("SELECT * FROM outcomes WHERE status = 'failed'")
        tries = await pool.fetch("SELECT attempt FROM tries ORDER BY attempt")
        progress = await engine.progress(backfill)

    assert [1, 2, 3] == [start.attempt for start in engine.executor.starts if start.entity_id == "e000003"]
    assert 1 == len({start.key for start in engine.executor.starts if start.entity_id == "e000003"})
    assert (3, "http_500", 500) == (outcome["attempts"], outcome["error_class"], outcome["http_status"])
    assert [1, 2] == [row["attempt"] for row in tries]
    assert (9, 1, 0) == (progress.succeeded, progress.failed, progress.retrying)
    assert 0 == await pool.fetchval("SELECT count(*) FROM retries")


async def test_a_retry_releases_its_slot(dsn, pool):
    def script(work: Work) -> Verdict:
        if work.entity_id == "e000000" and work.attempt == 1:
            return Verdict(VerdictKind.TRY_AGAIN, error_class="http_500")
        return SUCCEEDED

    backfill = await make_backfill(pool, **resolved(max_in_flight=1))
    executor = ScriptedExecutor(script)
    slow = Backoff(base=timedelta(), floor=timedelta(seconds=1))
    async with engine_on(dsn, pool, executor, ListSource(entities(5)), backoff=slow) as engine:
        await engine.until(backfill, "completed")

    assert ["e000000", "e000001", "e000002", "e000003", "e000004", "e000000"] == [s.entity_id for s in executor.starts]
    assert 2 == executor.starts[-1].attempt


async def test_an_executor_that_breaks_costs_the_item_an_attempt_and_not_the_daemon(dsn, pool):
    def script(work: Work) -> Verdict:
        if work.entity_id == "e000001":
            raise ZeroDivisionError("an executor's own mistake")
        return SUCCEEDED

    backfill = await make_backfill(pool, **resolved(max_attempts=2))
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(3))) as engine:
        await engine.until(backfill, "completed_with_failures")
        failed = await pool.fetchrow("SELECT * FROM outcomes WHERE status = 'failed'")

    assert "executor_error" == failed["error_class"]


async def test_an_outcome_that_cannot_be_stored_ends_unrecordable_and_harms_no_neighbour(dsn, pool):
    def script(work: Work) -> Verdict:
        if work.entity_id == "e000002":
            return Verdict(VerdictKind.SUCCEEDED, message="x" * 5000)
        return SUCCEEDED

    backfill = await make_backfill(pool, **resolved())
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(20))) as engine:
        await engine.until(backfill, "completed_with_failures")
        failed = await pool.fetch("SELECT position, error_class FROM outcomes WHERE status = 'failed'")

    assert [(2, "unrecordable")] == [tuple(row) for row in failed]
    assert {"succeeded": 19, "failed": 1} == await engine.outcomes(backfill)


async def test_an_entity_that_is_gone_by_its_start_is_skipped(dsn, pool):
    source = ListSource(entities(6))
    backfill = await make_backfill(pool, **resolved(start="when_approved"))
    async with engine_on(dsn, pool, source=source) as engine:
        row = await engine.until(backfill, "paused")
        del source.entities["e000004"]
        await engine.resume(backfill)
        await engine.until(backfill, "completed")
        skipped = await pool.fetchrow("SELECT * FROM outcomes WHERE status = 'skipped'")

    assert "awaiting_approval" == row.reason.code
    assert (4, "entity_gone") == (skipped["position"], skipped["skip_reason"])
    assert {"succeeded": 5, "skipped": 1} == await engine.outcomes(backfill)


async def test_nothing_starts_outside_the_window_and_the_opening_is_announced(dsn, pool):
    windows = {"monday": [{"run_start_time": "12:00", "run_end_time": "13:00"}]}
    clock = SteppedClock(datetime(2027, 3, 1, 11, 0, tzinfo=UTC))
    backfill = await make_backfill(pool, **resolved(daily_execution_windows=windows))
    async with engine_on(dsn, pool, clock=clock) as engine:
        row = await engine.until(backfill, "waiting")
        before = len(engine.executor.starts)
        clock.set(datetime(2027, 3, 1, 12, 0, tzinfo=UTC))
        engine.scheduler.nudge()
        await engine.until(backfill, "completed")

    assert "outside_window" == row.reason.code
    assert datetime(2027, 3, 1, 12, 0, tzinfo=UTC) == row.reason.until == row.wake_at
    assert 0 == before
    assert 50 == len(engine.executor.starts)


async def test_work_in_flight_finishes_after_the_window_closed_and_nothing_else_starts(dsn, pool):
    release = asyncio.Event()
    clock = SteppedClock(datetime(2027, 3, 1, 12, 59, tzinfo=UTC))

    async def script(_: Work) -> Verdict:
        await release.wait()
        return SUCCEEDED

    windows = {"monday": [{"run_start_time": "12:00", "run_end_time": "13:00"}]}
    backfill = await make_backfill(pool, **resolved(daily_execution_windows=windows, max_in_flight=3))
    async with engine_on(dsn, pool, ScriptedExecutor(script), clock=clock) as engine:
        await eventually(lambda: len(engine.executor.starts) == 3)
        clock.set(datetime(2027, 3, 1, 13, 0, tzinfo=UTC))
        release.set()
        row = await engine.until(backfill, "waiting", succeeded=3)
        await eventually(lambda: pool.fetchval("SELECT count(*) FROM leases WHERE released AND in_order"))

    assert 3 == len(engine.executor.starts)
    assert "outside_window" == row.reason.code


async def test_the_sample_runs_first_then_it_pauses_and_resume_runs_the_rest_once(dsn, pool):
    backfill = await make_backfill(pool, **resolved(sample_size=5))
    async with engine_on(dsn, pool) as engine:
        row = await engine.until(backfill, "paused")
        sampled = sorted(start.entity_id for start in engine.executor.starts)
        await engine.resume(backfill)
        await engine.until(backfill, "completed")

    assert "sample_done" == row.reason.code
    assert ["e000009", "e000019", "e000029", "e000039", "e000049"] == sampled
    assert 50 == len(engine.executor.starts) == len({start.entity_id for start in engine.executor.starts})


async def test_a_sample_of_everything_completes(dsn, pool):
    backfill = await make_backfill(pool, **resolved(sample_size=500))
    async with engine_on(dsn, pool) as engine:
        await engine.until(backfill, "completed")

    assert 50 == len(engine.executor.starts)


async def test_newest_first_follows_the_time_of_the_entities(dsn, pool):
    dated = [replace(e, updated_at=datetime(2020, 1, 1 + (i * 7) % 20, tzinfo=UTC)) for i, e in enumerate(entities(20))]
    backfill = await make_backfill(pool, **resolved(order="newest_first", max_in_flight=1))
    async with engine_on(dsn, pool, source=ListSource(dated)) as engine:
        await engine.until(backfill, "completed")

    by_time = [e.id for e in sorted(dated, key=lambda e: e.updated_at, reverse=True)]
    assert by_time == [start.entity_id for start in engine.executor.starts]


async def test_named_ids_are_all_accounted_for(dsn, pool):
    some = {"combinator": "and", "not": False, "rules": [{"field": "n", "operator": "<", "value": 3}]}
    ids = ("e000001", "nowhere", "e000040", "e000001", "e000002")
    backfill = await make_backfill(pool, **resolved(entity_ids=ids, filter_resolved=some))
    async with engine_on(dsn, pool) as engine:
        await engine.until(backfill, "completed")
        rows = await pool.fetch(
            "SELECT entity_id, coalesce(skip_reason, status::text)"
            " FROM plan_items JOIN outcomes USING (backfill_number, position) ORDER BY position"
        )

    expected = [
        ("e000001", "succeeded"),
        ("nowhere", "not_found"),
        ("e000040", "not_matching"),
        ("e000002", "succeeded"),
    ]
    assert expected == [tuple(row) for row in rows]


async def test_what_succeeded_before_is_skipped_and_what_failed_is_run_again(dsn, pool):
    bad = {"e000001"}

    def script(work: Work) -> Verdict:
        if work.entity_id in bad:
            return Verdict(VerdictKind.FAILED, error_class="http_404")
        return SUCCEEDED

    first = await make_backfill(pool, **resolved())
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(5))) as engine:
        await engine.until(first, "completed_with_failures")
        bad.clear()
        second = await make_backfill(pool, first, **resolved(reprocess_behavior="failed"))
        engine.scheduler.nudge()
        await engine.until(second, "completed")
        progress = await engine.progress(second)
        third = await make_backfill(pool, first, **resolved(reprocess_behavior="none"))
        engine.scheduler.nudge()
        await engine.until(third, "completed")
        fourth = await make_backfill(pool, first, **resolved(reprocess_behavior="completed"))
        engine.scheduler.nudge()
        await engine.until(fourth, "completed")

    assert (1, 4, 4) == (progress.succeeded, progress.skipped, progress.skipped_in_plan)
    assert {"skipped": 5} == await engine.outcomes(third)
    assert {"succeeded": 5} == await engine.outcomes(fourth)


async def test_a_plan_of_which_nothing_is_to_run_waits_for_its_approval_too(dsn, pool):
    backfill = await make_backfill(pool, **resolved(start="when_approved"), entity_ids=("nobody", "no one"))
    async with engine_on(dsn, pool, source=ListSource(entities(6))) as engine:
        row = await engine.until(backfill, "paused")
        await engine.resume(backfill)
        await engine.until(backfill, "completed")

    assert "awaiting_approval" == row.reason.code
    assert "The plan is frozen: 0 to run, 2 left out. Look at it, then approve." == row.reason.message
    assert {"skipped": 2} == await engine.outcomes(backfill)
