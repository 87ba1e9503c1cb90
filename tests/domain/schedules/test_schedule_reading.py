"""Definitions: everything that is wrong is told at once, and what is right is taken as it is meant."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.domain.schedules.schedule_strategies import schedule
from tests.support.examples import examples

from backfilld.domain.errors import Fault
from backfilld.domain.schedules import parse_schedule, parse_schedule_zone

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("daily>", "weekly>", "monthly>", "hourly>", "cron>", "minutes_interval>", "seconds_interval>", "start", "end",
        "delay", "skip_on_overtime", "skip_delayed_by", "strat")  # fmt: skip


def faults_of(definition: Any) -> dict[str, str]:
    found, faults = parse_schedule(definition, "/schedule")

    assert found is None
    return {fault.path: fault.message for fault in faults}


def test_every_fault_is_told_at_once() -> None:
    found = faults_of(
        {
            "cron>": "61 * 0 * ?",
            "daily>": "07:00:00",
            "weakly>": "Sun,09:00:00",
            "delay": -1,
            "start": "2027-02-30",
            "end": "tomorrow",
            "skip_on_overtime": "perhaps",
            "skip_delayed_by": "an hour",
            "strat": "2027-01-01",
        }
    )

    assert {
        "/schedule/cron>", "/schedule/daily>", "/schedule/weakly>", "/schedule/delay", "/schedule/start",
        "/schedule/end", "/schedule/skip_on_overtime", "/schedule/skip_delayed_by", "/schedule/strat",
    } == set(found)  # fmt: skip
    assert "did you mean 'weekly>'" in found["/schedule/weakly>"]
    assert "did you mean 'start'" in found["/schedule/strat"]
    told = found["/schedule/cron>"]

    assert [True, False, True, True] == [
        f"in the {field} field" in told for field in ("minute", "hour", "day-of-month", "day-of-week")
    ]


@pytest.mark.parametrize("definition", [None, [], "daily", 5, {}, {"start": "2027-01-01"}])
def test_what_says_not_when_is_refused(definition: Any) -> None:
    assert ["/schedule"] == list(faults_of(definition))


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("hourly>", "07:00:00"), ("hourly>", 30), ("hourly>", "-1:00"), ("daily>", "10:00"), ("daily>", 36000),
        ("daily>", "9000:00:00"), ("weekly>", "Sun"), ("weekly>", "Sunday,09:00:00"), ("weekly>", "8,09:00:00"),
        ("monthly>", "0,09:00:00"), ("monthly>", "32,09:00:00"), ("monthly>", "1 09:00:00"),
        ("minutes_interval>", 0), ("minutes_interval>", 60), ("minutes_interval>", "x"), ("minutes_interval>", True),
        ("seconds_interval>", 0), ("seconds_interval>", 1.5), ("cron>", 5), ("cron>", ""), ("cron>", "0 0 30 2 *"),
        ("cron>", "0 0 28-L * *"), ("cron>", "0 0 * * *|"), ("cron>", "0 0 * * monday"), ("cron>", "0,,5 0 * * *"),
        ("cron>", "* " * 400), ("daily>", None), ("cron>", "٣ 0 * * *"),
    ],
)  # fmt: skip
def test_a_value_that_means_nothing_is_refused(operator: str, value: Any) -> None:
    assert ["/schedule/" + operator] == list(faults_of({operator: value}))


def test_a_delay_beside_a_time_of_day_is_refused() -> None:
    assert "takes no delay" in faults_of({"daily>": "07:00:00", "delay": 5})["/schedule/delay"]


def test_a_key_that_is_no_text_is_a_fault_like_others() -> None:
    assert ["/schedule/7"] == list(faults_of({"daily>": "07:00:00", 7: 1}))


def test_an_end_before_the_start_is_refused() -> None:
    assert ["/schedule/end"] == list(faults_of({"daily>": "07:00:00", "start": "2027-03-02", "end": "2027-03-01"}))


def test_options_are_taken_as_they_are_meant() -> None:
    found = schedule(
        {"cron>": "0 0 * * *", "delay": "90", "start": "2027-03-01", "end": "2027-03-31",
         "skip_on_overtime": "true", "skip_delayed_by": "3d 2h 5m 30s"}
    )  # fmt: skip

    assert (timedelta(seconds=90), True) == (found.delay, found.skip_on_overtime)
    assert (date(2027, 3, 1), date(2027, 3, 31)) == (found.start, found.end)
    assert timedelta(days=3, hours=2, minutes=5, seconds=30) == found.skip_delayed_by


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("0 0 * JAN,feb Mon-FRI", "0 0 * 1-2 1-5"), ("0 0 * * sat-mon", "0 0 * * 6,0,1"), ("0 0 * * 0-7", "0 0 * * *"),
        ("0 0 * * 5-7", "0 0 * * 5,6,0"), ("50-10/5 * * * *", "50,55,0,5,10 * * * *"),
        ("0 0 * nov-feb *", "0 0 * 11,12,1,2 *"),
        ("7/2 * * * *", "7 * * * *"), ("0 22-2/2 * * *", "0 22,0,2 * * *"), ("0 0-23 * * *", "0 * * * *"),
    ],
)  # fmt: skip
def test_cron_text_may_be_written_in_several_ways(text: str, same: str) -> None:
    assert schedule({"cron>": same}).rhythm == schedule({"cron>": text}).rhythm


def test_alternatives_fire_together_once() -> None:
    both = schedule({"cron>": "0 7 * * *|0 7,9 * * 1"})
    slots = [slot.session_time.hour for slot, _ in zip(
        both.since(both.first(datetime(2027, 3, 1, tzinfo=UTC))), range(3), strict=False)]  # fmt: skip

    assert [7, 9, 7] == slots


@pytest.mark.parametrize(("text", "hours"), [("+09:00", 9), ("-0330", -3.5), ("+02", 2), ("Z", 0), ("Asia/Tokyo", 9)])
def test_a_zone_may_be_an_offset(text: str, hours: float) -> None:
    zone = parse_schedule_zone(text, "")

    assert not isinstance(zone, Fault)
    assert timedelta(hours=hours) == datetime(2027, 1, 1, tzinfo=zone).utcoffset()


@pytest.mark.parametrize("text", ["+19:00", "+9", "09:00", "+09:60", "Asia/Tokio", None, 9, [], ""])
def test_what_is_no_zone_is_refused(text: object) -> None:
    assert isinstance(parse_schedule_zone(text, "/timezone"), Fault)


@settings(max_examples=examples(200), deadline=None)
@given(st.one_of(ANY_JSON, st.dictionaries(st.sampled_from(KEYS), ANY_JSON)))
def test_anything_gets_an_answer(value: object) -> None:
    found, faults = parse_schedule(value, "")

    assert (found is None) == bool(faults)


@settings(max_examples=examples(200), deadline=None)
@given(st.text(alphabet="0123456789*,-/|L jan\t", max_size=40))
def test_any_cron_text_gets_an_answer(text: str) -> None:
    found, faults = parse_schedule({"cron>": text}, "")

    assert (found is None) == bool(faults)
    if found is not None:
        assert found.first(datetime(2027, 1, 1, tzinfo=UTC)) is not None


@pytest.mark.parametrize(("text", "told", "not_told"), [
    ("0", "has 1 field; expected five", "1 fields"),
    ("0 0 0 ? * *", "has 6 fields; expected five: minute hour day-of-month month day-of-week; write '0 0 * *", "such"),
    ("0 15 10 ? * MON-FRI 2027", "write '15 10 * * mon-fri'", "2027; write"),
    ("0 15 10 ? * 2-6", "name weekdays (Quartz has 1 for Sunday)", "write"),
    ("0 0 ? * *", "'?' in the day-of-month field is not known here; write '*'", "1 to 31"),
    ("0 0 * * ?", "'?' in the day-of-week field is not known here; write '*'", "sun"),
    ("@daily", "'@daily' is not known here; write '0 0 * * *'", "fields"),
    ("61 * * * *", "must be 0 to 59, such as '42 4 1 * *'", "write"),
])  # fmt: skip
def test_cron_text_of_other_systems_is_told_how_it_is_written_here(text: str, told: str, not_told: str) -> None:
    (message,) = faults_of({"cron>": text}).values()

    assert told in message
    assert not_told not in message
    assert message.count("such as") <= 1
