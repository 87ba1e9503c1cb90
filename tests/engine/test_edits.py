"""Settings that are changed on the way: every start after the answer obeys them, whoever runs the backfill."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.backfill_api import make_operations
from tests.support.backfills import ALWAYS, make_backfill
from tests.support.engine import Engine, ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.schedules import ANNA
from tests.support.waiting import eventually

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.retries import Backoff
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.backfills.context import Limits
from backfilld.engine.backfills.running.takeover import Takeover
from backfilld.executors.base import Work
from backfilld.operations.backfills.check import Checked
from backfilld.operations.steering.edit import Change
from backfilld.sources.base import EntityQuery, Page

ALL = {"filter_resolved": {"match_all": True}}
NOON = datetime(2027, 3, 1, 12, 5, tzinfo=UTC)  # a Monday
AFTERNOON = {"monday": [{"run_start_time": "15:00", "run_end_time": "16:00"}]}
HTTP_500 = Verdict(VerdictKind.TRY_AGAIN, error_class="http_500", error="broken", http_status=500)


async def edit(engine: Engine, backfill: Backfill, **values: Any) -> None:
    operations = make_operations(engine.pool, engine.clock, engine.control)  # type: ignore[arg-type]
    await operations.editor.edit(ANNA, backfill.id, Change(values, Checked(ZoneInfo("UTC"))))


class Held:
    """A target that answers when it is told to."""

    def __init__(self) -> None:
        self.answers = asyncio.Semaphore(0)
        self.executor = ScriptedExecutor(self._answer)

    async def _answer(self, _: Work) -> Verdict:
        await self.answers.acquire()
        return SUCCEEDED

    def answer(self, times: int) -> None:
        for _ in range(times):
            self.answers.release()

    async def settles_at(self, running: int, starts: int) -> bool:
        executor = self.executor
        await eventually(lambda: (executor.running, len(executor.starts)) == (running, starts))
        await asyncio.sleep(0.03)
        return (executor.running, len(executor.starts)) == (running, starts)


async def test_nothing_starts_until_less_than_the_new_limit_is_in_flight(dsn, pool):
    held = Held()
    backfill = await make_backfill(pool, **ALL, max_in_flight=5)
    async with engine_on(dsn, pool, held.executor) as engine:
        await held.settles_at(5, 5)
        await edit(engine, backfill, max_in_flight=2)
        held.answer(3)
        lowered = await held.settles_at(2, 5)
        held.answer(1)
        refilled = await held.settles_at(2, 6)
        held.answer(100)
        await engine.until(backfill, "completed")

    assert lowered
    assert refilled


async def test_a_higher_limit_is_filled_while_all_slots_are_taken(dsn, pool):
    held = Held()
    backfill = await make_backfill(pool, **ALL, max_in_flight=2)
    async with engine_on(dsn, pool, held.executor) as engine:
        await held.settles_at(2, 2)
        await edit(engine, backfill, max_in_flight=6)
        raised = await held.settles_at(6, 6)
        held.answer(100)
        await engine.until(backfill, "completed")

    assert raised
    assert 6 == held.executor.most_running


class Unlisted(ListSource):
    """Lists nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__(entities(50))
        self.goes_on = asyncio.Event()

    async def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int) -> AsyncIterator[Page]:
        await self.goes_on.wait()
        async for page in super().pages(query, cursor=cursor, page_size=page_size):
            yield page


@pytest.mark.parametrize("limit", [1, 20])
async def test_a_limit_that_is_changed_while_it_is_planned_is_filled_and_bounds_what_may_be_unrecorded(
    dsn, pool, limit: int
):
    held, source = Held(), Unlisted()
    backfill = await make_backfill(pool, **ALL, max_in_flight=5)
    async with engine_on(dsn, pool, held.executor, source, limits=Limits(max_unrecorded=10, ramp_seconds=0)) as engine:
        await eventually(lambda: engine.keeper.held)
        await edit(engine, backfill, max_in_flight=limit)
        source.goes_on.set()
        filled = await held.settles_at(limit, limit)
        most = engine.keeper.find(backfill.number).hand_out.most
        held.answer(100)
        await engine.until(backfill, "completed")

    assert filled
    assert 10 + limit == most


