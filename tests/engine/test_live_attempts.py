"""Attempts that no backfill carries: leased one by one, started behind a gate, ended once."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.engine.parts import break_down
from tests.support.attempts import all_ended, attempt_of, make_attempts, statuses
from tests.support.clock import NOON
from tests.support.engine import Engine, ListSource, ScriptedExecutor, SteppedClock, engine_on
from tests.support.schedules import make_schedule
from tests.support.waiting import eventually
from tests.support.wire import wire_to

from backfilld.domain.backfills.retries import Backoff
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.domain.sessions.records import attempt_key
from backfilld.events import AttemptInterrupted
from backfilld.executors.base import Work
from backfilld.store.admin.workflows import WorkflowStore
from backfilld.store.connection.pool import open_pool
from backfilld.store.sessions.live_attempts import LiveAttemptStore

FAILED = Verdict(VerdictKind.FAILED, error_class="http_404", error="not there", http_status=404, log="gone")
AGAIN = Verdict(VerdictKind.TRY_AGAIN, error_class="http_500", error="oops", log="oops")
UNREACHABLE = Verdict(VerdictKind.UNREACHABLE, error_class="connect_failed", error="nobody there")


class Held:
    """Work that goes on until a test lets it end."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.began: list[str] = []
        self.cut_off: list[str] = []

    async def __call__(self, work: Work) -> Verdict:
        self.began.append(work.idempotency_key)
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cut_off.append(work.idempotency_key)
            raise
        return SUCCEEDED


async def request_kill(pool: Any, *ids: int) -> None:
    await pool.execute("UPDATE attempts SET cancel_requested_at = $2 WHERE id = ANY ($1::bigint[])", list(ids), NOON)
    await pool.execute("SELECT pg_notify('backfilld', 'live')")


async def test_attempts_run_by_themselves_and_end_once(dsn, pool):
    seen: list[Work] = []

    def script(work: Work) -> Verdict:
        seen.append(work)
        return Verdict(VerdictKind.SUCCEEDED, message="done", result='{"n":1}', log="hello")

    ids = await make_attempts(pool, 5, exports={"region": "eu"})
    executor = ScriptedExecutor(script)
    async with engine_on(dsn, pool, executor) as engine:
        attempts = await all_ended(engine, ids)
    logs = await pool.fetch("SELECT attempt_id, try, content FROM attempt_logs ORDER BY attempt_id")
    first, work = attempts[0], sorted(seen, key=lambda work: work.entity_id)[0]

    assert ["success"] * 5 == [attempt.status for attempt in attempts]
    assert ("done", '{"n":1}') == (first.message, first.result)
    assert first.started_at <= first.finished_at
    assert [(id, 1, "hello") for id in ids] == [tuple(row) for row in logs]
    assert 5 == len(seen)
    assert attempt_key(first.session_uuid, 1) == work.idempotency_key
    assert {"n": 0, "region": "eu"} == work.params
    assert ("2027-03-01T12:00:00+00:00", str(first.id)) == (work.session["session_time"], work.session["attempt_id"])
    assert work.wants_log
    assert work.backfill_id is None


async def test_an_attempt_that_is_made_while_nobody_looks_starts_at_once(dsn, pool):
    async with engine_on(dsn, pool) as engine:
        await eventually(lambda: engine.scheduler.last_tick_at)
        await all_ended(engine, await make_attempts(pool), seconds=5)


async def test_a_schedule_and_its_attempts_go_together(dsn, pool):
    await make_schedule(pool, {"seconds_interval>": 1})
    clock = SteppedClock(NOON + timedelta(seconds=3))
    async with engine_on(dsn, pool, clock=clock) as engine:
        await eventually(lambda: pool.fetchval("SELECT count(*) >= 5 FROM attempts WHERE succeeded"))

    assert len({start.key for start in engine.executor.starts}) == len(engine.executor.starts)


async def test_a_failure_is_told(dsn, pool):
    (id,) = await make_attempts(pool)
    async with engine_on(dsn, pool, ScriptedExecutor(lambda _: FAILED)) as engine:
        (attempt,) = await all_ended(engine, [id])

    assert ("error", "http_404", "not there", 404) == (
        attempt.status, attempt.error_class, attempt.error, attempt.http_status,
    )  # fmt: skip


