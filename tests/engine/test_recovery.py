"""What a dead process may have started: repeated before anything else, and nobody charged but who stood alone."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.engine import Engine, ListSource, ScriptedExecutor, engine_on, entities
from tests.support.left_behind import DEAD, LONG_AGO, HeldClock, in_round, left_behind
from tests.support.waiting import eventually

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.backfills.context import Limits
from backfilld.engine.backfills.running.recovery import Recovery
from backfilld.events import ItemInterrupted, RecoveryBegan, RecoveryEnded
from backfilld.executors.base import Work
from backfilld.store.backfills.leases import Grant, LeaseStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.ledger import Ledger
from backfilld.store.ledger.recovery import Alone, RecoveryStore, Round

ALL = {"filter_resolved": {"match_all": True}}
FEW = Limits(ramp_seconds=0, max_unrecorded=7)
STOPPED = Verdict(VerdictKind.REFUSED, error="not today")


class Stuck:
    """Work that goes on until a test lets it end; others that are named end at once."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids
        self.let_go = asyncio.Event()

    async def __call__(self, work: Work) -> Verdict:
        if not self.ids or work.entity_id in self.ids:
            await self.let_go.wait()
        return SUCCEEDED


def ids(*numbers: int) -> list[str]:
    return [f"e{n:06}" for n in numbers]


def started(executor: ScriptedExecutor) -> list[str]:
    return [start.entity_id for start in executor.starts]


async def name_of(pool: Pool, backfill: Backfill) -> int | None:
    return await pool.fetchval(
        "SELECT alone_position FROM backfill_progress WHERE backfill_number = $1", backfill.number
    )


async def round_of(pool: Pool, backfill: Backfill) -> int:
    return await pool.fetchval("SELECT repeat_round FROM backfill_progress WHERE backfill_number = $1", backfill.number)


def running(dsn, pool, executor: ScriptedExecutor, count: int, **kw: Any):
    return engine_on(dsn, pool, executor, ListSource(entities(count)), limits=FEW, **kw)


def told(engine: Engine, kind: type) -> list[Any]:
    return [event for event in engine.events if isinstance(event, kind)]


async def slow(_: Work) -> Verdict:
    await asyncio.sleep(0.003)
    return SUCCEEDED


# How much is repeated


async def test_only_what_may_have_been_started_is_repeated_first_of_all_and_the_rest_goes_at_full_speed(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 40, started=10)
    async with running(dsn, pool, executor, 40) as engine:
        await engine.until(backfill, "completed")

    assert ids(*range(10)) == started(executor)[:10]
    assert {1} == {start.in_flight for start in executor.starts[:10]}
    assert 3 == executor.most_running
    assert [(1, 10)] == [(event.round, event.most) for event in told(engine, RecoveryBegan)]
    assert [(1, 10)] == [(event.round, event.repeated) for event in told(engine, RecoveryEnded)]


@pytest.mark.parametrize("started", [0, 1, 4, 12, 100])
async def test_as_many_as_were_allowed_to_be_handed_out_whatever_ended_in_between(dsn, pool, started: int):
    statuses = ["succeeded", "pending", "skipped", "pending", "failed", "retrying", "pending"] * 4
    backfill = await left_behind(pool, *statuses, started=started)
    pending = [n for n, status in enumerate(statuses) if status == "pending"]
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.number)
    found = await RecoveryStore(pool).take_over(backfill.number, grant.fence, NOON, most=99)

    assert min(started, len(pending)) == found.items
    assert (1 if started else 0) == found.number
    assert ([0] + [n + 1 for n in pending])[min(started, len(pending))] == found.to


async def test_what_the_plan_left_out_counts_for_nothing(dsn, pool):
    backfill = await left_behind(pool, *["skipped"] * 5, *["pending"] * 5, started=None)
    await pool.execute("UPDATE backfill_progress SET skipped_in_plan = 5, hand_out_limit = 2")
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.number)
    found = await RecoveryStore(pool).take_over(backfill.number, grant.fence, NOON, most=99)

    assert (2, 7) == (found.items, found.to)


