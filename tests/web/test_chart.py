"""What ended when, as bars."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import NOON, FakeClock

from backfilld.domain.backfills.open_rates import Point
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.view import BackfillView
from backfilld.store.connection.pool import Pool
from backfilld.web.pages.backfill.progress.chart import HEIGHT, MOST_BARS, WIDTH, ChartShown, chart_of
from backfilld.web.pages.backfill.progress.openings import openings_of

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NIGHTS = {day: [{"run_start_time": "22:00", "run_end_time": "06:00"}] for day in DAYS}


def points(minutes: int, *, every: int = 1, per_minute: int = 5) -> list[Point]:
    return [
        Point(NOON + timedelta(minutes=at), at * per_minute, at, 0, 0, 0, 0, Decimal(0), None)
        for at in range(0, minutes + 1, every)
    ]


async def view_of(pool: Pool, operations: BackfillOperations, **settings: Any) -> BackfillView:
    return await operations.get((await make_backfill(pool, **settings)).id)


def drawn(view: BackfillView, given: Sequence[Point]) -> ChartShown:
    shown = chart_of(view, given, given[-1].at)

    assert shown is not None
    return shown


@pytest.mark.parametrize("minutes", [5, 60, 240, 1_440, 20_000])
async def test_everything_that_ended_is_in_a_bar_and_bars_stay_few(
    pool: Pool, operations: BackfillOperations, minutes: int
) -> None:
    given = points(minutes, every=max(1, minutes // 1_000))
    shown = drawn(await view_of(pool, operations), given)

    assert given[-1].succeeded == sum(bar.counts[0] for bar in shown.bars)
    assert given[-1].failed == sum(bar.counts[2] for bar in shown.bars)
    assert len(shown.bars) <= MOST_BARS
    for bar in shown.bars:
        assert bar.x + bar.width <= WIDTH + 1
        assert all(0 <= piece.y and piece.y + piece.height <= HEIGHT for piece in bar.pieces)


async def test_closed_hours_are_left_out(pool: Pool, operations: BackfillOperations) -> None:
    view = await view_of(pool, operations, daily_execution_windows=NIGHTS)
    given = points(3 * 1_440, every=30)
    shown = drawn(view, given)

    assert shown.has_breaks
    assert 2 == len(shown.breaks)
    assert given[-1].succeeded == sum(bar.counts[0] for bar in shown.bars)


async def test_too_little_is_not_drawn(pool: Pool, operations: BackfillOperations) -> None:
    view = await view_of(pool, operations)

    assert chart_of(view, [], NOON) is None
    assert chart_of(view, points(1), NOON) is None
    still = [replace(one, succeeded=0, failed=0) for one in points(30)]
    assert chart_of(view, still, NOON) is None


async def test_minutes_in_which_it_was_held_up_are_told_below(pool: Pool, operations: BackfillOperations) -> None:
    held = [replace(points(12)[10], at=NOON + timedelta(minutes=at), reason_code="target_refuses") for at in (11, 12)]
    slowed = replace(held[0], at=NOON + timedelta(minutes=13), reason_code="rate_limited")
    shown = drawn(await view_of(pool, operations), [*points(10), *held, slowed])

    assert ["bad", "bad", "warn"] == [band.tone for band in shown.bands]
    assert "12:10–12:11: The target refused us" in shown.bands[0].title
    assert all(band.x + band.width <= WIDTH + 1 for band in shown.bands)


async def test_an_override_is_drawn_until_its_end(pool: Pool, operations: BackfillOperations, clock: FakeClock) -> None:
    backfill = await make_backfill(pool, daily_execution_windows=NIGHTS)
    until = clock.now() + timedelta(hours=14)
    await pool.execute("UPDATE backfills SET status = 'waiting', planned_at = $1, override_until = $2", NOON, until)
    shown = openings_of(await operations.get(backfill.id), clock.now())

    assert shown is not None
    assert 2 == len(shown.override)  # today, and after midnight
    assert sum(one.width for one in shown.override) == pytest.approx(14 / 24 * 480)


async def test_a_past_opening_holds_what_ended_in_it(
    pool: Pool, operations: BackfillOperations, clock: FakeClock
) -> None:
    """Monday from 01:00 to 03:00, and again from 06:00 on: noon of that day."""
    spans = [{"run_start_time": "01:00", "run_end_time": "03:00"}, {"run_start_time": "06:00", "run_end_time": "07:00"}]
    view = await view_of(pool, operations, daily_execution_windows={"monday": spans})
    went = [replace(point, at=point.at - timedelta(hours=11)) for point in points(60)]  # from 01:00 on
    shown = openings_of(view, clock.now(), went)
    assert shown is not None
    first, second = [block for day in shown.days if day.today for block in day.blocks]

    assert f"{went[-1].succeeded + went[-1].failed + went[-1].skipped - _processed_first(went)}" == first.count
    assert "ended in this part of it" in first.title
    assert "0" == second.count
    assert not any(block.count for day in shown.days if not day.today for block in day.blocks)


async def test_past_openings_say_that_windows_were_others_once(
    pool: Pool, operations: BackfillOperations, clock: FakeClock
) -> None:
    spans = [{"run_start_time": "01:00", "run_end_time": "03:00"}]
    view = await view_of(pool, operations, daily_execution_windows={"monday": spans})
    same, changed = openings_of(view, clock.now()), openings_of(view, clock.now(), changed=True)

    assert same is not None
    assert changed is not None
    assert ("", ", past ones as its windows are now") == (same.note, changed.note)


def _processed_first(went: Sequence[Point]) -> int:
    return went[0].succeeded + went[0].failed + went[0].skipped