async def test_what_may_go_better_is_tried_again_under_the_same_key(dsn, pool):
    (id,) = await make_attempts(pool, max_attempts=3)
    executor = ScriptedExecutor(lambda work: SUCCEEDED if work.attempt == 3 else AGAIN)
    async with engine_on(dsn, pool, executor) as engine:
        (attempt,) = await all_ended(engine, [id])
    tries = await pool.fetch("SELECT try, content FROM attempt_logs ORDER BY try")

    assert "success" == attempt.status
    assert [1, 2, 3] == [start.attempt for start in executor.starts]
    assert 1 == len({start.key for start in executor.starts})
    assert [(1, "oops"), (2, "oops")] == [tuple(row) for row in tries]


async def test_the_tries_of_the_workflow_are_its_bound(dsn, pool):
    (id,) = await make_attempts(pool, max_attempts=2)
    executor = ScriptedExecutor(lambda _: AGAIN)
    async with engine_on(dsn, pool, executor) as engine:
        (attempt,) = await all_ended(engine, [id])

    assert ("error", 2) == (attempt.status, len(executor.starts))


async def test_between_two_tries_it_is_queued_and_takes_no_place(dsn, pool):
    backoff = Backoff(floor=timedelta(hours=1))
    (first,) = await make_attempts(pool)
    executor = ScriptedExecutor(lambda work: AGAIN if work.attempt == 1 and len(executor.starts) == 1 else SUCCEEDED)
    async with engine_on(dsn, pool, executor, backoff=backoff, capacity=1, reserve=0) as engine:
        await eventually(lambda: pool.fetchval("SELECT tries = 1 FROM attempts"))
        (second,) = await make_attempts(pool)
        await all_ended(engine, [second])
        status = (await attempt_of(pool, first)).status

    assert "queued" == status


async def test_a_clock_that_was_set_back_puts_no_retry_off_for_ever(dsn, pool):
    (id,) = await make_attempts(pool)
    await pool.execute("UPDATE attempts SET next_attempt_at = now() + interval '1 year'")
    async with engine_on(dsn, pool) as engine:
        (attempt,) = await all_ended(engine, [id], seconds=5)

    assert "success" == attempt.status


async def test_a_target_that_is_away_is_waited_for(dsn, pool):
    ids = await make_attempts(pool, 6, max_attempts=1)
    away = True
    executor = ScriptedExecutor(lambda _: UNREACHABLE if away else SUCCEEDED)
    executor.target = "http://away"
    async with engine_on(dsn, pool, executor) as engine:
        break_down(engine.tools.targets.health("http://away"))
        await asyncio.sleep(0)
        early = await statuses(pool, ids)
        away = False
        await all_ended(engine, ids)

    assert ["queued"] * 6 == early
    assert ["success"] * 6 == await statuses(pool, ids)


async def test_no_more_run_at_once_than_there_are_places(dsn, pool):
    held = Held()
    executor = ScriptedExecutor(held)
    ids = await make_attempts(pool, 8)
    async with engine_on(dsn, pool, executor, capacity=2, reserve=1) as engine:
        await eventually(lambda: len(held.began) == 3)
        await asyncio.sleep(0.1)
        most = executor.most_running
        shown = await statuses(pool, ids)
        held.let_go.set()
        await all_ended(engine, ids)

    assert 3 == most == executor.most_running
    assert ["running"] * 3 + ["queued"] * 5 == shown


async def test_under_stop_all_nothing_starts_and_afterwards_everything_does(dsn, pool):
    async with engine_on(dsn, pool) as engine:
        await engine.stop_all()
        ids = await make_attempts(pool, 3)
        await asyncio.sleep(0.3)
        starts = len(engine.executor.starts)
        await engine._order(stopped=False)
        await all_ended(engine, ids)

    assert 0 == starts
    assert 3 == len(engine.executor.starts)


async def test_stop_all_waits_for_what_is_on_its_way_out_elsewhere(dsn, pool):
    executor = ScriptedExecutor(sends=0.5)
    await make_attempts(pool, 1)
    async with engine_on(dsn, pool, executor), engine_on(dsn, pool, runs_live=False) as other:
        await eventually(lambda: executor.running)
        on_its_way = not executor.starts
        await other.stop_all()
        out = len(executor.starts)

    assert on_its_way
    assert 1 == out  # before the answer came


async def test_a_disabled_workflow_starts_nothing(dsn, pool):
    ids = await make_attempts(pool, 2)
    await pool.execute("UPDATE workflows SET enabled = false")
    async with engine_on(dsn, pool) as engine:
        await asyncio.sleep(0.3)
        starts = len(engine.executor.starts)
        workflow_id = await pool.fetchval("SELECT id FROM workflows")
        async with pool.acquire() as connection, connection.transaction():
            await WorkflowStore(pool).set(connection, workflow_id, managed_by="api", enabled=True, at=NOON)
        await all_ended(engine, ids, seconds=5)

    assert 0 == starts