async def test_the_sample_is_handed_out_first_and_repeated_first(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 20, started=2, sample_size=4)
    await pool.execute(
        "INSERT INTO sample_items SELECT $1, n FROM unnest('{3, 8, 13, 18}'::int[]) AS n", backfill.number
    )
    await pool.execute("UPDATE backfills SET sample_open = true")
    async with running(dsn, pool, executor, 20) as engine:
        await engine.until(backfill, "paused")

    assert ids(3, 8, 13, 18) == started(executor)
    assert [2] == [event.most for event in told(engine, RecoveryBegan)]


async def test_the_larger_of_both_limits_holds(dsn, pool):
    backfill = await left_behind(pool, *["pending"] * 20, started=2)
    await pool.execute("UPDATE leases SET hand_out_limit = 5")
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.number)
    found = await RecoveryStore(pool).take_over(backfill.number, grant.fence, NOON, most=99)

    assert 5 == found.items


async def test_an_owner_who_wrote_no_limit_down_may_have_started_as_many_as_may_be_unrecorded(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 30, *["retrying"] * 4, started=None)
    await pool.execute("UPDATE retries SET next_attempt_at = $1", LONG_AGO)
    async with running(dsn, pool, executor, 34) as engine:
        await engine.until(backfill, "completed")

    assert [7 + 3 + 4] == [event.most for event in told(engine, RecoveryBegan)]


