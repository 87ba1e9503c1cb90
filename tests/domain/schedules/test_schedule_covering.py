"""Which slots a backfill covers: run times from the start on, session times up to where the schedule stands."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.domain.schedules.schedule_strategies import Situation, situations
from tests.domain.schedules.test_schedule_cases import of_kind, schedule_of

from backfilld.domain.schedules import Range, TooManySlots, slots_in

MOST = 300


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@of_kind("backfill")
def test_as_digdag_covers(case: dict[str, Any]) -> None:
    schedule = schedule_of(case)
    position = at("2016-03-01T00:00:00Z") if case["next_schedule_time"] == "now" else at(case["next_schedule_time"])
    for request in case["requests"]:
        found = slots_in(schedule, Range(position, since=at(request["fromTime"])), most=MOST)
        if "expect_available" in request:
            assert request["expect_available"] == len(found)
        else:
            count = request.get("count", len(found))
            assert [at(each) for each in request["expect_session_times"]] == [s.session_time for s in found[:count]]


@given(situations(), st.timedeltas(timedelta(0), timedelta(days=2)))
def test_nothing_runs_before_the_start_and_nothing_is_left_out(situation: Situation, ahead: timedelta):
    schedule, start = situation
    position = start + ahead
    try:
        found = slots_in(schedule, Range(position, since=start), most=MOST)
    except TooManySlots:
        return

    assert all(slot.session_time < position for slot in found)
    assert found == sorted(set(found))
    after = schedule.next(found[-1].session_time) if found else schedule.first(start)
    assert after is None or after.session_time >= position


def test_what_should_have_run_by_now_is_covered_from_where_the_schedule_stands():
    schedule = schedule_of({"schedule": {"daily>": "09:00:00"}, "timezone": "UTC"})
    found = slots_in(schedule, Range(at("2016-01-02T00:00:00Z"), run_until=at("2016-01-05T09:00:00Z")), most=MOST)

    assert [2, 3, 4, 5] == [slot.session_time.day for slot in found]


def test_a_run_time_after_now_is_not_covered():
    schedule = schedule_of({"schedule": {"daily>": "09:00:00"}, "timezone": "UTC"})
    now = at("2016-01-05T08:59:59Z")

    assert [2, 3, 4] == [
        slot.session_time.day for slot in slots_in(schedule, Range(at("2016-01-02T00:00:00Z"), run_until=now), most=9)
    ]


def test_an_end_is_exclusive_and_counts_session_times():
    schedule = schedule_of({"schedule": {"daily>": "09:00:00"}, "timezone": "UTC"})
    wanted = Range(at("2016-02-01T00:00:00Z"), since=at("2016-01-01T00:00:00Z"), before=at("2016-01-03T00:00:00Z"))

    assert [1, 2] == [slot.session_time.day for slot in slots_in(schedule, wanted, most=MOST)]


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (60, 60), (50, 50)])
def test_what_lies_behind_a_count_is_not_looked_at(count, expected):
    schedule = schedule_of({"schedule": {"minutes_interval>": 1}, "timezone": "UTC"})
    wanted = Range(datetime(9999, 1, 1, tzinfo=UTC), since=at("1970-01-01T00:00:00Z"))

    assert expected == len(slots_in(schedule, wanted, most=60, count=count))


def test_an_endless_range_is_given_up_at_the_cap():
    schedule = schedule_of({"schedule": {"minutes_interval>": 1}, "timezone": "UTC"})
    with pytest.raises(TooManySlots, match="more than 50"):
        slots_in(schedule, Range(datetime(9999, 1, 1, tzinfo=UTC), since=at("1970-01-01T00:00:00Z")), most=50)