async def test_attempts_of_a_deleted_workflow_end_as_errors(dsn, pool):
    ids = await make_attempts(pool, 2)
    await pool.execute("UPDATE workflows SET enabled = false, deleted_at = now()")
    async with engine_on(dsn, pool) as engine:
        attempts = await all_ended(engine, ids)

    assert [("error", "workflow_deleted")] * 2 == [(attempt.status, attempt.error_class) for attempt in attempts]


async def test_a_kill_cuts_off_what_runs(dsn, pool):
    held = Held()
    ids = await make_attempts(pool, 2)
    async with engine_on(dsn, pool, ScriptedExecutor(held)) as engine:
        await eventually(lambda: len(held.began) == 2)
        await request_kill(pool, ids[0])
        (killed,) = await all_ended(engine, ids[:1], seconds=3)
        held.let_go.set()
        await all_ended(engine, ids)

    assert "killed" == killed.status
    assert 1 == len(held.cut_off)
    assert ["killed", "success"] == await statuses(pool, ids)


async def test_a_kill_by_another_daemon_reaches_the_owner(dsn, pool):
    held = Held()
    (id,) = await make_attempts(pool)
    async with engine_on(dsn, pool, ScriptedExecutor(held), listens=False) as engine:
        await eventually(lambda: held.began)
        await pool.execute("UPDATE attempts SET cancel_requested_at = $1", NOON)  # nobody tells
        (attempt,) = await all_ended(engine, [id], seconds=5)

    assert "killed" == attempt.status


async def test_one_that_ended_before_the_kill_reached_it_keeps_its_end(dsn, pool):
    (id,) = await make_attempts(pool)

    async def slow(_: Work) -> Verdict:
        engine.live_leases.find(id).on_word = lambda _: None  # whoever looks for kills meanwhile does not reach it
        await pool.execute("UPDATE attempts SET cancel_requested_at = $1", NOON)
        return SUCCEEDED

    async with engine_on(dsn, pool, ScriptedExecutor(slow)) as engine:
        (attempt,) = await all_ended(engine, [id])

    assert "success" == attempt.status


async def test_an_attempt_that_takes_too_long_is_killed(dsn, pool):
    held = Held()
    (id,) = await make_attempts(pool)
    clock = SteppedClock(NOON + timedelta(days=6))
    async with engine_on(dsn, pool, ScriptedExecutor(held), clock=clock) as engine:
        await eventually(lambda: held.began)
        clock.set(NOON + timedelta(days=8))
        engine.live.nudge()
        (attempt,) = await all_ended(engine, [id], seconds=5)

    assert ("killed", False) == (attempt.status, attempt.succeeded)


async def test_what_cannot_be_stored_ends_unrecordable(dsn, pool):
    ids = await make_attempts(pool, 2)
    executor = ScriptedExecutor(
        lambda work: Verdict(VerdictKind.SUCCEEDED, message="\x00") if work.params["n"] == 0 else SUCCEEDED
    )
    async with engine_on(dsn, pool, executor) as engine:
        attempts = await all_ended(engine, ids)

    assert [("error", "unrecordable"), ("success", None)] == [(a.status, a.error_class) for a in attempts]


async def test_a_definition_of_another_time_ends_the_attempt_with_a_reason(dsn, pool):
    ids = await make_attempts(pool, 1, schedule={"hourly>": "what"})
    async with engine_on(dsn, pool) as engine:
        (attempt,) = await all_ended(engine, ids)

    assert ("error", "definition_invalid") == (attempt.status, attempt.error_class)


async def test_a_graceful_stop_gives_back_what_it_cut_off_and_charges_nobody(dsn, pool):
    held = Held()
    (id,) = await make_attempts(pool)
    async with engine_on(dsn, pool, ScriptedExecutor(held)):
        await eventually(lambda: held.began)
    row = await pool.fetchrow("SELECT holder, running_since, interruptions, tries, finished_at FROM attempts")
    async with engine_on(dsn, pool) as engine:
        (attempt,) = await all_ended(engine, [id], seconds=3)

    assert (None, None, 0, 0, None) == tuple(row)
    assert "success" == attempt.status


async def test_several_daemons_share_attempts_and_run_each_once(dsn, pool):
    async def slow(_: Work) -> Verdict:
        await asyncio.sleep(0.01)
        return SUCCEEDED

    executor = ScriptedExecutor(slow)
    ids = await make_attempts(pool, 60)
    async with engine_on(dsn, pool, executor) as one, engine_on(dsn, pool, executor), engine_on(dsn, pool, executor):
        await all_ended(one, ids)

    assert 60 == len(executor.starts) == len({start.key for start in executor.starts})


