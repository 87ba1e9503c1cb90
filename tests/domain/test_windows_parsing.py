"""What a caller may write as windows, and what is answered to the rest."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.domain.window_strategies import requests
from tests.support.examples import examples

from backfilld.domain.windows.weekly import WEEKDAYS, WeeklyWindows, parse_windows


def window(start: object, end: object) -> dict[str, object]:
    return {"run_start_time": start, "run_end_time": end}


def faults_of(value: object) -> list[tuple[str, str]]:
    windows, faults, warnings = parse_windows(value, "/w")

    assert (None, []) == (windows, warnings)
    return [(fault.path, fault.code) for fault in faults]


def effective(**days: list[tuple[str, str]]) -> dict[str, list[dict[str, object]]]:
    return {day: [window(*times) for times in days.get(day, [])] for day in WEEKDAYS}


def read(**days: list[tuple[str, str]]) -> tuple[dict[str, list[dict[str, str]]], list[str]]:
    windows, faults, warnings = parse_windows({day: [window(*t) for t in times] for day, times in days.items()}, "")

    assert [] == faults
    assert windows is not None
    return windows.effective(), warnings


def test_a_missing_null_or_empty_day_is_closed():
    windows, _, _ = parse_windows({"monday": [window("09:00", "17:00")], "tuesday": None, "friday": []}, "")

    assert effective(monday=[("09:00:00", "17:00:00")]) == windows.effective()


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        ("09:00", "17:00", ("09:00:00", "17:00:00")),
        ("09:00:30", "17:00:59", ("09:00:30", "17:00:59")),
        ("22:00", "06:00", ("22:00:00", "06:00:00")),
        ("22:00", "00:00", ("22:00:00", "24:00:00")),
        ("22:00", "24:00", ("22:00:00", "24:00:00")),
        ("00:00", "24:00:00", ("00:00:00", "24:00:00")),
        ("12:00", "11:59:59", ("12:00:00", "11:59:59")),
        ("23:59:59", "00:00", ("23:59:59", "24:00:00")),
    ],
)
def test_times_are_shown_in_full(start, end, shown):
    assert (effective(sunday=[shown]), []) == read(sunday=[(start, end)])


NO_TIMES = ["9:00", "25:00", "24:01", "24:00:01", "09:60", "09:00:60", "09:00+02:00", "09:00Z", "09:00:00.5", "0900"]
NO_TIMES += [
    "",
    " ",
    "09:00 ",
    "09:00\n",
    "٠٩:٠٠",
    "noon",
    "9pm",
    "-1:00",
    "09:00:",
    "09:00:00:00",
    "\ud800",
    "09\0:00",
]


@pytest.mark.parametrize("time", NO_TIMES)
@pytest.mark.parametrize("key", ["run_start_time", "run_end_time"])
def test_any_other_time_is_refused_where_it_stands(time, key):
    entry = {**window("08:00", "18:00"), key: time}

    assert [(f"/w/monday/1/{key}", "invalid_time")] == faults_of({"monday": [window("01:00", "02:00"), entry]})


@pytest.mark.parametrize("time", [None, 900, 9.5, True, [], {}])
def test_a_time_is_text(time):
    assert [("/w/monday/0/run_start_time", "invalid_time")] == faults_of({"monday": [window(time, "10:00")]})


@pytest.mark.parametrize("time", ["24:00", "24:00:00"])
def test_a_day_does_not_start_at_its_end(time):
    assert [("/w/monday/0/run_start_time", "invalid_time")] == faults_of({"monday": [window(time, "10:00")]})


@pytest.mark.parametrize(("start", "end"), [("10:00", "10:00"), ("10:00", "10:00:00"), ("00:00", "00:00")])
def test_a_window_without_length_is_refused_with_a_hint(start, end):
    _, faults, _ = parse_windows({"friday": [window(start, end)]}, "/w")

    assert [("/w/friday/0", "window_zero_length")] == [(fault.path, fault.code) for fault in faults]
    assert "00:00 to 24:00" in faults[0].message


@pytest.mark.parametrize("value", [{}, {"monday": []}, {"monday": None}, {day: [] for day in WEEKDAYS}])
def test_windows_that_are_all_empty_are_refused(value):
    assert [("/w", "no_execution_windows")] == faults_of(value)


@pytest.mark.parametrize("value", [None, [], "daily", 1, True, ["monday"]])
def test_windows_are_an_object(value):
    assert [("/w", "invalid_type")] == faults_of(value)


@pytest.mark.parametrize("value", [{}, "09:00-10:00", 1, False, {"run_start_time": "09:00"}])
def test_a_day_is_a_list(value):
    assert [("/w/monday", "invalid_type")] == faults_of({"monday": value})


@pytest.mark.parametrize("value", [None, [], "09:00-10:00", 1])
def test_a_window_is_an_object(value):
    assert [("/w/monday/0", "invalid_type")] == faults_of({"monday": [value]})


@pytest.mark.parametrize(("key", "meant"), [("Monday", "monday"), ("mondai", "monday"), ("WEDNESDAY", "wednesday")])
def test_an_unknown_day_is_answered_with_the_nearest(key, meant):
    _, faults, _ = parse_windows({key: [window("01:00", "02:00")]}, "/w")

    assert [(f"/w/{key}", "unknown_field")] == [(fault.path, fault.code) for fault in faults]
    assert meant == faults[0].allowed[0]
    assert f"did you mean '{meant}'" in faults[0].message


def test_a_day_like_no_other_is_answered_with_all_seven():
    _, faults, _ = parse_windows({"~x/1": [], "monday": [window("01:00", "02:00")]}, "")

    assert [("/~0x~11", "unknown_field", WEEKDAYS)] == [(fault.path, fault.code, fault.allowed) for fault in faults]


def test_an_unknown_key_of_a_window_is_answered_with_the_nearest():
    _, faults, _ = parse_windows({"monday": [{**window("01:00", "02:00"), "run_stop_time": "03:00"}]}, "")

    assert [("/monday/0/run_stop_time", "unknown_field")] == [(fault.path, fault.code) for fault in faults]
    assert {"run_start_time", "run_end_time"} >= set(faults[0].allowed)


def test_a_window_needs_both_ends():
    missing = [("/w/monday/0/run_end_time", "missing"), ("/w/monday/1/run_start_time", "missing")]

    assert missing == faults_of({"monday": [{"run_start_time": "09:00"}, {"run_end_time": "10:00"}]})


def test_a_day_has_at_most_24_windows():
    hours = [window(f"{hour:02}:00", f"{hour:02}:30") for hour in range(24)]

    assert [("/w/monday", "too_many_windows")] == faults_of({"monday": [*hours, window("00:40", "00:50")]})
    assert [] == parse_windows({"monday": hours}, "")[1]


def test_all_faults_are_told_at_once():
    value = {
        "monday": [window("9:00", "17:00"), window("10:00", "10:00"), {}],
        "tusday": [],
        "friday": "always",
        "sunday": [window("24:00", "25:00")],
    }
    wrong = {
        ("/w/monday/0/run_start_time", "invalid_time"),
        ("/w/monday/1", "window_zero_length"),
        ("/w/monday/2/run_start_time", "missing"),
        ("/w/monday/2/run_end_time", "missing"),
        ("/w/tusday", "unknown_field"),
        ("/w/friday", "invalid_type"),
        ("/w/sunday/0/run_start_time", "invalid_time"),
        ("/w/sunday/0/run_end_time", "invalid_time"),
    }

    assert wrong == set(faults_of(value))


def test_faults_have_an_end():
    assert 50 == len(faults_of({f"day {number}": [] for number in range(10_000)}))
    assert 50 == len(faults_of({"monday": [{f"key {number}": 1 for number in range(10_000)}]}))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["09:00", "24:00", "10:00"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*WEEKDAYS, "run_start_time", "run_end_time"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
@settings(max_examples=examples(200))
def test_any_json_gets_windows_or_faults(value):
    windows, faults, _ = parse_windows(value, "")

    assert (windows is None) == bool(faults)
    assert len(faults) <= 50


def test_overlapping_windows_merge_with_a_warning():
    shown, warnings = read(monday=[("11:00", "14:00"), ("09:00", "12:00")])

    assert effective(monday=[("09:00:00", "14:00:00")]) == shown
    assert ["monday: the windows 09:00-12:00 and 11:00-14:00 overlap; they count as one"] == warnings


def test_a_window_inside_another_is_warned_about_although_a_third_lies_between():
    shown, warnings = read(monday=[("08:00", "18:00"), ("09:00", "10:00"), ("11:00", "12:00")])

    assert effective(monday=[("08:00:00", "18:00:00")]) == shown
    assert 2 == len(warnings)


def test_touching_windows_merge_silently():
    assert (effective(monday=[("09:00:00", "14:00:00")]), []) == read(monday=[("12:00", "14:00"), ("09:00", "12:00")])


@pytest.mark.parametrize(("first", "second"), [("friday", "saturday"), ("sunday", "monday")])
def test_an_overlap_across_midnight_is_warned_about_and_each_day_keeps_its_own(first, second):
    shown, warnings = read(**{first: [("22:00", "06:00")], second: [("05:00", "08:00")]})

    assert effective(**{first: [("22:00:00", "06:00:00")], second: [("05:00:00", "08:00:00")]}) == shown
    assert [f"{first} 22:00-06:00 reaches into {second} 05:00-08:00; they count as one"] == warnings


def test_windows_that_touch_at_midnight_or_in_the_morning_bring_no_warning():
    assert [] == read(friday=[("22:00", "24:00")], saturday=[("00:00", "06:00")])[1]
    assert [] == read(friday=[("22:00", "06:00")], saturday=[("06:00", "08:00")])[1]


def test_what_together_would_be_longer_than_a_day_stays_two_windows():
    shown, _ = read(monday=[("20:00", "23:00"), ("22:00", "21:00")])

    assert effective(monday=[("20:00:00", "22:00:00"), ("22:00:00", "21:00:00")]) == shown


@given(requests())
@settings(max_examples=examples(100))
def test_effective_windows_read_back_as_themselves(request):
    windows, _, _ = parse_windows(request, "")
    again, faults, warnings = parse_windows(json.loads(json.dumps(windows.effective())), "")

    assert [] == faults
    assert windows == again
    assert hash(windows) == hash(again)
    assert not [warning for warning in warnings if "overlap" in warning]


def test_always_is_every_day_from_midnight_to_midnight():
    assert effective(**{day: [("00:00:00", "24:00:00")] for day in WEEKDAYS}) == WeeklyWindows.ALWAYS.effective()
    assert WeeklyWindows.ALWAYS.always_open


@pytest.mark.parametrize(
    ("times", "always"),
    [
        ([("00:00", "24:00")], True),
        ([("12:00", "12:00:01"), ("12:00:01", "12:00")], True),
        ([("00:00", "12:00"), ("12:00", "00:00")], True),
        ([("22:00", "21:59:59")], False),
        ([("00:00", "23:59:59")], False),
    ],
)
def test_always_open_means_every_second_of_the_week(times, always):
    windows, _, _ = parse_windows({day: [window(*each) for each in times] for day in WEEKDAYS}, "")

    assert always == windows.always_open


@pytest.mark.parametrize("closed", WEEKDAYS)
def test_a_week_with_a_closed_day_is_not_always_open(closed):
    windows, _, _ = parse_windows({day: [window("00:00", "24:00")] for day in WEEKDAYS if day != closed}, "")

    assert not windows.always_open