async def test_after_a_clean_end_nothing_is_repeated(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    async with running(dsn, pool, executor, 20) as engine:
        await engine.until(backfill, "completed")

    assert {start.in_flight for start in executor.starts[:6]} > {1}
    assert [] == told(engine, RecoveryBegan)


async def test_no_more_is_started_than_the_limit_that_is_committed(dsn, pool):
    beyond: list[str] = []
    seen = 0

    async def script(work: Work) -> Verdict:
        nonlocal seen
        seen += 1
        limit = await pool.fetchval(
            "SELECT greatest(p.hand_out_limit, l.hand_out_limit) FROM backfill_progress AS p JOIN leases AS l"
            " USING (backfill_number)"
        )
        if int(work.entity_id[1:]) >= limit:
            beyond.append(work.entity_id)
        return SUCCEEDED

    backfill = await make_backfill(pool, **ALL, max_in_flight=3)
    async with running(dsn, pool, ScriptedExecutor(script), 60) as engine:
        await engine.until(backfill, "completed")

    assert (60, []) == (seen, beyond)


async def test_retries_are_marked_as_taken_before_they_start_and_no_more_when_they_ended(dsn, pool):
    marks: list[int] = []

    async def script(work: Work) -> Verdict:
        marks.append(await pool.fetchval("SELECT count(*) FROM retries WHERE taken_fence IS NOT NULL"))
        return Verdict(VerdictKind.TRY_AGAIN, error_class="http_500") if work.attempt < 3 else SUCCEEDED

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(pool, **ALL, max_in_flight=1)
    async with engine_on(dsn, pool, executor, ListSource(entities(2))) as engine:
        await engine.until(backfill, "completed")

    assert 0 == marks[0]
    assert {1, 2} >= {mark for mark, start in zip(marks, executor.starts, strict=True) if start.attempt > 1} >= {1}


async def test_only_retries_that_were_taken_are_repeated_after_the_plan(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["retrying", "pending"] * 6, started=6)
    await pool.execute("UPDATE retries SET next_attempt_at = $1", LONG_AGO)
    await pool.execute("UPDATE retries SET taken_fence = 1 WHERE position IN (4, 8)")
    async with running(dsn, pool, executor, 12) as engine:
        await engine.until(backfill, "completed")

    assert ids(1, 3, 5, 7, 9, 11, 4, 8) == started(executor)[:8]
    assert [8] == [event.most for event in told(engine, RecoveryBegan)]


async def test_a_taken_retry_is_repeated_though_the_clock_was_set_back_and_it_is_not_due(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, "retrying", "pending", started=0)
    await pool.execute("UPDATE retries SET taken_fence = 1, next_attempt_at = $1", NOON + timedelta(days=999))
    async with running(dsn, pool, executor, 2) as engine:
        await engine.until(backfill, "completed")

    assert ids(0, 1) == started(executor)


async def test_a_graceful_stop_leaves_no_retry_marked(dsn, pool):
    executor = ScriptedExecutor(Stuck())
    backfill = await left_behind(pool, *["retrying"] * 3, started=0)
    await pool.execute("UPDATE leases SET released = true, in_order = true")
    await pool.execute("UPDATE retries SET next_attempt_at = $1", LONG_AGO)
    async with running(dsn, pool, executor, 3):
        await eventually(lambda: len(executor.starts) == 3)

    assert 0 == await pool.fetchval("SELECT count(*) FROM retries WHERE taken_fence IS NOT NULL")
    assert 0 == await round_of(pool, backfill)


# The first round


async def test_the_next_begins_a_moment_after_the_last_was_sent_up_to_what_may_be_in_flight(dsn, pool):
    stuck, clock = Stuck(), HeldClock()
    executor = ScriptedExecutor(stuck)
    backfill = await left_behind(pool, *["pending"] * 8, started=5)
    async with running(dsn, pool, executor, 8, clock=clock) as engine:
        await eventually(lambda: clock.asked)
        before = started(executor)
        clock.let_go.set()
        await eventually(lambda: len(executor.starts) == 3)
        await asyncio.sleep(0.05)
        at_most = started(executor)
        stuck.let_go.set()
        await engine.until(backfill, "completed")

    assert ids(0) == before
    assert ids(0, 1, 2) == at_most
    assert ids(*range(5)) == started(executor)[:5]


async def test_what_was_never_started_waits_until_the_last_of_them_was_sent_and_not_until_it_ends(dsn, pool):
    stuck, clock = Stuck("e000001"), HeldClock()
    executor = ScriptedExecutor(stuck)
    backfill = await left_behind(pool, *["pending"] * 12, started=2)
    async with running(dsn, pool, executor, 12, clock=clock) as engine:
        await eventually(lambda: len(executor.starts) == 2)
        await engine.until(backfill, succeeded=1)
        await asyncio.sleep(0.05)
        before = started(executor)
        clock.let_go.set()
        await engine.until(backfill, succeeded=11)
        round_then = await round_of(pool, backfill)
        stuck.let_go.set()
        await engine.until(backfill, "completed")

    assert ids(0, 1) == before
    assert 1 == round_then
    assert 0 == await round_of(pool, backfill)


async def test_the_start_of_who_stands_alone_is_written_down_before_it_happens(dsn, pool):
    seen = []

    async def script(work: Work) -> Verdict:
        seen.append((work.entity_id, await name_of(pool, backfill)))
        return SUCCEEDED

    backfill = await left_behind(pool, *["pending"] * 4, started=4)
    async with running(dsn, pool, ScriptedExecutor(script), 4) as engine:
        await engine.until(backfill, "completed")

    assert [(f"e{n:06}", n) for n in range(4)] == seen
    assert await pool.fetchval("SELECT alone_position IS NULL AND alone_holder IS NULL FROM backfill_progress")


@pytest.mark.parametrize("repeated", [2, 1], ids=["another repeat", "something new"])
async def test_nobody_stands_alone_any_more_before_the_next_one_starts_beside(dsn, pool, repeated: int):
    seen, stuck = [], Stuck("e000000")

    async def script(work: Work) -> Verdict:
        seen.append((work.entity_id, await name_of(pool, backfill)))
        return await stuck(work)

    backfill = await left_behind(pool, *["pending"] * 2, started=repeated)
    async with running(dsn, pool, ScriptedExecutor(script), 2) as engine:
        await engine.until(backfill, succeeded=1)
        stuck.let_go.set()
        await engine.until(backfill, "completed")

    assert [("e000000", 0), ("e000001", None)] == seen


async def test_nobody_stands_alone_while_another_backfill_repeats_beside(dsn, pool):
    stuck, names = Stuck(), []
    first, second = [await left_behind(pool, "pending", started=1) for _ in range(2)]

    async def script(work: Work) -> Verdict:
        names.append([await name_of(pool, backfill) for backfill in (first, second)])
        return await stuck(work)

    await pool.execute("UPDATE backfills SET status = 'paused' WHERE number = $1", second.number)
    async with running(dsn, pool, ScriptedExecutor(script), 1) as engine:
        await eventually(lambda: names)
        await engine.resume(second)
        await eventually(lambda: len(names) == 2)
        stuck.let_go.set()
        for backfill in (first, second):
            await engine.until(backfill, "completed")

    assert [[0, None], [None, None]] == names


async def test_who_ended_in_another_backfill_stands_alone_no_more_though_it_is_not_recorded_yet(dsn, pool):
    first, second = [await left_behind(pool, "pending", started=1) for _ in range(2)]
    for backfill in (first, second):
        await in_round(pool, backfill, 1, to=1)  # so that the second one begins when the first has ended
    names = []

    async def script(work: Work) -> Verdict:
        names.append({backfill.number: await name_of(pool, backfill) for backfill in (first, second)})
        return SUCCEEDED

    async with running(dsn, pool, ScriptedExecutor(script), 1) as engine:
        engine.recorder._commit = never_yet(engine.recorder._commit, until := asyncio.Event())  # type: ignore[method-assign]
        await eventually(lambda: len(names) == 2)
        until.set()
        for backfill in (first, second):
            await engine.until(backfill, "completed")

    assert [1, 1] == [sum(name is not None for name in both.values()) for both in names]


def never_yet(commit: Callable[..., Any], until: asyncio.Event) -> Callable[..., Any]:
    async def held(batch: Any) -> None:
        await until.wait()
        await commit(batch)

    return held


async def test_an_item_that_is_sent_back_is_repeated_before_anything_new_and_stands_alone_no_more(dsn, pool):
    refused, names = 12, set()

    async def script(work: Work) -> Verdict:
        nonlocal refused
        if work.entity_id == "e000000":
            alone.append(await name_of(pool, backfill))
        if work.entity_id == "e000000" and refused:
            refused -= 1
            return STOPPED
        return SUCCEEDED

    alone: list[int | None] = []
    executor = ScriptedExecutor(script)
    backfill = await left_behind(pool, *["pending"] * 30, started=10)
    async with running(dsn, pool, executor, 30, clock=HeldClock()) as engine:
        health = engine.tools.health_of(executor, backfill.workflow_name, backfill.revision_id, {})
        health.listen(lambda: health.reset() if health.is_half_open else None)
        await eventually(lambda: refused < 12)
        await eventually(lambda: name_is_gone(pool, backfill, names))
        await engine.until(backfill, "completed")

    assert [0] * 13 == alone  # each time
    assert 12 + 30 == len(executor.starts)
    assert set(ids(*range(10))) == set(started(executor)[:22])
    assert {"succeeded": 30} == await engine.outcomes(backfill)


async def name_is_gone(pool: Pool, backfill: Backfill, names: set) -> bool:
    names.add(await name_of(pool, backfill))
    return None in names


async def test_a_paused_backfill_whose_owner_died_is_recovered_when_it_goes_on(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 20)
    await pool.execute("UPDATE backfills SET status = 'paused'")
    async with running(dsn, pool, executor, 20) as engine:
        await engine.resume(backfill)
        await engine.until(backfill, "completed")

    assert {1} == {start.in_flight for start in executor.starts[:10]}


# The second round


async def test_after_a_second_death_they_run_one_at_a_time_to_their_end(dsn, pool):
    clock = HeldClock()
    clock.let_go.set()

    async def script(work: Work) -> Verdict:
        for _ in range(3):
            await asyncio.sleep(0.001)
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    backfill = await left_behind(pool, *["pending"] * 20, started=6)
    await in_round(pool, backfill, 1, to=6)
    async with running(dsn, pool, executor, 20, clock=clock) as engine:
        await engine.until(backfill, "completed")

    assert ids(*range(6)) == started(executor)[:6]
    assert {1} == {start.in_flight for start in executor.starts[:6]}
    assert 0 == clock.asked
    assert [(2, 6)] == [(event.round, event.most) for event in told(engine, RecoveryBegan)]


async def test_what_was_started_anew_meanwhile_belongs_to_the_next_first_round(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, "succeeded", "pending", "succeeded", *["pending"] * 20, started=6)
    await in_round(pool, backfill, 1, to=3)
    async with running(dsn, pool, executor, 23) as engine:
        await engine.until(backfill, "completed")

    assert ids(1, 3, 4, 5, 6, 7) == started(executor)[:6]
    assert [(2, 1), (1, 5)] == [(event.round, event.most) for event in told(engine, RecoveryBegan)]
    assert 0 == await round_of(pool, backfill)


async def test_a_round_that_was_through_when_the_process_died_is_followed_by_a_first_one(dsn, pool):
    backfill = await left_behind(pool, *["succeeded"] * 3, *["pending"] * 20, started=6)
    await in_round(pool, backfill, 1, to=3)
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.number)
    found = await RecoveryStore(pool).take_over(backfill.number, grant.fence, NOON, most=99)

    assert (1, 9, 6) == (found.number, found.to, found.items)