@pytest.mark.usefixtures("short_leases")
async def test_whoever_is_cut_off_is_followed_by_another_under_the_same_key(dsn, pool):
    gone, held = ScriptedExecutor(Held()), Held()
    held.let_go.set()
    (id,) = await make_attempts(pool)
    async with wire_to(dsn) as wire:
        far = await open_pool(wire.dsn, size=3)
        async with engine_on(wire.dsn, far, gone) as first:
            await eventually(lambda: gone.starts)
            wire.cut()
            async with engine_on(dsn, pool, ScriptedExecutor(held)) as second:
                (attempt,) = await all_ended(second, [id], seconds=10)
            wire.mend()
            await eventually(lambda: not first.live_leases.held)
        await far.close()

    assert "success" == attempt.status
    assert [gone.starts[0].key] == held.began
    assert "success" == (await attempt_of(pool, id)).status


@pytest.mark.usefixtures("short_leases")
async def test_a_lease_that_is_lost_charges_nobody(dsn, pool):
    gone, held = ScriptedExecutor(Held()), Held()
    (id,) = await make_attempts(pool)
    await pool.execute("UPDATE attempts SET repeat_round = 1")  # so that it stands alone, and is charged
    async with wire_to(dsn) as wire:
        far = await open_pool(wire.dsn, size=3)
        async with engine_on(wire.dsn, far, gone):
            await eventually(lambda: gone.starts)
            wire.cut()
            async with engine_on(dsn, pool, ScriptedExecutor(held)) as second:
                await eventually(lambda: held.began)
                charged = await pool.fetchval("SELECT interruptions FROM attempts")
                wire.mend()
                await eventually(lambda: pool.fetchval("SELECT interruptions = 0 FROM attempts"))
                held.let_go.set()
                (attempt,) = await all_ended(second, [id])
        await far.close()

    assert (1, "success") == (charged, attempt.status)


@pytest.mark.parametrize(("deaths", "status", "error"), [(2, "success", None), (3, "error", "interrupted")])
async def test_one_that_stood_in_flight_three_times_when_its_process_died_ends_interrupted(
    dsn, pool, deaths, status, error
):
    (id,) = await make_attempts(pool)
    await pool.execute(
        "UPDATE attempts SET holder = 'a/b', fence = 3, lease_until = '2020-01-01Z', running_since = $1,"
        " stood_alone = true, started_at = $1, interruptions = $2", NOON, deaths - 1,
    )  # fmt: skip
    async with engine_on(dsn, pool) as engine:
        (attempt,) = await all_ended(engine, [id])

    assert (status, error) == (attempt.status, attempt.error_class)
    assert (deaths < 3) == bool(engine.executor.starts)
    assert [deaths] == [event.times for event in engine.events if isinstance(event, AttemptInterrupted)]


async def test_a_database_that_is_away_is_waited_for(dsn, pool):
    held = Held()
    (id,) = await make_attempts(pool)
    async with wire_to(dsn) as wire:
        far = await open_pool(wire.dsn, size=3)
        async with engine_on(wire.dsn, far, ScriptedExecutor(held)):
            await eventually(lambda: held.began)
            wire.cut()
            held.let_go.set()
            await asyncio.sleep(1)
            wire.mend()
            await all_ended(pool, [id], seconds=20)
        await far.close()

    assert ("success", 1) == ((await attempt_of(pool, id)).status, len(held.began))


async def test_all_that_is_unfinished_is_gone_through_once_a_second_at_most(dsn, pool, clock, monkeypatch):
    looked: list[datetime] = []
    original = LiveAttemptStore.sweep

    async def sweep(self: LiveAttemptStore, now: datetime, made_before: datetime) -> None:
        looked.append(now)
        await original(self, now, made_before)

    monkeypatch.setattr(LiveAttemptStore, "sweep", sweep)
    engine = Engine(dsn, pool, pool, ScriptedExecutor(), ListSource(), clock=clock, listens=False)
    wake_at = [await engine.live.tick() for _ in range(5)]
    await clock.advance(0.4)
    wake_at.append(await engine.live.tick())
    await clock.advance(0.6)
    wake_at.append(await engine.live.tick())

    assert [NOON, NOON + timedelta(seconds=1)] == looked
    assert [None, *[NOON + timedelta(seconds=1)] * 5, None] == wake_at
