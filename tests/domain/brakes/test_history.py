"""How a brake would have held, by the rules that it holds by now."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from backfilld.domain.brakes.history import Held, History, history_of, would_have_held
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
