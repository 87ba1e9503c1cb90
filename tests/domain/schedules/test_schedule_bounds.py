"""Start and end, the ends of the calendar, and how long an answer may take."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from time import process_time

import pytest
from tests.domain.schedules.schedule_strategies import schedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_window_without_a_fitting_day_is_finished_at_once() -> None:
    weekly = schedule({"weekly>": "Sun,10:00:00", "start": "2027-03-01", "end": "2027-03-02"})  # Monday, Tuesday

    assert weekly.first(at("2027-02-01T00:00:00Z")) is None
    assert weekly.next(at("2027-02-01T00:00:00Z")) is None


def test_the_whole_last_day_belongs_to_the_schedule() -> None:
    minutely = schedule({"minutes_interval>": 30, "end": "2027-03-28"}, "Europe/Berlin")
    last = minutely.first(at("2027-03-28T21:30:00Z"))

    assert last is not None
    assert minutely.next(last.session_time) is None


def test_the_end_is_compared_with_the_run_time() -> None:
    late = schedule({"daily>": "25:00:00", "end": "2027-03-28"})
    slots = list(late.since(late.first(at("2027-03-26T12:00:00Z"))))

    assert [at("2027-03-26T00:00:00Z"), at("2027-03-27T00:00:00Z")] == [slot.session_time for slot in slots]


def test_the_predecessor_knows_no_start() -> None:
    daily = schedule({"daily>": "10:00:00", "start": "2027-03-01"})
    slot = daily.previous(at("2027-03-01T00:00:00Z"))

    assert slot is not None
    assert at("2027-02-28T00:00:00Z") == slot.session_time


def test_a_start_without_a_midnight_is_when_the_day_begins() -> None:
    daily = schedule({"daily>": "00:00:00", "start": "2017-10-15", "end": "2017-10-15"}, "America/Sao_Paulo")

    assert at("2017-10-15T03:00:00Z") == daily.starts_at
    assert at("2017-10-16T02:00:00Z") == daily.ends_at


@pytest.mark.parametrize(
    "definition", [{"daily>": "10:00:00"}, {"cron>": "* * * * *"}, {"seconds_interval>": 7}, {"cron>": "0 0 29 2 1"}]
)
def test_time_ends_quietly(definition: dict[str, object]) -> None:
    endless = schedule(definition, "America/Los_Angeles")

    assert endless.next(datetime.max.replace(tzinfo=UTC)) is None
    assert endless.first(datetime.max.replace(tzinfo=UTC)) is None
    assert endless.previous(datetime.min.replace(tzinfo=UTC)) is None
    assert endless.first(datetime.min.replace(tzinfo=UTC)) is not None
    assert endless.previous(datetime.max.replace(tzinfo=UTC)) is not None


def test_a_leap_day_on_a_monday_is_found_across_a_century_without_one() -> None:
    rare = schedule({"cron>": "0 0 29 2 1"})
    slot = rare.next(at("2088-03-01T00:00:00Z"))

    assert slot is not None
    assert at("2116-02-29T00:00:00Z") - slot.session_time >= timedelta(0)
    assert 0 == slot.session_time.weekday()
    assert rare.previous(slot.session_time + timedelta(days=1)) == slot


OFTEN_AND_RARE = ["* * * * *", "0 0 29 2 1", "|".join(f"{minute} 0 29 2 1" for minute in range(10))]
MORE = [pytest.param(text, marks=pytest.mark.slow) for text in ("59 23 31 12 7", "0 0 L 2 1")]


@pytest.mark.parametrize("text", [*OFTEN_AND_RARE, *MORE])
def test_a_thousand_slots_are_a_matter_of_moments(text: str) -> None:
    cron = schedule({"cron>": text}, "America/Los_Angeles")
    begin = process_time()
    slots = list(islice(cron.since(cron.first(at("2016-01-01T00:00:00Z"))), 1000))

    assert 10 < len(slots)
    assert process_time() - begin < 3
