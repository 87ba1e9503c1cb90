"""Which backfills run here and when it looks again, however the clock is moved and whatever fails on the way."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.engine.parts import MONDAY_NOON_TO_ONE
from tests.support.backfills import ALWAYS, change_settings, make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.executors.base import Work

ALL = {"filter_resolved": {"match_all": True}}
MONDAY = datetime(2027, 3, 1, tzinfo=UTC)


def at(hour: int, minute: int = 0, *, days: int = 0) -> datetime:
    return MONDAY + timedelta(days=days, hours=hour, minutes=minute)


async def slow(_: Work) -> Verdict:
    await asyncio.sleep(0.005)
    return SUCCEEDED


async def waits(engine, backfill, code: str):
    async def look():
        row = await engine.tools.backfills.get(backfill.id)
        return row if row.reason is not None and row.reason.code == code else None

    return await eventually(look)


async def is_left(engine, backfill) -> None:
    await eventually(lambda: engine.scheduler.runner(backfill.number) is None)


async def test_a_clock_that_steps_out_of_the_window_and_back_stops_and_goes_on(dsn, pool):
    clock, executor = SteppedClock(at(12, 30)), ScriptedExecutor(slow)
    backfill = await make_backfill(pool, **ALL, daily_execution_windows=MONDAY_NOON_TO_ONE, max_in_flight=2)
    async with engine_on(dsn, pool, executor, ListSource(entities(200)), clock=clock) as engine:
        await eventually(lambda: len(executor.starts) > 10)
        clock.set(at(11))
        early = await waits(engine, backfill, "outside_window")
        started = len(executor.starts)
        await is_left(engine, backfill)
        clock.set(at(12, 40))
        engine.scheduler.nudge()
        await eventually(lambda: len(executor.starts) > started + 10)
        clock.set(at(13))
        await eventually(lambda: not executor.running)
        late = await waits(engine, backfill, "outside_window")

    outside = [start for start in executor.starts if not at(12) <= start.at < at(13)]
    assert (at(12), at(12)) == (early.reason.until, early.wake_at)
    assert at(12, days=7) == late.reason.until
    assert [] == outside


@pytest.mark.parametrize("by", [timedelta(days=400), timedelta(days=-400)])
async def test_what_a_wrong_clock_put_off_is_looked_at_when_the_clock_is_right_again(dsn, pool, by: timedelta):
    clock = SteppedClock(at(11) + by)
    backfill = await make_backfill(pool, **ALL, daily_execution_windows=MONDAY_NOON_TO_ONE)
    async with engine_on(dsn, pool, source=ListSource(entities(20)), clock=clock) as engine:
        wrong = await waits(engine, backfill, "outside_window")
        await is_left(engine, backfill)
        clock.set(at(12, 5))
        engine.scheduler.nudge()  # as happens each minute by itself
        await engine.until(backfill, "completed")

    assert abs(wrong.wake_at - at(12)) > timedelta(days=300)


async def test_windows_that_never_open_are_looked_at_once_a_day(dsn, pool):
    # 02:15 in New York exists on every Sunday but one; that one alone is not excluded
    days = {MONDAY.date() - timedelta(days=1) + timedelta(weeks=n) for n in range(60)} - {datetime(2027, 3, 14).date()}  # noqa: DTZ001
    sunday = {"sunday": [{"run_start_time": "02:15", "run_end_time": "02:45"}]}
    settings = {"daily_execution_windows": sunday, "timezone": "America/New_York", "excluded_dates": frozenset(days)}
    clock = SteppedClock(at(12))
    backfill = await make_backfill(pool, **ALL | settings)
    async with engine_on(dsn, pool, clock=clock) as engine:
        await waits(engine, backfill, "never_opens")
        await eventually(lambda: pool.fetchval("SELECT wake_at FROM backfills"))
        row = await waits(engine, backfill, "never_opens")

    assert ("waiting", None) == (row.status, row.reason.until)
    assert timedelta(hours=23) < row.wake_at - at(12) <= timedelta(hours=24)
    assert [] == engine.executor.starts


async def test_an_excluded_date_is_waited_through(dsn, pool):
    clock = SteppedClock(at(12))
    backfill = await make_backfill(
        pool, **ALL, daily_execution_windows=ALWAYS, excluded_dates=frozenset({MONDAY.date()})
    )
    async with engine_on(dsn, pool, clock=clock) as engine:
        row = await waits(engine, backfill, "outside_window")
        clock.set(at(0, days=1))
        engine.scheduler.nudge()
        await engine.until(backfill, "completed")

    assert at(0, days=1) == row.reason.until
    assert all(start.at >= at(0, days=1) for start in engine.executor.starts)


async def test_at_start_everything_is_looked_at_also_what_is_not_due(dsn, pool):
    backfill = await make_backfill(pool, **ALL)
    await pool.execute("UPDATE backfills SET wake_at = $1", datetime(2200, 1, 1, tzinfo=UTC))
    async with engine_on(dsn, pool) as engine:
        await engine.until(backfill, "completed")


@pytest.mark.usefixtures("short_leases")
async def test_a_lease_of_ours_whose_taking_was_never_heard_of_is_taken_when_it_runs_out(dsn, pool):
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool) as engine:
        acquire, lost = engine.keeper.store.acquire, []

        async def loses_the_answer(number: int):
            grant = await acquire(number)
            if not lost:
                lost.append(grant)
                raise ConnectionResetError("the answer was lost")
            return grant

        engine.keeper.store.acquire = loses_the_answer
        other = await make_backfill(pool, **ALL)
        engine.scheduler.nudge()
        await engine.until(backfill, "completed")
        await engine.until(other, "completed", seconds=8)

    assert 1 == len(lost)


async def test_a_backfill_that_cannot_go_on_ends_failed_and_harms_no_other(dsn, pool):
    broken, fine = await make_backfill(pool, **ALL), await make_backfill(pool, **ALL)
    await change_settings(pool, broken, timezone="Mars/Olympus")
    async with engine_on(dsn, pool) as engine:
        failed = await engine.until(broken, "failed")
        await engine.until(fine, "completed")

    assert "Mars/Olympus" in failed.error["message"]
    assert 0 == await pool.fetchval("SELECT count(*) FROM leases WHERE NOT released")


async def test_no_lease_is_kept_for_a_backfill_that_could_not_be_ended(dsn, pool):
    broken = await make_backfill(pool, **ALL)
    await change_settings(pool, None, timezone="Mars/Olympus")
    async with engine_on(dsn, pool) as engine:
        move, failures = engine.tools.backfills.move, []

        async def fails_once(*args, **kw):
            if not failures:
                failures.append(args)
                raise ConnectionResetError("away")
            return await move(*args, **kw)

        object.__setattr__(engine.tools.backfills, "move", fails_once)
        await engine.until(broken, "failed", seconds=8)

    assert 1 == len(failures)


async def test_when_nothing_is_due_it_waits_for_the_first_that_will_be(dsn, pool):
    one, other = await make_backfill(pool, **ALL), await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool) as engine:
        await engine.until(one, "completed")
        await engine.until(other, "completed")
        due = datetime.now(UTC) + timedelta(hours=1)
        third = await make_backfill(pool, **ALL, start="when_approved")
        engine.scheduler.nudge()
        await engine.until(third, "paused")
        nothing = await engine.scheduler.tick()
        await pool.execute("UPDATE backfills SET status = 'waiting', wake_at = $2 WHERE number = $1", third.number, due)
        later = await engine.scheduler.tick()

    assert nothing is None
    assert due == later


async def test_a_deleted_backfill_is_let_go(dsn, pool):
    executor = ScriptedExecutor(slow)
    backfill = await make_backfill(pool, **ALL, max_in_flight=2)
    async with engine_on(dsn, pool, executor, ListSource(entities(500))) as engine:
        await eventually(lambda: len(executor.starts) > 10)
        await pool.execute("UPDATE backfills SET deleted_at = $1", datetime.now(UTC))
        engine.scheduler.hear(backfill.number)
        await is_left(engine, backfill)
        started = len(executor.starts)
        await asyncio.sleep(0.05)

    assert started == len(executor.starts) < 500


async def test_what_may_start_nothing_takes_no_part_of_what_is_shared(dsn, pool):
    gone = asyncio.Event()

    async def hangs(_: Work) -> Verdict:
        await gone.wait()
        return SUCCEEDED

    executor = ScriptedExecutor(hangs)
    backfill = await make_backfill(pool, **ALL, max_in_flight=2)
    async with engine_on(dsn, pool, executor) as engine:
        await eventually(lambda: executor.running == 2)
        running = engine.scheduler.running()
        await engine.stop_all()
        stopped = engine.scheduler.running()
        gone.set()

    assert [(backfill.number, executor.target)] == [(one.number, target) for one, target in running]
    assert [] == stopped