async def test_so_is_one_that_is_changed_in_the_moment_before_the_first_start(dsn, pool, monkeypatch):
    held, real = Held(), Takeover.open

    async def open_while_it_is_changed(takeover: Takeover, max_in_flight: int) -> Any:
        found = await real(takeover, max_in_flight)
        await edit(engine, backfill, max_in_flight=20)
        return found

    monkeypatch.setattr(Takeover, "open", open_while_it_is_changed)
    limits = Limits(max_unrecorded=10, ramp_seconds=0)
    async with engine_on(dsn, pool, held.executor, ListSource(entities(50)), limits=limits) as engine:
        backfill = await make_backfill(pool, **ALL, max_in_flight=5)
        engine.scheduler.nudge()
        filled = await held.settles_at(20, 20)
        most = engine.keeper.find(backfill.number).hand_out.most
        held.answer(100)
        await engine.until(backfill, "completed")

    assert filled
    assert 30 == most


async def test_the_limit_is_obeyed_by_the_daemon_that_owns_the_backfill(dsn, pool):
    held, source = Held(), ListSource(entities(50))
    backfill = await make_backfill(pool, **ALL, max_in_flight=5)
    async with engine_on(dsn, pool, held.executor, source):
        await held.settles_at(5, 5)
        async with engine_on(dsn, pool, ScriptedExecutor(), source) as other:
            await edit(other, backfill, max_in_flight=1)
            held.answer(4)
            lowered = await held.settles_at(1, 5)
            held.answer(100)
            await other.until(backfill, "completed")

    assert lowered
    assert [] == other.executor.starts


async def test_windows_that_close_by_a_change_drain_and_others_open_again(dsn, pool):
    held, clock = Held(), SteppedClock(NOON)
    backfill = await make_backfill(pool, **ALL, max_in_flight=3, created_at=NOON)
    async with engine_on(dsn, pool, held.executor, clock=clock) as engine:
        await held.settles_at(3, 3)
        await edit(engine, backfill, daily_execution_windows=AFTERNOON)
        held.answer(3)
        closed = await held.settles_at(0, 3)
        row = await engine.until(backfill, "waiting")
        await edit(engine, backfill, daily_execution_windows=ALWAYS)
        opened = await held.settles_at(3, 6)
        held.answer(100)
        await engine.until(backfill, "completed")

    assert closed
    assert (ReasonCode.OUTSIDE_WINDOW, NOON.replace(hour=15, minute=0)) == (row.reason.code, row.reason.until)
    assert opened


async def test_a_zone_in_which_it_is_open_starts_what_waited(dsn, pool):
    clock = SteppedClock(NOON)
    backfill = await make_backfill(pool, **ALL, daily_execution_windows=AFTERNOON, created_at=NOON)
    async with engine_on(dsn, pool, clock=clock) as engine:
        await engine.until(backfill, "waiting")
        await edit(engine, backfill, timezone="Etc/GMT-3")  # three hours east
        await engine.until(backfill, "completed")

    assert 50 == len(engine.executor.starts)


async def test_items_that_wait_with_too_many_tries_end_with_their_last_error_when_due(dsn, pool):
    backoff = Backoff(base=timedelta(hours=1), cap=timedelta(hours=1), floor=timedelta(minutes=50))
    clock = SteppedClock(NOON)
    backfill = await make_backfill(pool, **ALL, max_attempts=5, created_at=NOON)
    async with engine_on(dsn, pool, ScriptedExecutor(lambda _: HTTP_500), ListSource(entities(3)), clock=clock,
                         backoff=backoff) as engine:  # fmt: skip
        for tried in (1, 2):
            await eventually(lambda n=3 * tried: len(engine.executor.starts) == n)
            await engine.until(backfill, "waiting")
            if tried == 1:
                clock.offset += timedelta(hours=2)
                engine.scheduler.nudge()
        await edit(engine, backfill, max_attempts=2)
        waiting = await engine.outcomes(backfill)
        clock.offset += timedelta(hours=2)
        engine.scheduler.nudge()
        await engine.until(backfill, "completed_with_failures")
        outcomes = await pool.fetch("SELECT attempts, error_class, error, http_status FROM outcomes")
        progress = await engine.progress(backfill)

    assert {} == waiting
    assert 6 == len(engine.executor.starts)
    assert [(2, "http_500", "broken", 500)] * 3 == [tuple(row) for row in outcomes]
    assert (3, 0) == (progress.failed, progress.retrying)


