"""The wall clock is stepped, or the machine sleeps: windows follow it, and nothing that has to be waited for grows."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.engine.parts import MONDAY_NOON_TO_ONE
from tests.support.attempts import all_ended, make_attempts
from tests.support.backfills import make_backfill
from tests.support.clock import FakeClock
from tests.support.engine import Engine, ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.retries import Backoff
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.executors.base import Work

ALL = {"filter_resolved": {"match_all": True}}
NO_SUCCESS = Verdict(VerdictKind.TRY_AGAIN, error_class="http_500")


def at_the_second(work: Work) -> Verdict:
    return NO_SUCCESS if work.attempt == 1 else SUCCEEDED


def waiting_for(seconds: float) -> Backoff:
    wait = timedelta(seconds=seconds)
    return Backoff(base=wait, cap=wait, floor=wait)


@pytest.mark.parametrize(
    ("wait_seconds", "hours"),
    [(0.5, 9), (3.0, -9), *(pytest.param(*other, marks=pytest.mark.slow) for other in ((0.5, -9), (3.0, 9)))],
)
async def test_a_stepped_clock_does_not_stretch_the_wait_for_a_retry(dsn, pool, hours: int, wait_seconds: float):
    clock = SteppedClock()
    backfill = await make_backfill(pool, **ALL)
    executor = ScriptedExecutor(at_the_second)
    backoff = waiting_for(wait_seconds)
    async with engine_on(dsn, pool, executor, ListSource(entities(3)), clock=clock, backoff=backoff) as engine:
        await engine.until(backfill, "waiting", retrying=3)
        if wait_seconds > 2:
            await eventually(lambda: engine.scheduler.runner(backfill.number) is None)
        clock.offset += timedelta(hours=hours)
        engine.scheduler.nudge()  # as happens each minute by itself
        await engine.until(backfill, "completed", seconds=wait_seconds + 5)

    assert {"succeeded": 3} == await engine.outcomes(backfill)


HELD = Verdict(VerdictKind.REFUSED, error_class="http_401", error="HTTP 401", http_status=401)


@pytest.mark.parametrize("verdict", [NO_SUCCESS, HELD], ids=["to-be-tried-again", "held-for-its-target"])
@pytest.mark.parametrize("minutes", [-2, -30], ids=str)
async def test_a_clock_that_is_set_back_does_not_stretch_the_wait_of_an_attempt(
    dsn, pool, clock: FakeClock, minutes: int, verdict: Verdict
):
    (id,) = await make_attempts(pool)
    executor = ScriptedExecutor(lambda _: verdict)
    engine = Engine(dsn, pool, pool, executor, ListSource(), clock=clock, backoff=waiting_for(50))

    async def waits_for() -> timedelta | None:
        at = await pool.fetchval("SELECT next_attempt_at FROM attempts WHERE id = $1", id)
        return at and at - clock.now()

    await engine.live.tick()
    meant = await eventually(waits_for)
    clock.set(clock.now() + timedelta(minutes=minutes))
    looks_at = await engine.live.tick()  # all that waits is looked at once a second
    await clock.advance(looks_at - clock.now())
    wake_at = await engine.live.tick()
    still = await waits_for()
    await clock.advance(meant)
    executor.script = lambda _: SUCCEEDED
    await engine.live.tick()
    (attempt,) = await all_ended(pool, [id])

    assert meant == still == wake_at - clock.now() + meant
    assert "success" == attempt.status


async def test_a_machine_that_slept_for_a_day_starts_nothing_outside_the_window_and_goes_on_in_the_next(dsn, pool):
    noon = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)  # a Monday
    clock, executor = SteppedClock(noon), ScriptedExecutor(slowly)
    backfill = await make_backfill(pool, **ALL, daily_execution_windows=MONDAY_NOON_TO_ONE, max_in_flight=2)
    async with engine_on(dsn, pool, executor, ListSource(entities(150)), clock=clock) as engine:
        await eventually(lambda: len(executor.starts) > 20)
        clock.suspend(timedelta(days=1))
        asleep_from = len(executor.starts)
        await eventually(lambda: engine.scheduler.runner(backfill.number) is None)
        waiting = await engine.tools.backfills.get(backfill.id)
        clock.suspend(timedelta(days=6))
        engine.scheduler.nudge()
        await engine.until(backfill, "completed")

    since_noon = [(start.at - noon) % timedelta(weeks=1) for start in executor.starts]
    assert ("waiting", "outside_window") == (waiting.status, waiting.reason.code)
    assert noon + timedelta(weeks=1) == waiting.reason.until
    assert [] == [after for after in since_noon if after >= timedelta(hours=1)]
    assert 20 < asleep_from < 150 == len(executor.starts)


async def test_a_lease_is_not_trusted_after_the_machine_slept(dsn, pool):
    clock, executor = SteppedClock(), ScriptedExecutor(slowly)
    backfill = await make_backfill(pool, **ALL, max_in_flight=2)
    async with engine_on(dsn, pool, executor, ListSource(entities(200)), clock=clock) as engine:
        await eventually(lambda: len(executor.starts) > 20)
        gate = engine.scheduler.runner(backfill.number).gate
        clock.suspend(timedelta(seconds=2))
        refused = gate.refusal(clock.now())
        await engine.until(backfill, "completed")

    assert refused is not None
    assert {"succeeded": 200} == await engine.outcomes(backfill)


@pytest.mark.parametrize("hours", [-30, pytest.param(30, marks=pytest.mark.slow)])
async def test_a_clock_that_steps_to_and_fro_in_the_middle_of_the_work_disturbs_nothing(dsn, pool, hours: int):
    clock, executor = SteppedClock(), ScriptedExecutor(slowly)
    backfill = await make_backfill(pool, **ALL, max_in_flight=4)
    async with engine_on(dsn, pool, executor, ListSource(entities(300)), clock=clock) as engine:
        for step in (hours, -hours, hours):
            started = len(executor.starts)
            clock.offset += timedelta(hours=step)
            engine.scheduler.nudge()
            await eventually(lambda: len(executor.starts) > started + 20)  # noqa: B023 - used at once
        await engine.until(backfill, "completed")

    assert {"succeeded": 300} == await engine.outcomes(backfill)
    assert 300 == len(executor.starts)
    assert 4 == executor.most_running


async def slowly(_: Work) -> Verdict:
    await asyncio.sleep(0.01)
    return SUCCEEDED


async def planned(engine, pool, status: str):
    """A backfill that nobody runs, put into that status by a clock that is a day ahead."""
    backfill = await make_backfill(pool, **ALL, start="when_approved")
    engine.scheduler.nudge()
    await engine.until(backfill, "paused")
    await eventually(lambda: engine.scheduler.runner(backfill.number) is None)
    tomorrow = engine.clock.now() + timedelta(days=1)
    await pool.execute("UPDATE backfills SET status = $1, reason_code = NULL, reason_since = NULL,"
                       " reason_message = NULL, wake_at = $2", status, tomorrow)  # fmt: skip
    return backfill


@pytest.mark.parametrize("status", ["cancelling", "running"])
async def test_what_a_clock_that_was_ahead_wrote_down_is_not_waited_for(dsn, pool, status: str):
    async with engine_on(dsn, pool, source=ListSource(entities(3))) as engine:
        backfill = await planned(engine, pool, status)
        engine.scheduler.nudge()
        await engine.until(backfill, "cancelled", "completed", seconds=5)


async def test_after_a_step_what_cannot_be_taken_is_looked_at_when_it_can(dsn, pool):
    clock = SteppedClock()
    async with engine_on(dsn, pool, source=ListSource(entities(3)), clock=clock) as engine:
        backfill = await planned(engine, pool, "waiting")
        acquire, refused = engine.keeper.store.acquire, []

        async def somebody_has_it(number: int) -> None:
            refused.append(number)

        engine.keeper.store.acquire = somebody_has_it
        clock.offset -= timedelta(hours=1)
        engine.scheduler.nudge()
        await eventually(lambda: refused)
        engine.keeper.store.acquire = acquire
        await engine.until(backfill, "completed", seconds=5)
