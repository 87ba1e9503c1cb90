"""An exception that nobody foresaw, at each step of the way: it ends the one on whose way it is, and nobody else.

What is planted is raised for one item (attempt, schedule, backfill) only, another one at each step; their neighbours
are seen to finish.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.attempts import all_ended, make_attempts
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.engine import ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.schedules import make_schedule
from tests.support.small_daemon import shorten_leases
from tests.support.waiting import eventually

from backfilld.bus import Bus
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.domain.schedules import Schedule
from backfilld.engine.attempts import attempt_run, claimer
from backfilld.engine.backfills import failed_runs, recorder, runner, scheduler
from backfilld.engine.backfills.planning.step import Planning
from backfilld.engine.backfills.running.item_run import ItemRun
from backfilld.engine.backfills.running.plan_reader import PlanReader
from backfilld.engine.backfills.running.worker import Worker
from backfilld.engine.janitor import Janitor, Retention
from backfilld.engine.schedules import firing, tz_rule_changes
from backfilld.engine.starting import one_try
from backfilld.engine.starting.targets import origin, target_health
from backfilld.engine.starting.targets.target_health import TargetHealth
from backfilld.events import SchedulePostponed
from backfilld.executors.base import Permit, Work
from backfilld.store.backfills.removal import RemovalStore
from backfilld.store.ledger.digests import DigestStore
from backfilld.store.ledger.last_runs import LastRunsStore
from backfilld.store.schedules import schedules as schedule_store
from backfilld.store.sessions import live_attempts

ALL = {"reprocess_behavior": "completed"}
CULPRIT = 3  # where there is one alone
BUG = OverflowError("date value out of range")


def raising(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, concerns: Callable[..., bool]) -> None:
    """Have `owner.name` raise where its arguments concern the culprit."""
    real = getattr(owner, name)

    def planted(*args: Any, **settings: Any) -> Any:
        if concerns(*args, **settings):
            raise BUG
        return real(*args, **settings)

    async def planted_later(*args: Any, **settings: Any) -> Any:
        if concerns(*args, **settings):
            raise BUG
        return await real(*args, **settings)

    monkeypatch.setattr(owner, name, planted_later if asyncio.iscoroutinefunction(real) else planted)


# Items of a backfill

# The steps, and the item that comes no further: its position.
ITEMS = {"read": 1, "looked at": 3, "payload": 5, "executor": 7, "judge": 9, "health": 11, "entry": 13}


class Preparing(ScriptedExecutor):
    """Raises before it asks whether it may start."""

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        if work.entity_id.endswith(f"{ITEMS['executor']:02}"):
            raise BUG
        return await super().execute(work, permit)


class Unread(ListSource):
    """Cannot read the culprit, be it alone or among others."""

    async def read(self, entity_type: str, ids: Any) -> Any:
        if any(id.endswith(f"{ITEMS['read']:02}") for id in ids):
            raise BUG
        return await super().read(entity_type, ids)


async def test_an_error_on_the_way_of_an_item_ends_that_item_alone(
    dsn: Any, pool: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(owner: Any, name: str, step: str, position_of: Callable[..., int | None]) -> None:
        raising(monkeypatch, owner, name, lambda *args, **settings: position_of(*args, **settings) == ITEMS[step])

    raises(PlanReader, "is_stale", "looked at", lambda _, item: item.position)
    raises(ItemRun, "_work", "payload", lambda _, item: item.position)
    raises(one_try, "judge", "judge", lambda _, item, **__: item.position)
    raises(TargetHealth, "note", "health", lambda _, __, place, **___: place[1])
    raises(
        recorder, "entry_of", "entry",
        lambda _, position, result, **__: None if result.error_class == "internal" else position,
    )  # fmt: skip
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, Preparing(), Unread(entities(20))) as engine:
        ended = await engine.until(backfill, "completed", "completed_with_failures", "failed")
        outcomes = await engine.outcomes(backfill)
    rows = await pool.fetch("SELECT position, error_class, error FROM outcomes WHERE status = 'failed' ORDER BY 1")
    failed = {row["position"]: (row["error_class"], row["error"]) for row in rows}

    assert "completed_with_failures" == ended.status
    assert {"succeeded": 20 - len(ITEMS), "failed": len(ITEMS)} == outcomes
    assert dict.fromkeys(ITEMS.values(), ("internal", "OverflowError: date value out of range")) == failed
    assert len(ITEMS) <= caplog.text.count("date value out of range")


@pytest.mark.parametrize(
    "holds", [Verdict(VerdictKind.UNREACHABLE, error_class="connect_failed"), Verdict(VerdictKind.REFUSED)]
)
async def test_an_error_while_the_answer_of_a_probe_is_judged_lets_the_next_one_start(
    dsn: Any, pool: Any, monkeypatch: pytest.MonkeyPatch, holds: Verdict
) -> None:
    answers = [holds] * 5
    monkeypatch.setattr(origin, "FIRST_PROBE_SECONDS", 0.05)
    monkeypatch.setattr(target_health, "FIRST_REFUSAL_SECONDS", 0.05)
    raising(monkeypatch, one_try, "judge", lambda verdict, *_, **__: verdict.message == "the first probe")

    def script(_: Work) -> Verdict:
        return answers.pop(0) if answers else SUCCEEDED

    backfill = await make_backfill(pool, **ALL, max_in_flight=1)
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(10))) as engine:
        health = engine.tools.targets.health
        await eventually(lambda: not answers)
        answers.append(replace(SUCCEEDED, message="the first probe"))
        await engine.until(backfill, "completed_with_failures")
        outcomes = await engine.outcomes(backfill)

    assert {"succeeded": 9, "failed": 1} == outcomes
    assert "closed" == health("http://target").origin.breaker.state


async def test_an_error_after_the_start_is_tried_again_since_the_target_may_have_it(dsn: Any, pool: Any) -> None:
    def script(work: Work) -> Verdict:
        if work.entity_id.endswith(f"{CULPRIT}"):
            raise BUG
        return SUCCEEDED

    backfill = await make_backfill(pool, **ALL, max_attempts=2)
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(5))) as engine:
        await engine.until(backfill, "completed_with_failures")
    row = await pool.fetchrow("SELECT attempts, error_class FROM outcomes WHERE status = 'failed'")

    assert (2, "executor_error") == tuple(row)


async def test_an_error_while_one_is_recorded_ends_that_one_alone(
    dsn: Any, pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_culprit(_: Any, __: Any, ended: Any, *more: Any) -> bool:
        return any(one.position == CULPRIT and one.outcome.status == "succeeded" for one in ended)

    raising(monkeypatch, recorder, "record", has_culprit)
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, ScriptedExecutor(), ListSource(entities(10))) as engine:
        await engine.until(backfill, "completed_with_failures")
    failed = await pool.fetch("SELECT position, error_class FROM outcomes WHERE status = 'failed'")

    assert [(CULPRIT, "unrecordable")] == [tuple(row) for row in failed]


# Runs of a backfill


@pytest.fixture
def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_runs, "PAUSES_SECONDS", (0.01, 0.01, 0.0))
    shorten_leases(monkeypatch, times=4)


# Each breaks the backfill of its place.
RUN_STEPS: list[tuple[Any, str, Callable[[Any], int]]] = [
    (scheduler, "Runner", lambda backfill: backfill.number),
    (Planning, "run", lambda planning: planning._gate.backfill.number),
    (runner.Runner, "_made_worker", lambda one: one.backfill.number),
    (Worker, "run", lambda worker: worker._gate.backfill.number),
    (runner.Runner, "_end", lambda one: one.backfill.number),
]


@pytest.mark.usefixtures("quick_pauses")
async def test_a_backfill_whose_runs_end_on_an_error_fails_after_three_and_its_neighbours_finish(
    dsn: Any, pool: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [await make_backfill(pool, **ALL) for _ in RUN_STEPS]
    sound = await make_backfill(pool, **ALL)
    runs: list[int] = []

    def concerns(one: Any, number: int, number_of: Callable[[Any], int]) -> bool:
        runs.extend([number] if number_of(one) == number else [])
        return number_of(one) == number

    for backfill, (owner, name, number_of) in zip(broken, RUN_STEPS, strict=True):
        raising(monkeypatch, owner, name, lambda one, *_, n=backfill.number, of=number_of: concerns(one, n, of))
    async with engine_on(dsn, pool, ScriptedExecutor(), ListSource(entities(5))) as engine:
        failed = [await engine.until(backfill, "failed") for backfill in broken]
        await engine.until(sound, "completed")
        later = await make_backfill(pool, **ALL)
        engine.scheduler.nudge()
        await engine.until(later, "completed")
    errors = [backfill.error or {} for backfill in failed]

    assert {"internal"} == {error["code"] for error in errors}
    assert [] == [error for error in errors if "OverflowError: date value out of range" not in error["message"]]
    assert dict.fromkeys((backfill.number for backfill in broken), 3) == Counter(runs)
    assert 3 * len(broken) == caplog.text.count("a run of backfill no.")
    assert 0 == await pool.fetchval("SELECT count(*) FROM leases WHERE NOT released")


@pytest.mark.usefixtures("quick_pauses")
async def test_a_backfill_is_run_again_after_an_error_that_does_not_come_back(
    dsn: Any, pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [1, 1]
    raising(monkeypatch, Worker, "run", lambda _: bool(left and left.pop()))
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, ScriptedExecutor(), ListSource(entities(5))) as engine:
        await engine.until(backfill, "completed")

    assert [] == left


@pytest.mark.usefixtures("quick_pauses")
async def test_a_run_that_cannot_hear_any_more_of_a_pause_ends_and_is_repeated(
    dsn: Any, pool: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left, go_on = [1], asyncio.Event()
    raising(monkeypatch, runner.Runner, "_acknowledge", lambda *_: bool(left and left.pop()))

    async def until_told(_: Work) -> Verdict:
        await go_on.wait()
        return SUCCEEDED

    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, ScriptedExecutor(until_told), ListSource(entities(5))) as engine:
        await eventually(lambda: engine.executor.running)
        engine.scheduler.hear(backfill.number)
        await eventually(lambda: "a run of backfill no. 1 ended" in caplog.text)
        go_on.set()
        await engine.until(backfill, "completed")

    assert [] == left


@pytest.mark.usefixtures("quick_pauses")
async def test_a_backfill_that_is_being_cancelled_and_cannot_fail_is_run_again_and_takes_nobody_along(
    dsn: Any, pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_runs, "LONG_PAUSE_SECONDS", 0.01)
    broken, sound = await make_backfill(pool, **ALL, start="when_approved"), await make_backfill(pool, **ALL)
    left = [1] * 6
    raising(monkeypatch, runner.Runner, "_cancel_rest", lambda _: bool(left and left.pop()))
    async with engine_on(dsn, pool, ScriptedExecutor(), ListSource(entities(5))) as engine:
        await engine.until(broken, "paused")
        await engine.cancel(broken)
        await engine.until(broken, "cancelled")
        await engine.until(sound, "completed")

    assert [] == left


# Attempts outside of backfills

# The steps, and the attempt that comes no further.
ATTEMPTS = {"its row": 2, "payload": 4, "run": 6, "begin": 8, "executor": 10, "judge": 12, "health": 14, "end": 16}


class PreparingLive(ScriptedExecutor):
    """Raises before it asks whether it may start."""

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        if work.params["n"] == ATTEMPTS["executor"] - 1:
            raise BUG
        return await super().execute(work, permit)


async def test_an_error_on_the_way_of_an_attempt_ends_that_attempt_alone(
    dsn: Any, pool: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(owner: Any, name: str, step: str, id_of: Callable[..., int | None]) -> None:
        raising(monkeypatch, owner, name, lambda *args, **settings: id_of(*args, **settings) == ATTEMPTS[step])

    store = live_attempts.LiveAttemptStore
    raises(live_attempts, "_taken", "its row", lambda row: row["attempt_id"])
    raises(attempt_run, "session_work", "payload", lambda session, **_: session.attempt_id)
    raises(claimer, "AttemptRun", "run", lambda lease, *_: lease.grant.id)
    raises(store, "begin", "begin", lambda _, id, *__, **___: id)
    raises(one_try, "judge", "judge", lambda _, item, **__: int(item.entity_id))
    raises(TargetHealth, "note", "health", lambda _, __, place, **___: place[1])
    raises(store, "finish", "end", lambda _, id, __, outcome: id if outcome.status == "succeeded" else None)
    ids = await make_attempts(pool, 18)
    async with engine_on(dsn, pool, PreparingLive()) as engine:
        attempts = await all_ended(engine, ids)
        later = await make_attempts(pool, 1)
        await all_ended(engine, later)
    culprits = [attempt for attempt in attempts if attempt.status != "success"]

    assert {*ATTEMPTS.values()} == {attempt.id for attempt in culprits if attempt.status == "error"}
    assert len(ATTEMPTS) == len(culprits)
    assert {"internal"} == {attempt.error_class for attempt in culprits}
    assert [] == [attempt for attempt in culprits if "date value out of range" not in (attempt.error or "")]
    assert len(ATTEMPTS) <= caplog.text.count("date value out of range")


async def test_attempts_of_any_session_time_end_and_their_neighbours_run(dsn: Any, pool: Any) -> None:
    ids = await make_attempts(pool, 4, timezone="Asia/Tokyo", schedule={"daily>": "07:00:00"})
    ends = [datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]
    await pool.execute("UPDATE attempts SET timezone = 'Asia/Tokyo'")
    for id, at in zip(ids, ends, strict=False):
        await pool.execute(
            "UPDATE sessions SET session_time = $2 FROM attempts WHERE attempts.id = $1 AND sessions.id = session_id",
            id, at,
        )  # fmt: skip
    async with engine_on(dsn, pool) as engine:
        attempts = await all_ended(engine, ids)

    assert ["error", "error", "success", "success"] == [attempt.status for attempt in attempts]
    assert ["internal", "internal", None, None] == [attempt.error_class for attempt in attempts]


# Schedules


async def test_a_schedule_that_cannot_be_fired_is_put_aside_and_the_others_fire(
    dsn: Any, pool: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1, 7):
        await make_schedule(pool, {"minutes_interval>": 30, "delay": 60 * number})

    def is_culprit(number: int) -> Callable[..., bool]:
        return lambda schedule, *_: schedule.delay == timedelta(minutes=number)

    raising(monkeypatch, schedule_store, "schedule_row", lambda row: row["id"] == 1)
    raising(monkeypatch, tz_rule_changes, "by_new_rules", lambda _, position: position.id == 2)
    raising(monkeypatch, Schedule, "next", is_culprit(3))
    raising(monkeypatch, firing, "params_of_slot", is_culprit(4))
    async with engine_on(dsn, pool, clock=SteppedClock(NOON + timedelta(hours=1))) as engine:
        await eventually(
            lambda: pool.fetchval(
                "SELECT count(DISTINCT workflow_id) = 2 FROM attempts WHERE succeeded AND workflow_id > 4"
            )
        )
        await eventually(
            lambda: {1, 3, 4} == {e.schedule_id for e in engine.events if isinstance(e, SchedulePostponed)}
        )

    assert 4 <= caplog.text.count("date value out of range")


# The janitor

PIECES = {
    "bring_up_to_date": LastRunsStore,
    "hide_expired": RemovalStore,
    "list_undigested": DigestStore,
    "remove": RemovalStore,
    "remove_entities": RemovalStore,
    "remove_events": RemovalStore,
    "forget_idempotency_keys": LastRunsStore,
}


@pytest.mark.parametrize("piece", PIECES)
async def test_what_the_janitor_cannot_do_leaves_the_rest_to_be_done(
    pool: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, piece: str
) -> None:
    done: list[str] = []
    for name, owner in PIECES.items():
        raising(monkeypatch, owner, name, lambda *_, name=name, **__: done.append(name) or name == piece)  # type: ignore[func-returns-value, misc]
    deleted = await make_backfill(pool, **ALL)
    await pool.execute(
        "UPDATE backfills SET status = 'completed', planned_at = $2, completed_at = $2, deleted_at = $2"
        " WHERE number = $1",
        deleted.number, NOON,
    )  # fmt: skip
    retention = Retention(timedelta(days=1), timedelta(days=1), timedelta(days=1))
    janitor = Janitor(LastRunsStore(pool), RemovalStore(pool), DigestStore(pool), SteppedClock(NOON), Bus(), retention)
    await janitor.round()
    missing = {
        "bring_up_to_date": {"hide_expired", "list_undigested", "remove"},
        "list_undigested": {"remove"},
    }.get(piece, set())

    assert set(PIECES) - missing == set(done)
    assert "the janitor could not" in caplog.text
