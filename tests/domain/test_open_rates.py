"""How fast a backfill is while it may work: closed hours and minutes in which it was held are no measure."""

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.domain.test_holding import NOON, calendar

from backfilld.domain.backfills.open_rates import Point, open_rate

MINUTE = timedelta(minutes=1)


def point(minutes: float, ended: int, code: str | None = None) -> Point:
    return Point(NOON + minutes * MINUTE, ended, 0, 0, 0, 0, 0, Decimal(0), code)


def newest_first(*points: Point) -> list[Point]:
    return sorted(points, key=lambda one: one.at, reverse=True)


def test_it_is_what_ended_in_a_minute_of_the_last_hour():
    points = newest_first(*(point(minute, minute * 4) for minute in range(100)))
    rate = open_rate(points, None, since=NOON)

    assert (4.0, 60.0, 4.0, 4.0, True) == (rate.per_minute, rate.minutes, rate.slow, rate.fast, rate.has_range)


def test_closed_hours_do_not_count():
    """Open 07:00 to 07:10 and 09:00 to 09:10 in the zone, with points at both ends of each."""
    windows = calendar(monday=[("07:00", "07:10"), ("09:00", "09:10")])
    points = newest_first(point(0, 0), point(10, 100), point(120, 100), point(130, 160))
    rate = open_rate(points, windows, since=NOON)

    assert (8.0, 20.0) == (rate.per_minute, rate.minutes)


@pytest.mark.parametrize("code", ["paused_by_user", "target_unreachable", "stopped_by_operator"])
def test_minutes_in_which_it_was_held_do_not_count(code: str):
    points = newest_first(point(0, 0), point(10, 100, code), point(40, 100), point(50, 200))

    assert 10.0 == open_rate(points, None, since=NOON).per_minute


def test_a_slow_minute_without_a_reason_counts():
    points = newest_first(point(0, 0), point(10, 100), point(20, 100))

    assert 5.0 == open_rate(points, None, since=NOON).per_minute


def test_what_planning_skipped_was_not_worked_on():
    points = newest_first(point(-1, 0), point(0, 5_000), point(1, 5_004))

    assert 4.0 == open_rate(points, None, since=NOON).per_minute


def test_a_time_that_nobody_looked_at_does_not_count():
    points = newest_first(point(0, 0), point(600, 1), point(610, 101))

    assert 10.0 == open_rate(points, None, since=NOON).per_minute


def test_a_quarter_of_the_minutes_was_slower_and_a_quarter_faster():
    ended, points = 0, [point(0, 0)]
    for minute in range(1, 41):
        ended += 2 if minute <= 12 else 20 if minute >= 29 else 10
        points.append(point(minute, ended))
    rate = open_rate(newest_first(*points), None, since=NOON)

    assert (2.0, 20.0, True) == (rate.slow, rate.fast, rate.has_range)


def test_of_less_than_half_an_hour_there_is_no_range():
    assert not open_rate(newest_first(*(point(m, m) for m in range(30))), None, since=NOON).has_range
    assert open_rate(newest_first(*(point(m, m) for m in range(31))), None, since=NOON).has_range


@pytest.mark.parametrize("points", [[], [point(0, 0)], [point(1, 0, "paused_by_user"), point(0, 0, "paused_by_user")]])
def test_without_an_open_minute_no_rate_is_known(points: list[Point]):
    assert open_rate(points, None, since=NOON) is None


def test_the_last_hour_is_told_in_twelve_parts():
    rate = open_rate(newest_first(*(point(minute, minute * 4) for minute in range(100))), None, since=NOON)
    young = open_rate(newest_first(point(0, 0), point(7, 30), point(12, 31)), None, since=NOON)

    assert (20,) * 12 == rate.last_hour
    assert (0,) * 10 + (30, 1) == young.last_hour