async def test_only_one_of_all_backfills_runs_in_the_second_round(dsn, pool):
    executor = ScriptedExecutor(slow)
    several = [await left_behind(pool, *["pending"] * 5, started=5) for _ in range(4)]
    for backfill in several:
        await in_round(pool, backfill, 1, to=5)
    async with running(dsn, pool, executor, 5) as engine:
        for backfill in several:
            await engine.until(backfill, "completed")

    assert 20 == len(executor.starts)
    assert 1 == executor.most_running


async def test_new_work_of_another_backfill_goes_on_beside_the_second_round(dsn, pool):
    stuck = Stuck("e000000")
    executor = ScriptedExecutor(stuck)
    suspect = await left_behind(pool, "pending", started=1)
    await in_round(pool, suspect, 1, to=1)
    async with running(dsn, pool, executor, 1) as engine:
        await eventually(lambda: executor.starts)
        engine.source.entities = {f"n{n}": entity for n, entity in enumerate(entities(5))}
        engine.source.entities = {f"n{n}": type(e)(f"n{n}", {}) for n, e in enumerate(engine.source.entities.values())}
        other = await make_backfill(pool, **ALL)
        await engine.until(other, "completed")
        stuck.let_go.set()
        await engine.until(suspect, "completed")

    assert 6 == len(executor.starts)


