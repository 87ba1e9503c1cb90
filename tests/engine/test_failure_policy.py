"""A backfill of which too much fails stops by itself, to the item, over restarts, and goes on when somebody says so."""

import asyncio
import json

import pytest
from tests.engine.test_runs import resolved
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfill_settings import FailurePolicy
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.executors.base import Work
from backfilld.store.connection.pool import Pool

FAILED = Verdict(VerdictKind.FAILED, error_class="http_422", error="unknown category", http_status=422)
SKIPPED = Verdict(VerdictKind.SKIPPED)
TOO_LONG = Verdict(VerdictKind.SUCCEEDED, message="x" * 5000)  # which cannot be stored
USUAL = FailurePolicy()


def nth(work: Work) -> int:
    return int(work.entity_id[1:])


def failing(*ids: int) -> ScriptedExecutor:
    """Those fail; everything, if none are named."""
    return ScriptedExecutor(lambda work: FAILED if not ids or nth(work) in ids else SUCCEEDED)


async def serial(pool: Pool, **settings: object) -> Backfill:
    return await make_backfill(pool, **resolved(max_in_flight=1, failure_policy=USUAL, **settings))


async def counts(pool: Pool) -> dict:
    return json.loads(await pool.fetchval("SELECT failure_counts FROM backfill_progress"))


async def test_the_twentieth_failure_in_a_row_pauses_it_and_says_why(dsn, pool):
    backfill = await serial(pool)
    async with engine_on(dsn, pool, failing()) as engine:
        row = await engine.until(backfill, "paused")

    assert 20 == len(engine.executor.starts)
    assert ReasonCode.TOO_MANY_FAILURES is row.reason.code
    assert (
        "It stopped itself: the last 20 failed in a row (limit 20). Most common: “unknown category” (20)."
        " Resuming starts both counts anew."
    ) == row.reason.message


async def test_the_most_common_failure_is_told_by_what_its_messages_have_in_common(dsn, pool):
    """All of one class, but not of one kind."""
    backfill = await serial(pool)

    def script(work: Work) -> Verdict:
        what = "unknown user" if nth(work) % 3 else "timed out after"
        return Verdict(VerdictKind.FAILED, error_class="http_422", error=f"{what} {nth(work)}", http_status=422)

    async with engine_on(dsn, pool, ScriptedExecutor(script)) as engine:
        row = await engine.until(backfill, "paused")

    assert "Most common: “unknown user ‹…›” (13)." in row.reason.message


async def test_nineteen_in_a_row_again_and_again_do_not_stop_it(dsn, pool):
    backfill = await serial(pool)
    source = ListSource(entities(44))
    async with engine_on(dsn, pool, failing(*range(19), *range(25, 44)), source) as engine:
        row = await engine.until(backfill, "completed_with_failures", "paused")

    assert "completed_with_failures" == row.status


async def test_more_than_half_of_the_last_ones_stop_it(dsn, pool):
    """Every second fails, so 25 of 50 are the limit itself; the 51st is too much."""
    backfill = await serial(pool)
    odd = [n for n in range(50) if n % 2]
    async with engine_on(dsn, pool, failing(*odd, 50), ListSource(entities(100))) as engine:
        row = await engine.until(backfill, "paused")

    assert 51 == len(engine.executor.starts)
    assert row.reason.message.startswith("It stopped itself: 26 of the last 51 failed (limit 50 %). Most common:")


async def test_the_twentieth_in_a_row_counts_those_before_a_restart_and_not_what_is_skipped(dsn, pool):
    backfill = await serial(pool)

    def script(work: Work) -> Verdict:
        return SKIPPED if nth(work) % 2 else FAILED

    async with engine_on(dsn, pool, ScriptedExecutor(script)) as first:
        await first.until(backfill, failed=10)
    before = len(first.executor.starts)
    async with engine_on(dsn, pool, ScriptedExecutor(script)) as second:
        await second.until(backfill, "paused")
        progress = await second.progress(backfill)

    assert (20, 39) == (progress.failed, before + len(second.executor.starts))


