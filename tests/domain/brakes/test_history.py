"""How a brake would have held, by the rules that it holds by now."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from backfilld.domain.brakes.history import Held, History, history_of, open_share, would_have_held
from backfilld.domain.brakes.settings import Rules, Thresholds
from backfilld.domain.windows.openings import Calendar
from backfilld.domain.windows.weekly import WeeklyWindows, parse_windows

NOON = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
RULES = Rules(thresholds=Thresholds(above=True, hold=10, release=5), release_after=1)
MINUTE = timedelta(minutes=1)


def at(minutes: int) -> datetime:
    return NOON + minutes * MINUTE


def test_it_would_have_held_from_the_first_bad_sample_to_the_first_good_one():
    samples = [(at(minute), value) for minute, value in enumerate([1, 11, 20, 1, 1, 12])]

    assert [Held(at(1), at(3)), Held(at(5), at(9))] == would_have_held(samples, RULES, at(9), MINUTE)


def test_where_samples_are_missing_looks_would_have_failed():
    samples = [(at(0), 1.0), (at(10), 1.0)]

    assert [Held(at(3), at(10))] == would_have_held(samples, RULES, at(11), MINUTE)


def test_of_several_windows_the_one_that_would_have_suffered_most_counts():
    windows, _, _ = parse_windows({"monday": [{"run_start_time": "12:00", "run_end_time": "12:05"}]}, "")
    utc = ZoneInfo("UTC")
    held = [Held(at(1), at(3)), Held(at(4), at(9))]
    short, always = Calendar(windows, utc), Calendar(WeeklyWindows.ALWAYS, utc)

    assert History(2, 420, 180, 20) == history_of(held, [1, 20], RULES, [short])
    assert 420 == history_of(held, [], RULES, [short, always]).in_windows_seconds
    assert None is history_of(held, [], RULES, []).in_windows_seconds


HOUR = timedelta(hours=1)


def held(*hours: tuple[float, float]) -> list[Held]:
    return [Held(NOON + begin * HOUR, NOON + end * HOUR) for begin, end in hours]


@pytest.mark.parametrize(("hours", "always", "at_night"), [
    ([], 1.0, 1.0),
    ([(-6, 0)], 0.75, 1.0),  # the night is from 22:00 to 06:00
    ([(-14, -10)], 20 / 24, 0.5),
    ([(-14, -10), (-12, -8)], 18 / 24, 0.25),  # two brakes at once held it once
    ([(-30, -25)], 1.0, 1.0),
    ([(-30, 5)], 0.0, 0.0),
])  # fmt: skip
def test_of_the_last_open_day_brakes_left_a_share(
    hours: list[tuple[float, float]], always: float, at_night: float
) -> None:
    days = ("sunday", "monday", "saturday")
    windows, _, _ = parse_windows({day: [{"run_start_time": "22:00", "run_end_time": "06:00"}] for day in days}, "")
    assert windows is not None
    nights = Calendar(windows, ZoneInfo("UTC"))

    assert (always, at_night) == (open_share(held(*hours), None, NOON), open_share(held(*hours), nights, NOON))


def test_the_last_open_day_may_be_days_ago() -> None:
    windows, _, _ = parse_windows({"friday": [{"run_start_time": "10:00", "run_end_time": "14:00"}]}, "")
    assert windows is not None
    fridays = Calendar(windows, ZoneInfo("UTC"))

    assert 0.75 == open_share(held((-73, -72)), fridays, NOON)
    assert 1.0 == open_share(held((-73, -72)), Calendar(WeeklyWindows.ALWAYS, ZoneInfo("UTC")), NOON)