async def test_one_whose_turn_was_taken_by_another_backfill_comes_before_anything_new(dsn, pool, monkeypatch):
    stuck, really = Stuck("e000000"), Recovery.may_begin.fget
    asked: list[Recovery] = []

    def may_begin(recovery: Recovery) -> bool:
        asked.append(recovery)
        return len(asked) < 4 or really(recovery)  # at first it looks as if it could

    async def script(work: Work) -> Verdict:
        names[work.entity_id] = await name_of(pool, backfill)
        return await stuck(work)

    names: dict[str, int | None] = {}
    executor = ScriptedExecutor(script)
    other = await left_behind(pool, "pending", started=1)
    backfill = await left_behind(pool, "succeeded", "retrying", *["pending"] * 3, started=2)
    await pool.execute("UPDATE retries SET taken_fence = 0")
    for number, to in ((other, 1), (backfill, 2)):
        await in_round(pool, number, 1, to=to)
    await pool.execute("UPDATE backfills SET status = 'paused' WHERE number = $1", backfill.number)
    async with running(dsn, pool, executor, 5) as engine:
        await eventually(lambda: executor.starts)
        monkeypatch.setattr(Recovery, "may_begin", property(may_begin))
        await engine.resume(backfill)
        await eventually(lambda: len(asked) > 5)
        before = started(executor)
        stuck.let_go.set()
        for one in (other, backfill):
            await engine.until(one, "completed")

    assert ids(0) == before
    assert ids(0, 1) == started(executor)[:2]
    assert {"e000000": None, "e000001": 1, "e000002": 2, "e000003": 3, "e000004": None} == names


