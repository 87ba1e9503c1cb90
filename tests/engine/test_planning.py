"""Planning in a running engine: waited for, paused, cancelled, closed outside windows, and what it says meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.engine.parts import MONDAY_NOON_TO_ONE
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, SteppedClock, engine_on, entities
from tests.support.waiting import eventually

from backfilld.engine.backfills.planning.step import Planning
from backfilld.sources.base import EntityQuery

ALL = {"filter_resolved": {"match_all": True}}


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    monkeypatch.setattr("backfilld.engine.backfills.planning.plan_walk.PAGE", 10)


class Gated(ListSource):
    """Gives a page whenever it is told to."""

    def __init__(self, count: int = 50) -> None:
        super().__init__(entities(count))
        self.may = asyncio.Semaphore(0)

    def give(self, pages: int) -> None:
        for _ in range(pages):
            self.may.release()

    async def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int):
        async for page in super().pages(query, cursor=cursor, page_size=page_size):
            await self.may.acquire()
            yield page


class Careful(Gated):
    """May be read in windows alone."""

    plans_outside_windows = False
    plans_early = False
    freshness_seconds = None


async def planned(pool) -> int:
    return await pool.fetchval("SELECT planned FROM backfill_progress")


async def reason(engine, backfill):
    return (await engine.tools.backfills.get(backfill.id)).reason


async def test_a_source_that_is_down_is_told_and_waited_for(dsn, pool, monkeypatch):
    monkeypatch.setattr("backfilld.engine.backfills.planning.step.FIRST_PAUSE_SECONDS", 1.1)  # worth telling at once
    source = ListSource(entities(50))
    source.is_down = True
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, source=source) as engine:
        found = await eventually(lambda: reason(engine, backfill))
        source.is_down = False
        await engine.until(backfill, "completed")

    assert "source_unreachable" == found.code
    assert "gone fishing" in found.message
    assert {"succeeded": 50} == await engine.outcomes(backfill)


async def test_a_source_that_is_back_is_no_reason_any_more_though_planning_goes_on(dsn, pool, monkeypatch):
    monkeypatch.setattr("backfilld.engine.backfills.planning.step.FIRST_PAUSE_SECONDS", 1.1)  # worth telling at once
    source = Gated()
    source.is_down = True
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, source=source) as engine:
        await eventually(lambda: reason(engine, backfill))
        source.is_down = False
        source.give(2)
        await eventually(lambda: planned(pool))
        row = await engine.tools.backfills.get(backfill.id)
        source.give(9)
        await engine.until(backfill, "completed")

    assert ("planning", None) == (row.status, row.reason)


@pytest.mark.parametrize("wish", ["pause", "cancel", "stop"])
async def test_nobody_waits_for_the_end_of_a_pause_of_the_planner(dsn, pool, monkeypatch, wish: str):
    monkeypatch.setattr("backfilld.engine.backfills.planning.step.FIRST_PAUSE_SECONDS", 3600.0)
    source = ListSource(entities(50))
    source.is_down = True
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, source=source) as engine:
        await eventually(lambda: reason(engine, backfill))
        if wish == "pause":
            await engine.pause(backfill)
            await eventually(lambda: engine.scheduler.runner(backfill.number) is None, seconds=8)
        elif wish == "cancel":
            await engine.cancel(backfill)
            await engine.until(backfill, "cancelled", seconds=8)
        else:
            async with asyncio.timeout(8):
                await engine.scheduler.drain(10)


@pytest.mark.parametrize("wish", ["pause", "cancel", "stop"])
async def test_nobody_waits_for_a_source_that_never_answers(dsn, pool, wish: str):
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, source=Gated()) as engine:
        await eventually(lambda: engine.source.pages_read)
        if wish == "pause":
            await engine.pause(backfill)
            await eventually(lambda: engine.scheduler.runner(backfill.number) is None, seconds=8)
        elif wish == "cancel":
            await engine.cancel(backfill)
            await engine.until(backfill, "cancelled", seconds=8)
        else:
            async with asyncio.timeout(8):
                await engine.scheduler.drain(10)


async def test_paused_while_planning_it_goes_on_where_it_was(dsn, pool):
    source = Gated()
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, source=source) as engine:
        source.give(2)
        await eventually(lambda: planned(pool))
        await engine.pause(backfill)
        source.give(1)
        await eventually(lambda: engine.scheduler.runner(backfill.number) is None)
        before = await planned(pool)
        row = await engine.tools.backfills.get(backfill.id)
        source.give(9)
        await engine._steer(backfill, "planning")
        await engine.until(backfill, "completed")

    assert ("paused", None) == (row.status, row.planned_at)
    assert 0 < before < 50
    assert 50 == await planned(pool) == len({start.entity_id for start in engine.executor.starts})


@pytest.mark.parametrize("order", ["source", "newest_first"])
async def test_cancelled_while_planning_nothing_starts_and_what_was_planned_is_accounted_for(dsn, pool, order: str):
    source = Gated()
    backfill = await make_backfill(pool, **ALL, order=order)
    async with engine_on(dsn, pool, source=source) as engine:
        source.give(2)
        cursor = "SELECT source_cursor IS NOT NULL FROM backfills"
        await eventually(lambda: pool.fetchval(cursor))
        await engine.cancel(backfill)
        source.give(1)
        await engine.until(backfill, "cancelled")
        progress = await engine.progress(backfill)

    assert [] == engine.executor.starts
    assert progress.planned == progress.cancelled
    assert progress.planned == (await engine.outcomes(backfill)).get("cancelled", 0)


async def test_a_source_that_is_to_be_read_in_windows_alone_is_not_read_outside(dsn, pool):
    source, clock = Careful(), SteppedClock(datetime(2027, 3, 1, 11, 0, tzinfo=UTC))
    source.give(99)
    backfill = await make_backfill(pool, **ALL, daily_execution_windows=MONDAY_NOON_TO_ONE)
    async with engine_on(dsn, pool, source=source, clock=clock) as engine:
        found = await eventually(lambda: reason(engine, backfill))
        read = source.pages_read
        clock.set(datetime(2027, 3, 1, 12, 0, tzinfo=UTC))
        engine.scheduler.nudge()
        await engine.until(backfill, "completed")

    assert ("outside_window", datetime(2027, 3, 1, 12, tzinfo=UTC)) == (found.code, found.until)
    assert 0 == read


async def test_a_window_that_closes_while_such_a_source_is_read_interrupts_the_planning(dsn, pool):
    source, clock = Careful(), SteppedClock(datetime(2027, 3, 1, 12, 30, tzinfo=UTC))
    backfill = await make_backfill(pool, **ALL, daily_execution_windows=MONDAY_NOON_TO_ONE)
    async with engine_on(dsn, pool, source=source, clock=clock) as engine:
        source.give(2)
        await eventually(lambda: planned(pool))
        clock.set(datetime(2027, 3, 1, 13, 0, tzinfo=UTC))
        source.give(1)
        found = await eventually(lambda: reason(engine, backfill))
        before = await planned(pool)
        clock.set(datetime(2027, 3, 8, 12, 0, tzinfo=UTC))
        source.give(9)
        engine.scheduler.nudge()
        await engine.until(backfill, "completed")

    assert ("outside_window", datetime(2027, 3, 8, 12, tzinfo=UTC)) == (found.code, found.until)
    assert before < 50
    assert 50 == await planned(pool)


async def test_a_plan_that_froze_though_the_answer_was_lost_is_not_frozen_twice(dsn, pool, monkeypatch):
    backfill = await make_backfill(pool, **ALL, order="newest_first", sample_size=4)
    freeze_once, calls = Planning._freeze_once, []

    async def loses_the_answer(planning: Planning):
        totals = await freeze_once(planning)
        calls.append(totals)
        if len(calls) == 1:
            raise ConnectionResetError("the answer was lost")
        return totals

    monkeypatch.setattr(Planning, "_freeze_once", loses_the_answer)
    async with engine_on(dsn, pool, source=ListSource(entities(40))) as engine:
        await engine.until(backfill, "paused")
        progress = await engine.progress(backfill)
        sample = await pool.fetchval("SELECT count(*) FROM sample_items")

    assert (40, 4, 4) == (progress.planned, progress.succeeded, sample)


@pytest.mark.parametrize("ends", ["released", "vanished"])
async def test_the_next_owner_plans_on_from_where_the_last_one_was(dsn, pool, ends: str):
    source = Gated()
    backfill = await make_backfill(pool, **ALL, order="newest_first")
    async with engine_on(dsn, pool, source=source) as engine:
        source.give(3)
        await eventually(lambda: pool.fetchval("SELECT count(*) FROM plan_drafts"))
        if ends == "vanished":
            async with engine_on(dsn, pool, source=source) as other:

                async def taken() -> object:
                    """Whoever had it first renews it meanwhile."""
                    past = engine.clock.now() - timedelta(seconds=1)
                    await pool.execute("UPDATE leases SET expires_at = $1 WHERE fence = 1", past)
                    other.scheduler.nudge()
                    return other.scheduler.runner(backfill.number)

                await eventually(taken)
                source.give(9)
                await other.until(backfill, "completed")
    if ends == "released":
        source.give(9)
        async with engine_on(dsn, pool, source=source) as other:
            await other.until(backfill, "completed")

    assert 50 == await planned(pool) == await pool.fetchval("SELECT count(DISTINCT entity_id) FROM plan_items")
    assert 50 == len({start.entity_id for start in [*engine.executor.starts, *other.executor.starts]})


class Frozen(ListSource):
    """Cannot be read again: the plan holds what was sent."""

    can_be_read_again = False


NOT_TO_BE_JUDGED = "e000003"
NAMED = {"entity_ids": [f"e{n:06}" for n in range(5)]}


@pytest.mark.parametrize("kind", [ListSource, Frozen])
async def test_an_entity_that_the_filter_cannot_judge_is_left_out_by_name_and_costs_no_other(
    dsn, pool, monkeypatch, kind: type[ListSource]
):
    def cannot_judge_one(_):
        def matches(record):
            if record["n"] == 3:
                raise OverflowError("date value out of range")
            return record["n"] < 6

        return matches

    monkeypatch.setattr("backfilld.engine.backfills.planning.plan_walk.compile_predicate", cannot_judge_one)
    ways = [{"order": order, **named} for order in ("source", "newest_first") for named in ({}, NAMED)]
    backfills = [await make_backfill(pool, **ALL, **way) for way in ways]
    source = kind(entities(10))
    async with engine_on(dsn, pool, source=source) as engine:
        for backfill in backfills:
            await engine.until(backfill, "completed")
        outcomes = [await engine.outcomes(backfill) for backfill in backfills]
    left_out = await pool.fetch(
        "SELECT backfill_number, entity_id FROM outcomes JOIN plan_items USING (backfill_number, position)"
        " WHERE skip_reason = 'internal' ORDER BY backfill_number"
    )

    assert [{"succeeded": 4 if "entity_ids" in way else 5, "skipped": 1} for way in ways] == outcomes
    assert [(backfill.number, NOT_TO_BE_JUDGED) for backfill in backfills] == [tuple(row) for row in left_out]
