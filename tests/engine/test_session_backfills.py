"""A backfill over sessions on a real engine: a chain is a chain, whatever retries, kills and deaths do to it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.support.backfills import change_settings
from tests.support.engine import Engine, ListSource, ScriptedExecutor, engine_on
from tests.support.fake_control import FakeControl
from tests.support.ledgers import ENDED_ITEMS
from tests.support.schedules import ANNA, DAYS, backfill_days, make_schedule
from tests.support.waiting import eventually

from backfilld.clock import SystemClock
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.retries import Backoff
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.domain.sessions.records import Attempt, AttemptStatus
from backfilld.engine.backfills.leases import LeaseKeeper
from backfilld.engine.starting.leases import Lease
from backfilld.executors.base import Work
from backfilld.operations.sessions.backfill_schedule import ScheduleBackfillAnswer
from backfilld.operations.sessions.kill import BackfillKiller
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.session_items import SessionItems, request_kill
from backfilld.store.sessions.sessions import NewAttempts, list_attempts, open_attempts

FAILED = Verdict(VerdictKind.FAILED, error_class="no", error="no")
AGAIN = Verdict(VerdictKind.TRY_AGAIN, error_class="busy", log="busy")


async def backfill_of(pool: Pool, answer: ScheduleBackfillAnswer) -> Backfill:
    assert answer.backfill_id is not None
    return await BackfillStore(pool).get(answer.backfill_id)


async def attempts_of(pool: Pool, answer: ScheduleBackfillAnswer) -> list[Attempt]:
    return await list_attempts(pool, [attempt.id for attempt in answer.attempts])


async def statuses(pool: Pool, answer: ScheduleBackfillAnswer) -> list[str]:
    return [attempt.status.value for attempt in await attempts_of(pool, answer)]


def days_of(executor: ScriptedExecutor) -> list[str]:
    return [start.entity_id[:10] for start in executor.starts]


async def counters_equal_the_ledger(pool: Pool, backfill: Backfill) -> None:
    progress = await BackfillStore(pool).get_progress(backfill.number)
    rows = await pool.fetch(
        f"SELECT status, count(*) FROM {ENDED_ITEMS} AS o WHERE backfill_number = $1 GROUP BY 1",  # noqa: S608
        backfill.number,
    )
    counted = {name: getattr(progress, name) for name in ("succeeded", "failed", "skipped", "cancelled")}

    assert {row["status"]: row["count"] for row in rows} == {name: n for name, n in counted.items() if n}
    assert 0 == progress.retrying


async def test_sessions_run_one_after_the_other_in_their_order(dsn, pool):
    executor = ScriptedExecutor(lambda _: asyncio.sleep(0.002, SUCCEEDED))
    answer = await backfill_days(pool, await make_schedule(pool))
    backfill = await backfill_of(pool, answer)
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        await engine.until(backfill, "completed")

    assert DAYS == len(executor.starts)
    assert sorted(days_of(executor)) == days_of(executor)
    assert 1 == executor.most_running
    assert ["success"] * DAYS == await statuses(pool, answer)
    await counters_equal_the_ledger(pool, backfill)


async def test_several_at_once_if_wished_and_never_more(dsn, pool):
    executor = ScriptedExecutor(lambda _: asyncio.sleep(0.05, SUCCEEDED))
    answer = await backfill_days(pool, await make_schedule(pool), max_in_flight=4)
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        await engine.until(await backfill_of(pool, answer), "completed")

    assert 4 == executor.most_running


async def test_a_session_that_is_tried_again_holds_those_behind_it(dsn, pool):
    def busy_on_the_third(work: Work) -> Verdict:
        return AGAIN if work.entity_id == third and work.attempt < 3 else SUCCEEDED

    stored = await make_schedule(pool)
    third = (stored.next_session_at - timedelta(days=DAYS - 2)).isoformat()
    executor = ScriptedExecutor(busy_on_the_third)
    answer = await backfill_days(pool, stored)
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        await engine.until(await backfill_of(pool, answer), "completed")

    assert sorted(days_of(executor)) == days_of(executor)
    assert [1, 2, 3] == [start.attempt for start in executor.starts if start.entity_id == third]
    assert 1 == len({start.key for start in executor.starts if start.entity_id == third})
    assert [(1, "busy"), (2, "busy")] == [
        (row["try"], row["content"]) for row in await pool.fetch("SELECT try, content FROM attempt_logs ORDER BY try")
    ]


async def test_a_failure_does_not_stop_the_chain(dsn, pool):
    executor = ScriptedExecutor(lambda _: FAILED if len(executor.starts) == 2 else SUCCEEDED)
    answer = await backfill_days(pool, await make_schedule(pool))
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        await engine.until(await backfill_of(pool, answer), "completed_with_failures")

    assert ["success", "error", *["success"] * (DAYS - 2)] == await statuses(pool, answer)


async def test_a_failure_stops_the_chain_if_wished_and_a_resume_goes_on_behind_it(dsn, pool):
    executor = ScriptedExecutor(lambda _: FAILED if len(executor.starts) == 2 else SUCCEEDED)
    answer = await backfill_days(pool, await make_schedule(pool), stop_on_failure=True)
    backfill = await backfill_of(pool, answer)
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        paused = await engine.until(backfill, "paused")
        started = len(executor.starts)
        await engine.resume(backfill)
        await engine.until(backfill, "completed_with_failures")

    assert 2 == started
    assert paused.reason is not None
    assert "too_many_failures" == paused.reason.code
    assert DAYS == len(executor.starts)


async def test_the_chain_waits_for_an_attempt_that_somebody_else_started_meanwhile(dsn, pool):
    stored = await make_schedule(pool)
    answer = await backfill_days(pool, stored, 3)
    async with pool.acquire() as connection, connection.transaction():
        new = NewAttempts(
            stored.project_id, stored.workflow_id, stored.revision_id, "UTC", "by hand", "anna",
            stored.created_at, [answer.attempts[0].session_time],
        )  # fmt: skip
        (other,) = await open_attempts(connection, new)
    executor = ScriptedExecutor()
    backfill = await backfill_of(pool, answer)
    async with engine_on(dsn, pool, executor, ListSource(), runs_live=False) as engine:
        waiting = await engine.until(backfill, "waiting")
        started = len(executor.starts)
        await pool.execute("UPDATE attempts SET finished_at = $2 WHERE id = $1", other.id, stored.created_at)
        await engine.until(backfill, "completed")

    assert 1 == started
    assert waiting.reason is not None
    assert "not finished" in waiting.reason.message


async def test_the_first_is_ready_and_the_rest_is_blocked(pool):
    answer = await backfill_days(pool, await make_schedule(pool), 3)

    assert ["queued", "blocked", "blocked"] == [attempt.status.value for attempt in answer.attempts]
    assert ["queued", "blocked", "blocked"] == await statuses(pool, answer)


async def test_what_is_under_way_is_told_as_running(dsn, pool):
    goes_on = asyncio.Event()

    async def wait(_: Work) -> Verdict:
        await goes_on.wait()
        return SUCCEEDED

    answer = await backfill_days(pool, await make_schedule(pool), 2)
    async with engine_on(dsn, pool, ScriptedExecutor(wait), ListSource()) as engine:
        await eventually(lambda: _are(pool, answer, "running", "blocked"))
        goes_on.set()
        await engine.until(await backfill_of(pool, answer), "completed")


async def _are(pool: Pool, answer: ScheduleBackfillAnswer, *wanted: str) -> bool:
    return list(wanted) == await statuses(pool, answer)


async def kill(pool: Pool, engine: Engine | None, attempt: Attempt) -> Attempt:
    control: Any = engine.control if engine else FakeControl()
    await BackfillKiller(pool, control, SystemClock()).kill(ANNA, attempt)
    (found,) = await list_attempts(pool, [attempt.id])
    return found


async def test_a_running_one_that_is_killed_is_cut_off_and_the_chain_goes_on(dsn, pool):
    async def hang_on_the_first(work: Work) -> Verdict:
        if len(executor.starts) == 1:
            await asyncio.sleep(3600)
        return SUCCEEDED

    executor = ScriptedExecutor(hang_on_the_first)
    answer = await backfill_days(pool, await make_schedule(pool), 3)
    backfill = await backfill_of(pool, answer)
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        await eventually(lambda: executor.starts)
        killed = await kill(pool, engine, answer.attempts[0])
        await engine.until(backfill, "completed")

    assert AttemptStatus.KILLED is killed.status
    assert ["killed", "success", "success"] == await statuses(pool, answer)
    await counters_equal_the_ledger(pool, backfill)


@pytest.mark.parametrize("which", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (5, DAYS - 1))])
async def test_a_blocked_one_that_is_killed_ends_at_once_and_never_starts(dsn, pool, which):
    goes_on = asyncio.Event()

    async def wait(_: Work) -> Verdict:
        await goes_on.wait()
        return SUCCEEDED

    executor = ScriptedExecutor(wait)
    answer = await backfill_days(pool, await make_schedule(pool))
    backfill = await backfill_of(pool, answer)
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        await eventually(lambda: executor.starts)
        killed = await kill(pool, engine, answer.attempts[which])
        goes_on.set()
        await engine.until(backfill, "completed")

    assert AttemptStatus.KILLED is killed.status
    assert DAYS - 1 == len(executor.starts)
    assert answer.attempts[which].session_time.isoformat() not in {start.entity_id for start in executor.starts}
    await counters_equal_the_ledger(pool, backfill)


async def test_one_that_nobody_runs_is_killed_all_the_same(pool):
    answer = await backfill_days(pool, await make_schedule(pool), 3)
    killed = await kill(pool, None, answer.attempts[1])

    assert AttemptStatus.KILLED is killed.status
    assert ["queued", "killed", "blocked"] == await statuses(pool, answer)


async def test_killing_what_waits_to_be_tried_again_lets_the_chain_go_on(dsn, pool):
    executor = ScriptedExecutor(lambda _: AGAIN if len(executor.starts) == 1 else SUCCEEDED)
    backoff = Backoff(floor=timedelta(hours=1))
    answer = await backfill_days(pool, await make_schedule(pool), 3)
    backfill = await backfill_of(pool, answer)
    async with engine_on(dsn, pool, executor, ListSource(), backoff=backoff) as engine:
        await engine.until(backfill, "waiting", retrying=1)
        await kill(pool, engine, answer.attempts[0])
        await engine.until(backfill, "completed")

    assert ["killed", "success", "success"] == await statuses(pool, answer)
    await counters_equal_the_ledger(pool, backfill)


async def test_a_kill_that_comes_as_the_owner_is_leaving_is_not_lost(dsn, pool, monkeypatch):
    executor = ScriptedExecutor(lambda _: AGAIN if len(executor.starts) == 1 else SUCCEEDED)
    backoff = Backoff(floor=timedelta(hours=1))
    answer = await backfill_days(pool, await make_schedule(pool), 3)
    backfill = await backfill_of(pool, answer)
    give_back = LeaseKeeper.give_back

    async def killed_meanwhile(keeper: LeaseKeeper, lease: Lease, *, in_order: bool) -> None:
        if not killed.is_set():
            killed.set()
            async with pool.acquire() as connection, connection.transaction():
                await request_kill(connection, backfill.number, answer.attempts[0].id, SystemClock().now())
        await give_back(keeper, lease, in_order=in_order)

    killed = asyncio.Event()
    monkeypatch.setattr(LeaseKeeper, "give_back", killed_meanwhile)
    async with engine_on(dsn, pool, executor, ListSource(), backoff=backoff, listens=False) as engine:
        await engine.until(backfill, "completed")

    assert ["killed", "success", "success"] == await statuses(pool, answer)
    await counters_equal_the_ledger(pool, backfill)


async def test_a_kill_that_comes_as_a_paused_one_is_left_is_not_lost(pool, monkeypatch):
    monkeypatch.setattr("backfilld.operations.sessions.kill.WAITS_SECONDS", 0.1)
    answer = await backfill_days(pool, await make_schedule(pool), 3)
    backfill = await backfill_of(pool, answer)
    lease = await LeaseStore(pool, instance="other", process="1").acquire(backfill.number)
    killed = await kill(pool, None, answer.attempts[1])
    await LeaseStore(pool, instance="other", process="1").release(backfill.number, lease.fence, in_order=True)
    await SessionItems(pool).end_killed(backfill.number, SystemClock().now())

    assert AttemptStatus.CANCELING is killed.status
    assert ["queued", "killed", "blocked"] == await statuses(pool, answer)


async def test_kills_by_the_dozen_while_it_runs_lose_and_double_nothing(dsn, pool):
    executor = ScriptedExecutor(lambda _: asyncio.sleep(0.003, SUCCEEDED))
    answer = await backfill_days(pool, await make_schedule(pool), 60, max_in_flight=3)
    backfill = await backfill_of(pool, answer)
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        await eventually(lambda: executor.starts)
        wanted = answer.attempts[2::3]
        killed = await asyncio.gather(*(kill(pool, engine, one) for one in wanted), return_exceptions=True)
        await engine.until(backfill, "completed")

    ended = [one for one in killed if isinstance(one, Attempt)]
    assert ended
    assert len(ended) >= sum(one.status is AttemptStatus.KILLED for one in await attempts_of(pool, answer)) > 0
    assert len(executor.starts) == len({start.entity_id for start in executor.starts})
    await counters_equal_the_ledger(pool, backfill)


async def test_a_cancel_ends_every_attempt(dsn, pool):
    executor = ScriptedExecutor(lambda _: asyncio.sleep(0.02, SUCCEEDED))
    answer = await backfill_days(pool, await make_schedule(pool))
    backfill = await backfill_of(pool, answer)
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        await eventually(lambda: len(executor.starts) >= 2)
        await engine.cancel(backfill)
        await engine.until(backfill, "cancelled")

    found = await statuses(pool, answer)
    assert {"success", "killed"} == set(found)
    assert len(executor.starts) == found.count("success")
    await counters_equal_the_ledger(pool, backfill)


async def test_a_pause_starts_nothing_and_a_resume_goes_on_in_order(dsn, pool):
    executor = ScriptedExecutor(lambda _: asyncio.sleep(0.005, SUCCEEDED))
    answer = await backfill_days(pool, await make_schedule(pool))
    backfill = await backfill_of(pool, answer)
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        await eventually(lambda: len(executor.starts) >= 2)
        await engine.pause(backfill)
        answered = len(executor.starts)
        await asyncio.sleep(0.05)
        still = len(executor.starts)
        await engine.resume(backfill)
        await engine.until(backfill, "completed")

    assert answered == still
    assert DAYS == len(executor.starts)


async def test_two_backfills_of_one_schedule_run_side_by_side_and_neither_waits_for_the_other(dsn, pool):
    executor = ScriptedExecutor(lambda _: asyncio.sleep(0.02, SUCCEEDED))
    stored = await make_schedule(pool)
    paused = await backfill_of(pool, await backfill_days(pool, stored, name="paused"))
    answers = [await backfill_days(pool, stored, name=name) for name in ("one", "two")]
    async with engine_on(dsn, pool, executor, ListSource()) as engine:
        await engine.pause(paused)
        for answer in answers:
            await engine.until(await backfill_of(pool, answer), "completed")

    assert 2 <= executor.most_running


async def test_a_backfill_that_cannot_go_on_leaves_no_attempt_waiting(dsn, pool):
    answer = await backfill_days(pool, await make_schedule(pool), 3)
    backfill = await backfill_of(pool, answer)
    await change_settings(pool, backfill, timezone="Mars/Base")
    async with engine_on(dsn, pool, ScriptedExecutor(), ListSource()) as engine:
        await engine.until(backfill, "failed")

    assert ["error"] * 3 == await statuses(pool, answer)


async def test_a_failure_policy_that_somebody_gave_it_stops_a_backfill_over_sessions(dsn, pool):
    answer = await backfill_days(pool, await make_schedule(pool))
    backfill = await backfill_of(pool, answer)
    policy = {"window": 10, "min_sample": 10, "max_consecutive_failures": 2}
    await change_settings(pool, backfill, failure_policy=policy)
    async with engine_on(dsn, pool, ScriptedExecutor(lambda _: FAILED), ListSource()) as engine:
        row = await engine.until(backfill, "paused")

    assert "the last 2 failed in a row (limit 2)" in row.reason.message
    assert 2 == len(engine.executor.starts)
