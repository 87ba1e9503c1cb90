"""What holds for the slots of every schedule, around every kind of clock change."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.domain.schedules.schedule_strategies import Situation, crons, schedule, situations
from tests.support.examples import examples

from backfilld.domain.schedules import Slot
from backfilld.domain.schedules.points import EverySeconds

SOME = settings(max_examples=examples(80), deadline=None)
UNRESTRICTED = situations(of=crons(hours=st.just("*"), days=st.just("*")).map(lambda text: {"cron>": text}))


def row(situation: Situation, most: int = 25) -> list[Slot]:
    return list(islice(situation.schedule.since(situation.schedule.next(situation.at)), most))


@SOME
@given(situations())
def test_slots_come_in_order_and_run_after_their_session(situation: Situation) -> None:
    slots = row(situation)
    sessions = [slot.session_time for slot in slots]

    assert sessions == sorted(set(sessions))
    assert situation.at < sessions[0]
    assert {situation.schedule.delay} == {slot.run_time - slot.session_time for slot in slots}


@SOME
@given(situations())
def test_first_and_next_agree(situation: Situation) -> None:
    schedule = situation.schedule
    slots = row(situation)
    due = [slot.session_time if isinstance(schedule.rhythm, EverySeconds) else slot.run_time for slot in slots]

    assert slots == [schedule.first(at) for at in due]
    assert slots[1:] == [schedule.first(at + timedelta(microseconds=1)) for at in due[:-1]]


@SOME
@given(situations())
def test_the_predecessor_inverts_next(situation: Situation) -> None:
    slots = row(situation)

    assert slots[:-1] == [situation.schedule.previous(slot.session_time) for slot in slots[1:]]
    assert slots[-1] == situation.schedule.previous(slots[-1].session_time + timedelta(microseconds=1))


@SOME
@given(UNRESTRICTED)
def test_every_instant_whose_wall_clock_matches_is_a_slot_if_the_hour_does_not_matter(situation: Situation) -> None:
    pattern = situation.schedule.rhythm[0]  # type: ignore[index]  # cron text without alternatives it is
    minutes = {time // 60 % 60 for time in pattern.times}
    since = situation.at.replace(second=0, microsecond=0)
    until = since + timedelta(hours=30)
    walls = [since + timedelta(minutes=minute) for minute in range(1, 30 * 60)]
    expected = {at for at in walls if at.astimezone(situation.schedule.zone).minute in minutes}
    following = situation.schedule.since(situation.schedule.next(since))
    found = {slot.session_time for slot in takewhile(lambda slot: slot.session_time < until, following)}

    assert expected <= found


@SOME
@given(UNRESTRICTED)
def test_no_slot_leaves_its_pattern_but_in_a_gap_of_half_an_hour(situation: Situation) -> None:
    zone = situation.schedule.zone
    assume(zone != ZoneInfo("Australia/Lord_Howe"))
    pattern = situation.schedule.rhythm[0]  # type: ignore[index]  # cron text without alternatives it is
    minutes = {time // 60 % 60 for time in pattern.times}

    assert [] == [slot for slot in row(situation) if slot.session_time.astimezone(zone).minute not in minutes]


@pytest.mark.parametrize(
    "zone", ["America/Los_Angeles", "America/Sao_Paulo", "Europe/Berlin", "Asia/Kolkata", "Africa/Casablanca"]
)
def test_an_hourly_schedule_is_hourly_in_utc_all_year(zone: str) -> None:
    hourly = schedule({"hourly>": "00:00"}, zone)
    begin = datetime(2017, 1, 1, 12, tzinfo=UTC)
    slots = list(islice(hourly.since(hourly.first(begin)), 366 * 24))

    assert {timedelta(hours=1)} == {later.session_time - earlier.session_time for earlier, later in pairwise(slots)}


def test_a_daily_schedule_has_one_session_a_local_day_save_for_a_day_that_was_left_out() -> None:
    daily = schedule({"daily>": "00:00:00"}, "Pacific/Apia")
    slots = islice(daily.since(daily.first(datetime(2011, 12, 28, 10, tzinfo=UTC))), 4)
    days = [slot.session_time.astimezone(ZoneInfo("Pacific/Apia")).day for slot in slots]

    assert [28, 29, 31, 1] == days


def test_a_time_on_a_day_that_was_left_out_never_comes() -> None:
    cron = schedule({"cron>": "0 10 30 12 *"}, "Pacific/Apia")
    slot = cron.first(datetime(2011, 1, 1, tzinfo=UTC))

    assert slot is not None
    assert 2012 == slot.session_time.year


def test_a_time_that_is_skipped_comes_as_much_later() -> None:
    cron = schedule({"cron>": "30 2 * * *"}, "America/Los_Angeles")
    slot = cron.first(datetime(2016, 3, 13, 8, tzinfo=UTC))

    assert slot is not None
    assert datetime(2016, 3, 13, 10, 30, tzinfo=UTC) == slot.session_time


def test_both_passes_of_a_repeated_hour_have_every_interval() -> None:
    quarters = schedule({"minutes_interval>": 15}, "America/Los_Angeles")
    slots = islice(quarters.since(quarters.first(datetime(2016, 11, 6, 8, tzinfo=UTC))), 8)

    assert [slot.session_time for slot in slots] == [
        datetime(2016, 11, 6, 8, tzinfo=UTC) + timedelta(minutes=15 * number) for number in range(8)
    ]
