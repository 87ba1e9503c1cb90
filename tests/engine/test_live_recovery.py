"""Attempts that no backfill carries, and that were under way when their process died: repeated as items are."""

import asyncio
from datetime import timedelta

from tests.engine.test_live_attempts import AGAIN, Held
from tests.support.attempts import all_ended, make_attempts, statuses
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.left_behind import HeldClock, attempts_under_way, in_round, left_behind
from tests.support.waiting import eventually

from backfilld.domain.backfills.retries import Backoff
from backfilld.domain.backfills.verdicts import SUCCEEDED
from backfilld.events import AttemptInterrupted, AttemptRepeated


async def test_after_a_second_death_such_attempts_run_one_at_a_time_beside_the_others(dsn, pool):
    held = Held()
    executor = ScriptedExecutor(held)
    suspects = await make_attempts(pool, 3)
    await attempts_under_way(pool, repeat_round=1)
    others = await make_attempts(pool, 2)
    async with engine_on(dsn, pool, executor) as engine:
        await eventually(lambda: len(held.began) == 3)
        await asyncio.sleep(0.1)
        at_once = len(held.began)
        held.let_go.set()
        await all_ended(engine, suspects + others)

    assert 3 == at_once  # one of them, and both others
    assert 5 == len(held.began) == len(set(held.began))


async def test_after_a_first_death_each_begins_a_moment_after_the_one_before_was_sent(dsn, pool):
    held, clock = Held(), HeldClock()
    executor = ScriptedExecutor(held)
    suspects = await make_attempts(pool, 3)
    await attempts_under_way(pool)
    others = await make_attempts(pool, 2)
    async with engine_on(dsn, pool, executor, clock=clock) as engine:
        await eventually(lambda: len(held.began) == 3 and clock.asked)
        alone = await pool.fetchval("SELECT count(*) FROM attempts WHERE stood_alone")
        clock.let_go.set()
        await eventually(lambda: len(held.began) == 5)
        beside = await pool.fetchval("SELECT count(*) FROM attempts WHERE stood_alone")
        held.let_go.set()
        await all_ended(engine, suspects + others)
    told = [event.round for event in engine.events if isinstance(event, AttemptRepeated)]

    assert (1, 0) == (alone, beside)
    assert [1, 1, 1] == told
    assert ["success"] * 5 == await statuses(pool, suspects + others)


async def test_whoever_did_not_stand_alone_when_its_process_died_is_not_charged(dsn, pool):
    (id,) = await make_attempts(pool)
    await attempts_under_way(pool)
    async with engine_on(dsn, pool) as engine:
        (attempt,) = await all_ended(engine, [id])

    assert "success" == attempt.status
    assert 0 == await pool.fetchval("SELECT interruptions FROM attempts")
    assert [] == [event for event in engine.events if isinstance(event, AttemptInterrupted)]


async def test_what_is_heard_of_one_ends_its_repeating(dsn, pool):
    (id,) = await make_attempts(pool)
    await attempts_under_way(pool, repeat_round=1)
    executor = ScriptedExecutor(lambda _: AGAIN if len(executor.starts) == 1 else SUCCEEDED)
    async with engine_on(dsn, pool, executor, backoff=Backoff(floor=timedelta(hours=1))) as engine:
        await eventually(lambda: pool.fetchval("SELECT tries = 1 FROM attempts"))
        row = await pool.fetchrow("SELECT repeat_round, stood_alone, running_since FROM attempts")
        await pool.execute("UPDATE attempts SET next_attempt_at = NULL")
        engine.live.nudge()
        await all_ended(engine, [id])

    assert 0 == row["repeat_round"]
    assert row["running_since"] is None


async def test_a_graceful_stop_leaves_one_in_its_round_and_charges_nobody(dsn, pool):
    held = Held()
    (id,) = await make_attempts(pool)
    await attempts_under_way(pool, repeat_round=1)
    async with engine_on(dsn, pool, ScriptedExecutor(held)):
        await eventually(lambda: held.began)
    row = await pool.fetchrow("SELECT repeat_round, running_since, interruptions FROM attempts")
    async with engine_on(dsn, pool) as engine:
        (attempt,) = await all_ended(engine, [id], seconds=3)

    assert (2, None, 0) == tuple(row)
    assert ("success", 0) == (attempt.status, await pool.fetchval("SELECT interruptions FROM attempts"))


async def test_one_that_is_repeated_waits_for_the_items_of_a_backfill_that_are(dsn, pool):
    held = Held()
    executor = ScriptedExecutor(held)
    backfill = await left_behind(pool, *["pending"] * 2, started=2)
    await in_round(pool, backfill, 1, to=2)
    suspects = await make_attempts(pool, 2)
    await attempts_under_way(pool, repeat_round=1)
    async with engine_on(dsn, pool, executor, ListSource(entities(2))) as engine:
        await eventually(lambda: held.began)
        await asyncio.sleep(0.3)
        at_once = len(held.began)
        held.let_go.set()
        await all_ended(engine, suspects)
        await engine.until(backfill, "completed")

    assert 1 == at_once == executor.most_running
    assert 4 == len(held.began)