@pytest.mark.parametrize("times", [1, 2])
async def test_taking_over_is_done_once_though_its_answer_is_lost(pool, times: int):
    backfill = await left_behind(pool, *["pending"] * 9, started=4)
    await in_round(pool, backfill, times - 1, to=4 if times == 2 else 0)
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.number)
    found = [await RecoveryStore(pool).take_over(backfill.number, grant.fence, NOON, most=99) for _ in range(2)]

    assert found[0] == found[1]
    assert times == found[0].number


async def test_nothing_is_taken_over_by_whoever_has_lost_the_lease(pool):
    backfill = await left_behind(pool, *["pending"] * 9)
    store = RecoveryStore(pool)

    assert await store.take_over(backfill.number, 99, NOON, most=9) is None
    assert await store.read_round(backfill.number, 99) is None
    assert await store.end_round(backfill.number, 99, next_to=0) is None
    assert await store.open_hand_out(backfill.number, 99, keeps=False, ahead=9) is None
    assert Round(next_to=9) == await store.read_round(backfill.number, 1)


# Charges


async def test_who_stood_alone_is_charged_and_comes_again(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 5, started=5, alone=2)
    await in_round(pool, backfill, 1, to=5)
    async with running(dsn, pool, executor, 5) as engine:
        await engine.until(backfill, "completed")
        outcome = await pool.fetchrow("SELECT attempts, status::text FROM outcomes WHERE position = 2")
        tries = await pool.fetch("SELECT position, attempt, error_class FROM tries")

    assert [(2, 1, "interrupted")] == [tuple(row) for row in tries]
    assert (2, "succeeded") == tuple(outcome)
    assert [2] == [start.attempt for start in executor.starts if start.entity_id == "e000002"]
    assert {1} == {start.in_flight for start in executor.starts}
    assert {"succeeded": 5} == await engine.outcomes(backfill)
    assert 0 == (await engine.progress(backfill)).retrying


async def test_three_deaths_in_its_presence_end_an_item_and_harm_no_neighbor(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 6, started=6, alone=1)
    store = RecoveryStore(pool)
    for death in range(2):  # daemons that took over, started it alone, and died of it
        grant = await LeaseStore(pool, instance=f"next{death}", process="1").acquire(backfill.number)
        await charge(pool, backfill, grant)
        await store.take_over(backfill.number, grant.fence, NOON, most=9)
        await store.start_alone(backfill.number, grant.fence, 1, grant.holder)
        await pool.execute("UPDATE leases SET expires_at = $1", LONG_AGO)
    async with running(dsn, pool, executor, 6) as engine:
        await engine.until(backfill, "completed_with_failures")
        outcome = await pool.fetchrow("SELECT position, attempts, error_class FROM outcomes WHERE status = 'failed'")

    assert (1, 3, "interrupted") == tuple(outcome)
    assert {"succeeded": 5, "failed": 1} == await engine.outcomes(backfill)
    assert "e000001" not in started(executor)
    assert [3] == [event.times for event in told(engine, ItemInterrupted)]


async def charge(pool: Pool, backfill: Backfill, grant: Grant) -> bool:
    """As an owner does that takes over."""
    alone = await RecoveryStore(pool).find_alone(backfill.number)
    return alone is not None and await charge_for(pool, backfill, grant, alone)


