"""Windows as instants: examples from the design, and every second around clock changes against the oracle."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.domain.wall_clock_oracle import DAYS, drawn, instant
from tests.domain.window_strategies import calendar, instants, requests, situations, zones
from tests.support.examples import examples

from backfilld.domain.windows.openings import HORIZON, Calendar, Opening, WindowState
from backfilld.domain.windows.timezones import find_zone
from backfilld.domain.windows.weekly import WeeklyWindows

CASES = json.loads((Path(__file__).parent.parent / "cases" / "window_cases.json").read_text())["cases"]
HOUR = 3600


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def weekly(zone: str, days: str, start: str, end: str, *excluded: str) -> Calendar:
    chosen = DAYS if days == "daily" else days.split(",")
    request = {day: [{"run_start_time": start, "run_end_time": end}] for day in chosen}
    return calendar(request, zone, frozenset(date.fromisoformat(day) for day in excluded))


def always(zone: str = "UTC", *excluded: str) -> Calendar:
    found = find_zone(zone)

    assert found is not None
    return Calendar(WeeklyWindows.ALWAYS, found, frozenset(date.fromisoformat(day) for day in excluded))


def opened(calendar: Calendar, since: str, until: str) -> list[str]:
    """Each interval as `START/END` in UTC, minutes only."""
    found = calendar.intervals(at(since), at(until))
    return [f"{each.opens_at:%m-%dT%H:%M}/{each.closes_at:%m-%dT%H:%M}" for each in found]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['timezone']} {case['from']}")
def test_the_cases_hold(case):
    windows = calendar(case["daily_execution_windows"], case["timezone"])
    expected = [Opening(at(opens), at(closes)) for opens, closes in case["open_intervals_utc"]]

    assert expected == windows.intervals(at(case["from"]), at(case["to"]))


DESIGN = [
    ("America/New_York", "saturday", "22:00", "06:00", "2027-03-14", ["03-14T03:00/03-14T10:00"]),
    ("America/New_York", "daily", "02:15", "02:45", "2027-03-14", []),
    (
        "America/New_York",
        "sunday",
        "01:30",
        "02:30",
        "2027-11-07",
        ["11-07T05:30/11-07T06:00", "11-07T06:30/11-07T07:30"],
    ),
    (
        "Australia/Lord_Howe",
        "sunday",
        "00:00",
        "01:45",
        "2027-04-03",
        ["04-03T13:00/04-03T14:45", "04-03T15:00/04-03T15:15"],
    ),
    ("Pacific/Apia", "friday", "22:00", "06:00", "2011-12-30", ["12-30T10:00/12-30T16:00"]),
]


@pytest.mark.parametrize(("zone", "days", "start", "end", "day", "expected"), DESIGN)
def test_the_table_of_the_design_holds(zone, days, start, end, day, expected):
    until = (date.fromisoformat(day) + timedelta(days=1)).isoformat()

    assert expected == opened(weekly(zone, days, start, end), f"{day}T00:00Z", f"{until}T00:00Z")


def test_clocks_that_go_back_for_ramadan_lengthen_a_night():
    nightly = weekly("Africa/Casablanca", "daily", "22:00", "06:00")

    assert ["02-22T21:00/02-23T06:00"] == opened(nightly, "2025-02-22T12:00Z", "2025-02-23T12:00Z")
    assert ["04-05T22:00/04-06T05:00"] == opened(nightly, "2025-04-05T12:00Z", "2025-04-06T12:00Z")


def test_a_window_is_half_open():
    office = weekly("UTC", "monday", "09:00", "17:00")

    assert not office.is_open(at("2027-03-01T08:59:59.999999Z"))
    assert office.is_open(at("2027-03-01T09:00Z"))
    assert office.is_open(at("2027-03-01T16:59:59.999999Z"))
    assert not office.is_open(at("2027-03-01T17:00Z"))


def test_intervals_are_clipped_to_the_microsecond():
    since, until = at("2027-03-01T10:00:00.25Z"), at("2027-03-01T11:00:00.75Z")

    assert [Opening(since, until)] == weekly("UTC", "monday", "09:00", "17:00").intervals(since, until)
    assert 3600.5 == weekly("UTC", "monday", "09:00", "17:00").open_seconds(since, until)
    assert [] == weekly("UTC", "monday", "09:00", "17:00").intervals(until, since)


def test_an_excluded_date_takes_the_windows_that_start_on_it_and_leaves_the_morning_before():
    nightly = weekly("Europe/Berlin", "daily", "22:00", "06:00", "2027-06-02")

    assert ["06-01T20:00/06-02T04:00", "06-03T20:00/06-04T04:00"] == opened(
        nightly, "2027-06-01T12:00Z", "2027-06-04T12:00Z"
    )


def test_windows_of_neighbouring_days_that_touch_are_one_opening():
    whole_days = weekly("UTC", "monday,tuesday,wednesday", "00:00", "24:00")

    assert ["03-01T00:00/03-04T00:00"] == opened(whole_days, "2027-02-28T00:00Z", "2027-03-07T00:00Z")


def test_the_state_while_closed_names_the_next_opening():
    office = weekly("UTC", "monday", "09:00", "17:00")

    assert WindowState(False, at("2027-03-01T09:00Z"), None) == office.state(at("2027-02-27T00:00Z"))
    assert WindowState(False, at("2027-03-01T09:00Z"), None) == office.state(at("2027-03-01T08:59:59.9Z"))


def test_the_state_while_open_names_the_close_and_the_opening_after_it():
    office = weekly("UTC", "monday", "09:00", "17:00")
    expected = WindowState(True, at("2027-03-08T09:00Z"), at("2027-03-01T17:00Z"))

    assert expected == office.state(at("2027-03-01T09:00Z"))
    assert expected == office.state(at("2027-03-01T16:59:59.999Z"))


def test_always_open_neither_closes_nor_opens():
    assert WindowState(True, None, None) == always("America/New_York").state(at("2027-03-14T06:30Z"))
    assert always("America/New_York").is_open(at("2027-03-14T06:59:59Z"))
    assert [] == always("America/New_York").notes(at("2027-01-01T00:00Z"), at("2028-01-01T00:00Z"))


def test_always_open_closes_on_an_excluded_date():
    closing = WindowState(True, at("2027-05-02T00:00Z"), at("2027-05-01T00:00Z"))

    assert closing == always("UTC", "2027-05-01").state(at("2027-03-01T00:00Z"))
    assert WindowState(True, None, None) == always("UTC", "2029-05-01").state(at("2027-03-01T00:00Z"))


def test_what_never_opens_has_no_next_opening():
    skipped = weekly("UTC", "monday", "09:00", "17:00", *(f"2027-{month:02}-01" for month in range(1, 13)))
    never = calendar({"monday": [{"run_start_time": "09:00", "run_end_time": "10:00"}]}, "UTC", all_mondays())

    assert skipped.next_opening(at("2027-03-01T00:00Z")) is not None
    assert never.next_opening(at("2027-01-01T00:00Z")) is None
    assert WindowState(False, None, None) == never.state(at("2027-01-01T00:00Z"))
    assert never.finish_at(at("2027-01-01T00:00Z"), 1) is None


def all_mondays() -> frozenset[date]:
    return frozenset(date(2026, 12, 28) + timedelta(weeks=number) for number in range(70))


def test_an_opening_months_away_is_found():
    far = calendar(
        {"monday": [{"run_start_time": "09:00", "run_end_time": "10:00"}]},
        "UTC",
        all_mondays() - {date(2027, 11, 29)},
    )

    assert Opening(at("2027-11-29T09:00Z"), at("2027-11-29T10:00Z")) == far.next_opening(at("2027-01-01T00:00Z"))


def test_a_finish_is_reckoned_in_open_time():
    office = weekly("UTC", "monday,tuesday", "09:00", "17:00")

    assert at("2027-03-01T10:00Z") == office.finish_at(at("2027-03-01T09:30Z"), HOUR / 2)
    assert at("2027-03-01T17:00Z") == office.finish_at(at("2027-03-01T00:00Z"), 8 * HOUR)
    assert at("2027-03-02T09:00:01Z") == office.finish_at(at("2027-03-01T00:00Z"), 8 * HOUR + 1)
    assert at("2027-03-01T09:00Z") == office.finish_at(at("2027-03-01T00:00Z"), 0)
    assert at("2027-03-08T10:00Z") == office.finish_at(at("2027-03-01T09:00Z"), 17 * HOUR)
    assert at("2027-03-03T00:00Z") == always().finish_at(at("2027-03-01T00:00Z"), 48 * HOUR)


@pytest.mark.parametrize("busy", [float("inf"), float("nan"), 1e12])
def test_a_finish_that_nobody_will_see_is_none(busy):
    assert weekly("UTC", "monday", "09:00", "17:00").finish_at(at("2027-03-01T00:00Z"), busy) is None
    assert always().finish_at(at("2027-03-01T00:00Z"), busy) is None


def test_local_time_is_shown_with_its_offset():
    assert "2027-03-14T01:59:59-05:00" == always("America/New_York").local(at("2027-03-14T06:59:59Z"))
    assert "2027-03-14T03:00:00-04:00" == always("America/New_York").local(at("2027-03-14T07:00:00Z"))


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("edge", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_time_bring_no_error(zone, edge):
    office = weekly(zone, "monday", "09:00", "17:00")
    office.state(edge)
    office.is_open(edge)
    office.next_opening(edge)
    office.finish_at(edge, HOUR)
    always(zone).finish_at(edge, HOUR)
    office.notes(edge, edge)

    assert office.local(edge)
    assert [] == office.intervals(edge, edge)


@given(situations())
@settings(max_examples=examples(60), deadline=None)
def test_every_second_around_a_clock_change_is_as_the_wall_clock_says(situation):
    since, until = situation.second - 3 * HOUR, situation.second + 3 * HOUR
    expected = situation.oracle.seconds(since, until)

    assert expected == drawn(situation.calendar.intervals(instant(since), instant(until)), since, until)


@given(situations(), st.data())
@settings(max_examples=examples(100), deadline=None)
def test_a_second_is_open_exactly_if_the_wall_clock_says_so(situation, data):
    seconds = data.draw(st.lists(st.integers(-40 * 24 * HOUR, 40 * 24 * HOUR), min_size=20, max_size=60))
    for second in (situation.second + distance for distance in [-1, 0, 1, *seconds]):
        expected = situation.oracle.is_open(second)

        assert expected == situation.calendar.is_open(instant(second))
        assert expected == situation.calendar.is_open(instant(second) + timedelta(microseconds=999_999))
        assert expected == situation.calendar.state(instant(second)).open


@given(requests(), zones(), instants(), st.timedeltas(timedelta(0), timedelta(days=60)))
@settings(max_examples=examples(60), deadline=None)
def test_intervals_have_length_are_in_order_apart_and_within_bounds(request, zone, since, length):
    found = calendar(request, zone).intervals(since, since + length)

    assert all(since <= each.opens_at < each.closes_at <= since + length for each in found)
    assert all(earlier.closes_at < later.opens_at for earlier, later in pairwise(found))


@given(situations(), st.timedeltas(timedelta(days=-9), timedelta(days=9)))
@settings(max_examples=examples(100), deadline=None)
def test_an_opening_has_length_and_is_not_over(situation, distance):
    after = instant(situation.second) + distance
    opening = situation.calendar.next_opening(after)

    assert opening is not None
    assert opening.opens_at < opening.closes_at
    assert after <= opening.opens_at
    assert situation.calendar.is_open(after) == (after == opening.opens_at)


@given(situations(), st.timedeltas(timedelta(days=-9), timedelta(days=9)))
@settings(max_examples=examples(100), deadline=None)
def test_the_state_agrees_with_the_intervals_to_come(situation, distance):
    now = instant(situation.second) + distance
    state = situation.calendar.state(now)
    coming = situation.calendar.intervals(now, now + HORIZON)
    present = coming.pop(0) if state.open else None

    assert state.open == situation.calendar.is_open(now)
    assert (coming[0].opens_at if coming else None) == state.next_open_at
    assert (present.closes_at if present and present.closes_at < now + HORIZON else None) == state.closes_at


@given(situations(), st.floats(0, 40 * HOUR))
@settings(max_examples=examples(60), deadline=None)
def test_until_the_finish_there_is_as_much_open_time_as_asked_for(situation, busy):
    start = instant(situation.second) - timedelta(days=2)
    finish = situation.calendar.finish_at(start, busy)

    assert finish is None or pytest.approx(busy, abs=1e-3) == situation.calendar.open_seconds(start, finish)


def test_calendars_with_equal_contents_are_equal():
    assert weekly("UTC", "monday", "09:00", "17:00") == weekly("UTC", "monday", "09:00:00", "17:00:00")
    assert hash(weekly("UTC", "monday", "09:00", "17:00")) == hash(weekly("UTC", "monday", "09:00:00", "17:00:00"))


@given(situation=situations(), ahead=st.integers(1, 86_400))
@settings(max_examples=examples(50))
def test_until_an_override_is_over_it_is_open_and_from_then_on_as_without_it(situation, ahead):
    plain, now = situation.calendar, instant(situation.second)
    until = now + timedelta(seconds=ahead)
    overridden = replace(plain, override_until=until)
    moments = [now + timedelta(seconds=ahead * part / 10) for part in range(30)]
    state, later = overridden.state(now), plain.state(until)

    assert [moment < until or plain.is_open(moment) for moment in moments] == [
        overridden.is_open(moment) for moment in moments
    ]
    assert state.open
    assert state.closes_at == (later.closes_at if later.open else until)
    assert plain.state(until) == overridden.state(until)
    assert ahead + plain.open_seconds(until, until + timedelta(days=9)) == pytest.approx(
        overridden.open_seconds(now, until + timedelta(days=9))
    )
    assert overridden.finish_at(now, ahead / 2) == now + timedelta(seconds=ahead / 2)