async def test_what_is_in_flight_when_it_stops_ends_and_nothing_else_starts(dsn, pool):
    backfill = await make_backfill(pool, **resolved(max_in_flight=5, failure_policy=USUAL))
    held = asyncio.Event()

    async def script(work: Work) -> Verdict:
        if nth(work) < 4:
            await held.wait()
            return SUCCEEDED
        return FAILED

    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(200))) as engine:
        await engine.until(backfill, "paused")
        held.set()
        await engine.until(backfill, succeeded=4)

    assert 24 == len(engine.executor.starts)


async def test_resume_starts_both_counts_anew(dsn, pool):
    backfill = await serial(pool)
    async with engine_on(dsn, pool, failing(), ListSource(entities(100))) as engine:
        await engine.until(backfill, "paused")
        await engine.resume(backfill)
        await engine.until(backfill, "paused", failed=40)
        progress = await engine.progress(backfill)

    assert (40, 40) == (progress.failed, len(engine.executor.starts))


async def test_a_pause_by_somebody_keeps_the_counts(dsn, pool):
    backfill = await serial(pool)
    resumed = asyncio.Event()

    async def script(work: Work) -> Verdict:
        if nth(work) == 5:
            await resumed.wait()
        return FAILED

    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(100))) as engine:
        await engine.until(backfill, failed=5)
        await engine.pause(backfill)
        await engine.resume(backfill)
        resumed.set()
        await engine.until(backfill, "paused", failed=20)

    assert 20 == len(engine.executor.starts)


@pytest.mark.parametrize("policy", [None, FailurePolicy(enabled=False)])
async def test_without_a_policy_everything_may_fail(dsn, pool, policy: FailurePolicy | None):
    backfill = await make_backfill(pool, **resolved(failure_policy=policy))
    async with engine_on(dsn, pool, failing()) as engine:
        await engine.until(backfill, "completed_with_failures")

    assert 50 == len(engine.executor.starts)


async def test_a_last_failure_that_is_one_too_many_stops_nothing(dsn, pool):
    backfill = await serial(pool)
    async with engine_on(dsn, pool, failing(), ListSource(entities(20))) as engine:
        row = await engine.until(backfill, "completed_with_failures", "paused")

    assert "completed_with_failures" == row.status


async def test_what_was_too_much_when_its_process_ended_stops_the_next_before_anything_starts(dsn, pool):
    """The outcomes are committed with the count that stops it; nobody has paused it yet."""
    backfill = await serial(pool)
    async with engine_on(dsn, pool, failing()) as first:
        await first.until(backfill, "paused")
    await pool.execute("UPDATE backfills SET status = 'running', reason_code = NULL, reason_since = NULL")
    async with engine_on(dsn, pool, failing()) as second:
        row = await second.until(backfill, "paused")

    assert ReasonCode.TOO_MANY_FAILURES is row.reason.code
    assert [] == second.executor.starts


async def test_a_changed_policy_is_in_force_with_what_was_counted_so_far(dsn, pool):
    backfill = await serial(pool)
    held = asyncio.Event()

    async def script(work: Work) -> Verdict:
        if nth(work) == 10:
            await held.wait()
        return FAILED

    async with engine_on(dsn, pool, ScriptedExecutor(script)) as engine:
        await engine.until(backfill, failed=10)
        await eventually(lambda: len(engine.executor.starts) == 11)
        version = await pool.fetchval(
            "UPDATE backfills SET version = version + 1,"
            """ settings = (settings::jsonb || '{"failure_policy": {"max_consecutive_failures": 10}}')::json"""
            " RETURNING version"
        )
        engine.scheduler.hear(backfill.number)
        await engine.control.confirm(backfill.number, version)
        held.set()
        row = await engine.until(backfill, "paused")

    assert 11 == len(engine.executor.starts)
    assert "the last 10 failed in a row (limit 10)" in row.reason.message


async def test_what_cannot_be_stored_counts_as_the_failure_that_it_is_recorded_as(dsn, pool):
    backfill = await make_backfill(pool, **resolved(max_in_flight=5, failure_policy=USUAL))

    def script(work: Work) -> Verdict:
        return TOO_LONG if nth(work) in (7, 8, 30) else SUCCEEDED

    async with engine_on(dsn, pool, ScriptedExecutor(script), linger_seconds=0.05) as engine:
        await engine.until(backfill, "completed_with_failures")
        kept = await counts(pool)

    assert (50, 3) == (kept["size"], int(kept["bits"], 16).bit_count())