async def charge_for(pool: Pool, backfill: Backfill, grant: Grant, alone: Alone) -> bool:
    return await RecoveryStore(pool).charge_interruption(backfill.number, grant.fence, alone, NOON)


async def taken_over(pool: Pool, backfill: Backfill, instance: str = "a") -> Grant:
    grant = await LeaseStore(pool, instance=instance, process="1").acquire(backfill.number)
    assert grant is not None
    return grant


async def interruptions(pool: Pool) -> int:
    return await pool.fetchval("SELECT coalesce(sum(interruptions), 0) FROM retries")


@pytest.mark.parametrize(("statuses", "alone"), [(["pending"] * 5, None), (["pending", "succeeded"], 1)])
async def test_nobody_is_charged_when_several_were_in_flight_or_its_outcome_was_recorded(pool, statuses, alone):
    backfill = await left_behind(pool, *statuses, alone=alone)

    assert not await charge(pool, backfill, await taken_over(pool, backfill))
    assert 0 == await interruptions(pool)


async def test_nobody_is_charged_whose_try_was_recorded(dsn, pool):
    again = Verdict(VerdictKind.TRY_AGAIN, error_class="http_500")
    executor = ScriptedExecutor(lambda work: again if work.attempt == 1 else SUCCEEDED)
    backfill = await left_behind(pool, "pending", started=1)
    async with running(dsn, pool, executor, 1, clock=HeldClock()) as engine:
        await eventually(lambda: pool.fetchval("SELECT count(*) FROM tries"))
        name = await name_of(pool, backfill)
        await engine.until(backfill, "completed")

    assert name is None


async def test_a_process_that_was_only_cut_off_takes_its_charge_back(pool):
    backfill = await left_behind(pool, *["pending"] * 3, alone=0)
    charged = await charge(pool, backfill, await taken_over(pool, backfill))
    await RecoveryStore(pool).take_back_charge(backfill.number, DEAD)

    assert charged
    assert 0 == await interruptions(pool)


async def test_a_process_that_speaks_up_before_it_is_charged_is_not(pool):
    backfill = await left_behind(pool, *["pending"] * 3, alone=0)
    grant = await taken_over(pool, backfill)
    alone = await RecoveryStore(pool).find_alone(backfill.number)
    await RecoveryStore(pool).take_back_charge(backfill.number, DEAD)

    assert not await charge_for(pool, backfill, grant, alone)
    assert 0 == await interruptions(pool)


@pytest.mark.parametrize("_", range(2))
async def test_a_charge_and_its_taking_back_that_race_leave_nothing(pool, _: int):
    backfill = await left_behind(pool, *["pending"] * 3, alone=0)
    grant = await taken_over(pool, backfill)
    await asyncio.gather(charge(pool, backfill, grant), RecoveryStore(pool).take_back_charge(backfill.number, DEAD))

    assert 0 == await interruptions(pool)


async def test_whoever_takes_its_own_lost_lease_again_charges_nobody(dsn, pool):
    backfill = await left_behind(pool, *["pending"] * 3)
    async with running(dsn, pool, ScriptedExecutor(slow), 3) as engine:
        holder = f"{engine.instance}/{engine.keeper.store._process}"
        await pool.execute("UPDATE backfill_progress SET alone_position = 0, alone_holder = $1", holder)
        await engine.until(backfill, "completed")

    assert 0 == await pool.fetchval("SELECT count(*) FROM tries")


async def test_a_charge_is_written_once_though_its_answer_is_lost(pool):
    backfill = await left_behind(pool, *["pending"] * 3, alone=0)
    grant = await taken_over(pool, backfill)
    alone = await RecoveryStore(pool).find_alone(backfill.number)
    written = [await charge_for(pool, backfill, grant, alone) for _ in range(2)]

    assert [True, False] == written
    assert 1 == await interruptions(pool) == await pool.fetchval("SELECT retrying FROM backfill_progress")


