"""A backfill request on a schedule: which sessions, what is refused and in which order, all of it or nothing."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.clock import NOON, FakeClock
from tests.support.schedules import ANNA, DAILY, make_schedule, maker

from backfilld.domain.errors import BackfilldError, Conflict, Invalid, NotFound
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.operations.sessions.backfill_schedule import ScheduleBackfillAnswer, ScheduleLimits
from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool
from backfilld.store.schedules.schedules import ScheduleStore
from backfilld.store.sessions.sessions import NewAttempts, open_attempts

REAL = ScheduleBackfillRequest(False, from_time=NOON - timedelta(days=5, hours=3), attempt_name="again")
DRY = replace(REAL, dry_run=True)
ADVANCE = ScheduleBackfillRequest(False, skip_existing=True, advance_schedule=True)


@pytest.fixture
async def stored(pool: Pool) -> StoredSchedule:
    """Daily at nine; it stands at the second of March, the first of March being today."""
    return await make_schedule(pool)


async def run(
    pool: Pool, stored: StoredSchedule, request: ScheduleBackfillRequest, limits: ScheduleLimits | None = None,
    at: datetime = NOON,
) -> ScheduleBackfillAnswer:  # fmt: skip
    return await maker(pool, FakeClock(at), limits=limits).run(ANNA, stored.id, request)


async def refused(
    pool: Pool, stored: StoredSchedule, request: ScheduleBackfillRequest, limits: ScheduleLimits | None = None
) -> BackfilldError:
    with pytest.raises(BackfilldError) as caught:
        await run(pool, stored, request, limits)
    assert 0 == await pool.fetchval("SELECT count(*) FROM attempts WHERE name = 'again'")
    assert 0 == await pool.fetchval("SELECT count(*) FROM backfills")
    return caught.value


async def ran(pool: Pool, stored: StoredSchedule, *times: datetime, name: str = "") -> None:
    """Sessions that are there already."""
    async with pool.acquire() as connection, connection.transaction():
        await open_attempts(connection, NewAttempts(
            stored.project_id, stored.workflow_id, stored.revision_id, "UTC", name, "the tests", NOON, times
        ))  # fmt: skip


def day(number: int, month: int = 2) -> datetime:
    return datetime(2027, month, number, tzinfo=UTC)


def days(answer: ScheduleBackfillAnswer) -> list[int]:
    return [attempt.session_time.day for attempt in answer.attempts]


async def test_sessions_from_the_first_that_has_not_run_by_then_up_to_where_the_schedule_stands(pool, stored):
    answer = await run(pool, stored, REAL)

    assert [24, 25, 26, 27, 28, 1] == days(answer)
    assert answer.backfill_id is not None
    assert 6 == await pool.fetchval("SELECT planned FROM backfill_progress")
    assert "2027-02-24T00:00:00Z" == await pool.fetchval("SELECT entity_id FROM plan_items WHERE position = 0")


@pytest.mark.parametrize(("late", "expected"), [(timedelta(0), 24), (timedelta(microseconds=1), 25)])
async def test_a_fraction_of_a_second_makes_the_start_exclusive(pool, stored, late, expected):
    answer = await run(pool, stored, replace(DRY, from_time=day(24) + timedelta(hours=9) + late))

    assert expected == days(answer)[0]


async def test_a_disabled_schedule_can_be_backfilled(pool, stored):
    await pool.execute("UPDATE schedules SET disabled_at = $1", NOON)

    assert 6 == len((await run(pool, stored, REAL)).attempts)


async def test_a_count_takes_the_oldest(pool, stored):
    assert [24, 25] == days(await run(pool, stored, replace(REAL, count=2)))


async def test_a_count_of_nothing_is_nothing(pool, stored):
    answer = await run(pool, stored, replace(REAL, count=0))

    assert ([], None) == (list(answer.attempts), answer.backfill_id)


@pytest.mark.parametrize("request_", [REAL, DRY, replace(REAL, skip_existing=True)])
async def test_a_count_of_more_than_there_are_makes_nothing(pool, stored, request_):
    error = await refused(pool, stored, replace(request_, count=7))

    assert isinstance(error, Invalid)
    assert "count is 7, but only 6" in error.message
    assert "before the schedule's next session (2027-03-02T00:00:00+00:00)" in error.message
    assert "(--advance)" in error.message


@pytest.mark.parametrize("bound", [{"to_time": datetime(2027, 3, 1, tzinfo=UTC)}, {"advance_schedule": True}])
async def test_a_count_beyond_another_bound_is_not_told_of_the_schedules(pool, stored, bound):
    request = replace(REAL, count=99, skip_existing=True, attempt_name=None, **bound)
    error = await refused(pool, stored, request)

    assert "count is 99" in error.message
    assert "--advance" not in error.message


@pytest.mark.parametrize("request_", [REAL, DRY])
async def test_a_count_within_the_cap_is_taken_from_a_range_beyond_it(pool, stored, request_):
    limits = ScheduleLimits(max_points_per_request=3)

    assert [24, 25, 26] == days(await run(pool, stored, replace(request_, count=3), limits))


@pytest.mark.parametrize("dry", [True, False])
async def test_what_exists_already_does_not_count_against_the_cap(pool, stored, dry):
    limits = ScheduleLimits(max_points_per_request=3)
    skipping = replace(REAL, dry_run=dry, skip_existing=True, attempt_name=None)
    before = await refused(pool, stored, skipping, limits)
    await run(pool, stored, replace(REAL, count=3), limits)

    assert "more than 3 sessions of the range have no attempt yet" in before.message
    assert [27, 28, 1] == days(await run(pool, stored, skipping, limits))


async def test_what_one_request_looks_at_is_bounded_too(pool, stored):
    limits = ScheduleLimits(max_points_per_request=1)
    skipping = replace(REAL, from_time=NOON - timedelta(days=400), skip_existing=True, attempt_name=None)
    error = await refused(pool, stored, skipping, limits)

    assert "the range holds more than 10 sessions" in error.message


async def test_nothing_lies_behind_the_schedule(pool, stored):
    answer = await run(pool, stored, replace(REAL, from_time=NOON + timedelta(days=300), attempt_name=""))

    assert ([], None) == (list(answer.attempts), answer.backfill_id)
    assert 0 == await pool.fetchval("SELECT count(*) FROM backfills")


async def test_an_end_is_exclusive(pool, stored):
    assert [24, 25] == days(await run(pool, stored, replace(REAL, to_time=day(26))))


@pytest.mark.parametrize("request_", [REAL, DRY])
async def test_a_name_that_one_session_has_refuses_the_whole_request(pool, stored, request_):
    await ran(pool, stored, day(26), name="again!")
    with pytest.raises(Conflict, match=r"project id=1 workflow=w1 session_time=2027-02-26T00:00:00\+00:00"):
        await run(pool, stored, replace(request_, attempt_name="again!"))

    assert 1 == await pool.fetchval("SELECT count(*) FROM attempts")


async def test_another_name_runs_everything_again(pool, stored):
    await ran(pool, stored, day(26))
    answer = await run(pool, stored, REAL)

    assert [1, 1, 2, 1, 1, 1] == [attempt.index for attempt in answer.attempts]


async def test_sessions_that_exist_are_left_out_and_still_use_up_the_count(pool, stored):
    await ran(pool, stored, day(24), day(26), name="other")
    answer = await run(pool, stored, replace(REAL, skip_existing=True, count=4))

    assert [25, 27] == days(answer)


async def test_without_a_name_attempts_are_as_the_scheduler_makes_them(pool, stored):
    answer = await run(pool, stored, replace(REAL, skip_existing=True, attempt_name=None))

    assert {""} == {attempt.name for attempt in answer.attempts}


async def test_nothing_is_left_if_everything_exists(pool, stored):
    await run(pool, stored, REAL)
    answer = await run(pool, stored, replace(REAL, skip_existing=True))

    assert ([], None) == (list(answer.attempts), answer.backfill_id)
    assert 1 == await pool.fetchval("SELECT count(*) FROM backfills")


async def test_each_is_told_its_neighbours_and_the_last_that_was_executed(pool, stored):
    await ran(pool, stored, day(20))
    answer = await run(pool, stored, replace(REAL, count=2))

    assert [
        ("2027-02-23T00:00:00+00:00", "2027-02-25T00:00:00+00:00", "2027-02-20T00:00:00+00:00"),
        ("2027-02-24T00:00:00+00:00", "2027-02-26T00:00:00+00:00", "2027-02-24T00:00:00+00:00"),
    ] == [told(attempt.params) for attempt in answer.attempts]


async def test_on_an_empty_project_the_first_has_no_last_executed(pool, stored):
    answer = await run(pool, stored, REAL)

    assert "last_executed_session_time" not in answer.attempts[0].params


async def test_sessions_in_between_count_as_executed_where_existing_ones_are_skipped(pool, stored):
    await ran(pool, stored, day(25) + timedelta(hours=5))
    answer = await run(pool, stored, replace(REAL, skip_existing=True, count=3))

    assert "2027-02-25T05:00:00+00:00" == answer.attempts[2].params["last_executed_session_time"]


def told(params: Any) -> tuple[str, str, str]:
    names = ("last_session_time", "next_session_time", "last_executed_session_time")
    return tuple(params[name] for name in names)  # type: ignore[return-value]


async def test_a_dry_run_shows_the_same_and_writes_nothing(pool, stored):
    dry = await run(pool, stored, DRY)
    written = await pool.fetchval(
        "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM attempts) + (SELECT count(*) FROM backfills)"
        " + (SELECT count(*) FROM plan_items) + (SELECT count(*) FROM audit_log)"
    )
    real = await run(pool, stored, REAL)

    assert 0 == written
    assert dry.backfill_id is None
    assert [a.session_time for a in real.attempts] == [a.session_time for a in dry.attempts]
    assert [a.params for a in real.attempts] == [a.params for a in dry.attempts]
    assert ["queued", *["blocked"] * 5] == [a.status for a in dry.attempts] == [a.status for a in real.attempts]
    assert {(0, 0, 0)} == {(a.id, a.index, a.session_id) for a in dry.attempts}


@pytest.mark.parametrize(("options", "path"), [
    ({"advance_schedule": True, "attempt_name": None}, "/skipExisting"),
    ({"advance_schedule": True, "skip_existing": True}, "/attemptName"),
    ({"attempt_name": None}, "/attemptName"),
    ({"from_time": None}, "/fromTime"),
    ({"from_time": None, "skip_existing": True}, "/fromTime"),
    ({"count": -1}, "/count"),
    ({"max_in_flight": 0}, "/maxInFlight"),
    ({"max_in_flight": 11}, "/maxInFlight"),
    ({"to_time": NOON - timedelta(days=30)}, "/toTime"),
    ({"windows": {"mondy": []}}, "/dailyExecutionWindows/mondy"),
    ({"windows": {}}, "/dailyExecutionWindows"),
    ({"window_timezone": "Europe/Berlin"}, "/windowTimezone"),
    ({"windows": {"monday": []}, "window_timezone": "Mars/Base"}, "/windowTimezone"),
    ({"attempt_name": " "}, "/attemptName"),
    ({"attempt_name": "x" * 256}, "/attemptName"),
])  # fmt: skip
async def test_what_is_wrong_is_named(pool, stored, options, path):
    error = await refused(pool, stored, replace(REAL, **options))

    assert isinstance(error, Invalid)
    assert path in [fault.path for fault in error.faults]


async def test_all_that_is_wrong_among_the_options_is_told_at_once(pool, stored):
    error = await refused(pool, stored, replace(REAL, attempt_name=None, count=-1, max_in_flight=99))

    assert isinstance(error, Invalid)
    assert {"/attemptName", "/count", "/maxInFlight"} == {fault.path for fault in error.faults}


async def test_a_name_matters_only_where_there_is_something_to_name(pool, stored):
    late = replace(REAL, from_time=NOON + timedelta(days=9), attempt_name="x" * 256)

    assert [] == list((await run(pool, stored, late)).attempts)


async def test_an_unknown_schedule_is_not_found_whatever_else_is_wrong(pool):
    with pytest.raises(NotFound, match="schedule id=99999"):
        await maker(pool).run(ANNA, 99999, replace(REAL, attempt_name="", count=-1))


@pytest.mark.parametrize("dry", [True, False])
async def test_a_range_that_is_too_long_is_refused_before_its_count_is(pool, stored, dry):
    limits = ScheduleLimits(max_points_per_request=3)
    error = await refused(pool, stored, replace(REAL, dry_run=dry, count=99), limits)

    assert "more than 3 sessions" in error.message


async def test_a_request_that_would_crowd_the_queue_makes_nothing(pool, stored):
    await run(pool, stored, replace(REAL, attempt_name="first"))
    with pytest.raises(Invalid, match="Limit: 8, Current: 6, wanted: 6"):
        await run(pool, stored, REAL, ScheduleLimits(max_waiting_attempts=8))

    assert 6 == await pool.fetchval("SELECT count(*) FROM attempts")


async def test_a_disabled_workflow_is_refused(pool, stored):
    await pool.execute("UPDATE workflows SET enabled = false")
    error = await refused(pool, stored, REAL)

    assert "disabled" in error.message


async def test_an_advance_catches_up_to_now_and_moves_the_schedule(pool, stored):
    await pool.execute("UPDATE schedules SET disabled_at = $1", NOON)
    answer = await run(pool, stored, ADVANCE, at=NOON + timedelta(days=3))
    moved = await ScheduleStore(pool).find(stored.id)

    assert [2, 3, 4] == days(answer)
    assert moved is not None
    assert (day(5, 3), day(5, 3) + timedelta(hours=9), day(4, 3)) == (
        moved.next_session_at, moved.next_run_at, moved.last_session_at
    )  # fmt: skip
    assert moved.disabled_at is not None
    assert ["backfill.create", "backfill.status", "schedule.advance"] == [
        row["action"] for row in await pool.fetch("SELECT action FROM audit_log ORDER BY id")
    ]


async def test_an_advance_moves_a_schedule_whose_sessions_all_exist(pool, stored):
    await ran(pool, stored, day(2, 3), day(3, 3), day(4, 3))
    answer = await run(pool, stored, ADVANCE, at=NOON + timedelta(days=3))
    moved = await ScheduleStore(pool).find(stored.id)

    assert ([], None) == (list(answer.attempts), answer.backfill_id)
    assert moved is not None
    assert day(5, 3) == moved.next_session_at


@pytest.mark.parametrize(("options", "at"), [
    ({"dry_run": True}, NOON + timedelta(days=3)), ({}, NOON), ({"count": 0}, NOON + timedelta(days=3)),
    ({"from_time": NOON - timedelta(days=20), "count": 2}, NOON + timedelta(days=3)),
])  # fmt: skip
async def test_an_advance_leaves_the_schedule_alone(pool, stored, options, at):
    await run(pool, stored, replace(ADVANCE, **options), at=at)

    assert stored == await ScheduleStore(pool).find(stored.id)


async def test_an_advance_that_counts_leaves_the_schedule_at_the_first_that_is_not_covered(pool, stored):
    await run(pool, stored, replace(ADVANCE, count=2), at=NOON + timedelta(days=3))
    moved = await ScheduleStore(pool).find(stored.id)

    assert moved is not None
    assert day(4, 3) == moved.next_session_at


async def test_an_advance_of_a_finished_schedule_covers_what_is_missing_up_to_its_end(pool):
    stored = await make_schedule(pool, DAILY | {"end": "2027-03-03"})
    await run(pool, stored, ADVANCE, at=NOON + timedelta(days=30))
    moved = await ScheduleStore(pool).find(stored.id)

    assert moved is not None
    assert datetime(9999, 1, 1, tzinfo=UTC) == moved.next_session_at == moved.next_run_at


async def test_of_many_equal_requests_at_once_one_is_carried_out(pool, stored):
    answers = await asyncio.gather(*(run(pool, stored, REAL) for _ in range(6)), return_exceptions=True)

    assert 1 == sum(isinstance(answer, ScheduleBackfillAnswer) for answer in answers)
    assert 5 == sum(isinstance(answer, Conflict) for answer in answers)
    assert 6 == await pool.fetchval("SELECT count(*) FROM attempts")
    assert 1 == await pool.fetchval("SELECT count(*) FROM backfills")


async def test_the_autumn_hour_that_comes_twice_is_covered_twice(pool):
    stored = await make_schedule(
        pool,
        {"hourly>": "00:00"},
        timezone="America/Los_Angeles",
        next_session_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
    )
    answer = await run(pool, stored, replace(REAL, from_time=datetime(2026, 11, 1, 7, tzinfo=UTC)))

    assert [7, 8, 9, 10, 11] == [attempt.session_time.hour for attempt in answer.attempts]


async def test_windows_and_limits_are_those_of_any_backfill(pool, stored):
    windows = {"monday": [{"run_start_time": "22:00", "run_end_time": "23:00"}]}
    request = replace(REAL, windows=windows, window_timezone="Asia/Tokyo", max_in_flight=4, stop_on_failure=True)
    await run(pool, stored, request)
    id, exclusive = await pool.fetchrow("SELECT id, exclusive FROM backfills")
    made = await BackfillStore(pool).get(id)

    assert ("schedule", windows, "Asia/Tokyo", 4, True, False) == (
        made.kind, made.settings.daily_execution_windows, made.settings.timezone, made.settings.max_in_flight,
        made.settings.stop_on_failure, exclusive,
    )  # fmt: skip


async def ended(pool: Pool, *times: datetime, succeeded: bool) -> None:
    """The newest attempts of some sessions have ended."""
    await pool.execute(
        "UPDATE attempts SET finished_at = $2, succeeded = $3 WHERE session_id IN"
        " (SELECT id FROM sessions WHERE session_time = ANY ($1::timestamptz[]))",
        list(times), NOON, succeeded,
    )  # fmt: skip


async def test_what_succeeded_is_left_out_and_what_failed_or_is_missing_runs(pool, stored):
    await ran(pool, stored, day(25), day(26), day(27))
    await ended(pool, day(25), day(27), succeeded=True)
    await ended(pool, day(26), succeeded=False)
    dry = await run(pool, stored, replace(DRY, skip_succeeded=True))
    made = await run(pool, stored, replace(REAL, skip_succeeded=True))

    assert [day(26), day(28), day(1, 3)] == [one.session_time for one in made.attempts][-3:]
    assert [one.session_time for one in dry.attempts] == [one.session_time for one in made.attempts]
    assert [day(25), day(27)] == [mark.session_time for mark in dry.left_out or ()]
    assert "2027-02-27T00:00:00+00:00" == made.attempts[-2].params["last_executed_session_time"]


@pytest.mark.parametrize(("changes", "path"), [
    ({"skip_existing": True}, "/skipSucceeded"), ({"attempt_name": None}, "/attemptName"),
    ({"advance_schedule": True}, "/skipExisting"),
])  # fmt: skip
async def test_leaving_out_what_succeeded_goes_with_a_name_alone(pool, stored, changes, path):
    problem = await refused(pool, stored, replace(REAL, **{"skip_succeeded": True} | changes))

    assert isinstance(problem, Invalid)
    assert path in [fault.path for fault in problem.faults]


LOOKS = [
    REAL, replace(REAL, skip_existing=True), replace(REAL, skip_succeeded=True), replace(REAL, count=2), ADVANCE,
    replace(REAL, max_in_flight=3), replace(REAL, to_time=day(27)), replace(ADVANCE, count=1),
    replace(REAL, from_time=NOON),
]  # fmt: skip


@pytest.mark.parametrize("request_", LOOKS)
async def test_what_is_looked_at_is_what_is_made(pool, stored, request_):
    await ran(pool, stored, day(26), day(27))
    await ended(pool, day(26), succeeded=True)
    look = await maker(pool, FakeClock(NOON + timedelta(days=2))).look(stored.id, request_)
    made = await run(pool, stored, replace(request_, plan_digest=look.digest), at=NOON + timedelta(days=2))

    runs = [one.slot.session_time for one in look.fates if one.fate == "run"]
    assert runs == [one.session_time for one in made.attempts]
    assert look.moves_to is None or look.moves_to.session_time == made.next_session_at


async def test_a_look_tells_whose_name_is_taken_and_of_that_nothing_is_made(pool, stored):
    await ran(pool, stored, day(26), name="again")
    look = await maker(pool, FakeClock()).look(stored.id, REAL)

    assert [day(26)] == [one.slot.session_time for one in look.fates if one.fate == "taken"]
    with pytest.raises(Conflict):
        await run(pool, stored, REAL)