async def test_more_tries_are_for_those_that_have_not_ended(dsn, pool):
    held = asyncio.Event()

    async def script(work: Work) -> Verdict:
        if work.entity_id == "e000001":
            await held.wait()
        return HTTP_500

    backfill = await make_backfill(pool, **ALL, max_attempts=1)
    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(3))) as engine:
        await engine.until(backfill, failed=2)
        await edit(engine, backfill, max_attempts=3)
        held.set()
        await engine.until(backfill, "completed_with_failures")

    assert {"e000000": 1, "e000001": 3, "e000002": 1} == Counter(one.entity_id for one in engine.executor.starts)


async def test_an_override_runs_outside_the_windows_and_ends_by_itself(dsn, pool):
    held, clock = Held(), SteppedClock(NOON)
    backfill = await make_backfill(pool, **ALL, daily_execution_windows=AFTERNOON, max_in_flight=3, created_at=NOON)
    async with engine_on(dsn, pool, held.executor, clock=clock) as engine:
        await engine.until(backfill, "waiting")
        operations = make_operations(pool, clock, engine.control)  # type: ignore[arg-type]
        await operations.overriding.override(ANNA, backfill.id, clock.now() + timedelta(hours=1))
        opened = await held.settles_at(3, 3)
        clock.offset += timedelta(hours=1)
        held.answer(3)
        closed = await held.settles_at(0, 3)
        await engine.until(backfill, "waiting")
        await operations.overriding.override(ANNA, backfill.id, clock.now() + timedelta(hours=1))
        again = await held.settles_at(3, 6)
        await operations.overriding.end(ANNA, backfill.id)
        held.answer(3)
        taken_back = await held.settles_at(0, 6)

    assert (True, True, True, True) == (opened, closed, again, taken_back)


@pytest.mark.parametrize(
    ("is_owned", "how"),
    [
        *((True, how) for how in ("override", "windows", "zone")),
        (False, "override"),
        *(pytest.param(False, how, marks=pytest.mark.slow) for how in ("windows", "zone")),
    ],
)
async def test_windows_that_somebody_opens_fill_the_slots_over_the_ramp_of_any_opening(
    dsn, pool, how: str, is_owned: bool
):
    """The ramp is an hour long, so one slot of ten is what there is at its beginning."""
    held, clock = Held(), SteppedClock(NOON)
    in_sight = {"monday": [{"run_start_time": "12:05:30", "run_end_time": "12:06"}, *AFTERNOON["monday"]]}
    windows = in_sight if is_owned else AFTERNOON  # what opens within a minute is not let go of
    backfill = await make_backfill(pool, **ALL, daily_execution_windows=windows, max_in_flight=10, created_at=NOON)
    async with engine_on(dsn, pool, held.executor, clock=clock, limits=Limits(ramp_seconds=3_600)) as engine:
        await engine.until(backfill, "waiting")
        if how == "override":
            operations = make_operations(pool, clock, engine.control)  # type: ignore[arg-type]
            await operations.overriding.override(ANNA, backfill.id, clock.now() + timedelta(hours=1))
        elif how == "windows":
            await edit(engine, backfill, daily_execution_windows=ALWAYS)
        else:
            await edit(engine, backfill, timezone="Etc/GMT-3")  # three hours east
        opened = await held.settles_at(1, 1)
        held.answer(100)

    assert opened


async def test_an_override_opens_the_windows_alone(dsn, pool):
    clock = SteppedClock(NOON)
    backfill = await make_backfill(pool, **ALL, daily_execution_windows=AFTERNOON, created_at=NOON)
    async with engine_on(dsn, pool, clock=clock) as engine:
        await engine.until(backfill, "waiting")
        await engine.stop_all()
        operations = make_operations(pool, clock, engine.control)  # type: ignore[arg-type]
        await operations.overriding.override(ANNA, backfill.id, clock.now() + timedelta(hours=1))
        await asyncio.sleep(0.1)
        stopped = list(engine.executor.starts)
        await engine.start_all()
        await engine.until(backfill, "completed")

    assert [] == stopped