@pytest.mark.parametrize(
    ("in_flight", "number"),
    [(True, 1), (False, 2), *(pytest.param(*other, marks=pytest.mark.slow) for other in ((False, 1), (True, 2)))],
)
async def test_a_graceful_stop_in_the_middle_charges_nobody_and_the_same_round_goes_on(
    dsn, pool, in_flight: bool, number: int
):
    stuck = Stuck()

    async def script(work: Work) -> Verdict:
        if in_flight and len(first.starts) == 4:
            await stuck(work)
        await asyncio.sleep(0.01)
        return SUCCEEDED

    first, second = ScriptedExecutor(script), ScriptedExecutor(slow)
    backfill = await left_behind(pool, *["pending"] * 30, started=10)
    if number == 2:
        await in_round(pool, backfill, 1, to=10)
    async with running(dsn, pool, first, 30, clock=HeldClock()):
        await eventually(lambda: len(first.starts) >= 4)
    done = await pool.fetchval("SELECT count(*) FROM outcomes")
    round_then = await round_of(pool, backfill)
    async with running(dsn, pool, second, 30) as engine:
        await engine.until(backfill, "completed")

    assert number == round_then
    assert 1 == first.most_running
    assert ids(*range(done, 10)) == started(second)[: 10 - done]
    assert [number] == [event.round for event in told(engine, RecoveryBegan)]
    assert 0 == await pool.fetchval("SELECT count(*) FROM tries")
    assert {"succeeded": 30} == await engine.outcomes(backfill)


# What is said of it


async def test_the_backfill_says_that_it_repeats_and_the_timeline_when_that_began_and_ended(dsn, pool):
    stuck = Stuck("e000003")
    executor = ScriptedExecutor(stuck)
    backfill = await left_behind(pool, *["pending"] * 9, started=6)
    async with running(dsn, pool, executor, 9, clock=HeldClock()) as engine:
        await eventually(lambda: len(executor.starts) == 4)
        held = engine.control.live(backfill.number).hold
        stored = (await engine.until(backfill, "running")).reason
        left = engine.tools.repeats.left
        stuck.let_go.set()
        await engine.until(backfill, "completed")
    moves = await pool.fetch(
        "SELECT new ->> 'status_reason' AS code, reason FROM audit_log WHERE action = 'backfill.status' ORDER BY id"
    )

    assert ReasonCode.RECOVERING is held.code is stored.code
    assert "Repeating what a killed daemon may have started: 4 of at most 6; then at full pace again." == held.message
    assert held.since == stored.since
    assert 2 == left
    assert 0 == engine.tools.repeats.left
    assert ["recovering", None] == [row["code"] for row in moves][:2]
    assert moves[0]["reason"].startswith("Repeating what a killed daemon may have started")


async def test_whatever_holds_it_up_comes_before_that_it_repeats(dsn, pool):
    backfill = await left_behind(pool, *["pending"] * 9, started=6)
    async with running(dsn, pool, ScriptedExecutor(slow), 9) as engine:
        await engine.stop_all()
        await eventually(lambda: engine.control.live(backfill.number))
        held = engine.control.live(backfill.number).hold
        await engine.start_all()
        await engine.until(backfill, "completed")

    assert held is None or held.code is ReasonCode.STOPPED_BY_OPERATOR


async def test_what_a_dead_owner_took_keeps_his_mark_when_it_is_taken_again(pool):
    backfill = await left_behind(pool, *["retrying"] * 4, started=0)
    await pool.execute("UPDATE retries SET next_attempt_at = $1", LONG_AGO)
    await pool.execute("UPDATE retries SET taken_fence = 3 WHERE position = 2")
    rows = await Ledger(pool).read_retries(backfill.number, 9, due_at=NOON, taken=[0], most=2)
    marks = await pool.fetch("SELECT position, taken_fence FROM retries ORDER BY position")

    assert [1, 2] == [row.position for row in rows]
    assert [(0, None), (1, 9), (2, 3), (3, None)] == [tuple(mark) for mark in marks]
