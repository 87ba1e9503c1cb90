"""Disabling, enabling and skipping schedules: what they come to, and what stays behind for later pushes."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.clock import NOON, FakeClock
from tests.support.schedules import ANNA, make_schedule

from backfilld.domain.errors import Invalid, NotFound
from backfilld.domain.schedules import FINISHED_AT
from backfilld.operations.schedules.place import place_schedule
from backfilld.operations.schedules.steer import AlreadyPast, ScheduleOperations
from backfilld.store.connection.pool import Pool

DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)
TOMORROW = MIDNIGHT + DAY  # where a daily schedule stands at noon
NINE = timedelta(hours=9)


@pytest.fixture
def operations(pool: Pool, clock: FakeClock) -> ScheduleOperations:
    return ScheduleOperations(pool, clock)


async def test_a_disabled_schedule_says_since_when_and_again_since_when(operations, pool, clock):
    stored = await make_schedule(pool)
    first = await operations.disable(ANNA, stored.id, why="broken")
    clock.set(NOON + DAY)
    again = await operations.disable(ANNA, stored.id)

    assert [NOON, NOON + DAY] == [first.disabled_at, again.disabled_at]
    assert stored.next_session_at == again.next_session_at
    rows = await pool.fetch("SELECT actor, subject, reason FROM audit_log WHERE action = 'schedule.disable'")
    assert (ANNA.identity, f"schedule/{stored.id}", "broken") == tuple(rows[0])


async def test_enabling_goes_on_from_now_unless_told_otherwise(operations, pool, clock):
    stored = await make_schedule(pool)
    await operations.disable(ANNA, stored.id)
    clock.set(NOON + 5 * DAY)
    enabled = await operations.enable(ANNA, stored.id)

    assert enabled.disabled_at is None
    assert (TOMORROW + 5 * DAY, TOMORROW + 5 * DAY + NINE) == (enabled.next_session_at, enabled.next_run_at)


async def test_enabling_without_a_skip_leaves_what_was_missed_to_be_run(operations, pool, clock):
    stored = await make_schedule(pool)
    await operations.disable(ANNA, stored.id)
    clock.set(NOON + 5 * DAY)

    assert TOMORROW == (await operations.enable(ANNA, stored.id, skip_schedule=False)).next_session_at


async def test_enabling_when_there_is_nothing_to_skip_is_fine(operations, pool):
    stored = await make_schedule(pool)
    twice = [await operations.enable(ANNA, stored.id), await operations.enable(ANNA, stored.id)]

    assert [TOMORROW, TOMORROW] == [enabled.next_session_at for enabled in twice]


@pytest.mark.parametrize(
    ("schedule", "next_time", "session", "run"),
    [
        ({"daily>": "09:00:00"}, "2027-03-05T09:00:00+00:00", MIDNIGHT + 4 * DAY, MIDNIGHT + 4 * DAY + NINE),
        ({"daily>": "09:00:00"}, "2027-03-05T09:00", MIDNIGHT + 4 * DAY, MIDNIGHT + 4 * DAY + NINE),
        ({"daily>": "09:00:00"}, "2027-03-05T09:00:00.000000001Z", MIDNIGHT + 5 * DAY, MIDNIGHT + 5 * DAY + NINE),
        ({"hourly>": "20:00"}, "2027-03-05T09:30:00Z", MIDNIGHT + 4 * DAY + timedelta(hours=10), None),
    ],
)
async def test_enabling_lands_on_the_first_slot_that_runs_then(operations, pool, schedule, next_time, session, run):
    stored = await make_schedule(pool, schedule)
    await operations.disable(ANNA, stored.id)
    enabled = await operations.enable(ANNA, stored.id, next_time=next_time)

    assert session == enabled.next_session_at
    assert (run or session + timedelta(minutes=20)) == enabled.next_run_at


async def test_a_skip_by_the_wall_clock_means_that_of_the_workflow(operations, pool):
    stored = await make_schedule(pool, timezone="Asia/Tokyo")
    skipped = await operations.skip(ANNA, stored.id, next_time="2027-03-10T09:00:00", dry_run=False)

    assert datetime(2027, 3, 9, 15, tzinfo=UTC) == skipped.next_session_at


async def test_a_skip_to_a_day_later_moves_by_exactly_one_day(operations, pool):
    stored = await make_schedule(pool)
    skipped = await operations.skip(
        ANNA, stored.id, next_time=(stored.next_session_at + DAY).isoformat(), dry_run=False
    )

    assert [stored.next_session_at + DAY, stored.next_run_at + DAY] == [skipped.next_session_at, skipped.next_run_at]


@pytest.mark.parametrize(("count", "days"), [(1, 1), (3, 3)])
async def test_a_skip_by_count_goes_so_many_slots_on(operations, pool, count, days):
    stored = await make_schedule(pool)
    skipped = await operations.skip(
        ANNA, stored.id, from_time="2027-03-01T12:00:00Z", count=count, next_run_time="2027-03-20T01:02:03Z",
        dry_run=False,
    )  # fmt: skip

    assert stored.next_session_at + days * DAY == skipped.next_session_at
    assert datetime(2027, 3, 20, 1, 2, 3, tzinfo=UTC) == skipped.next_run_at


async def test_a_dry_run_changes_nothing(operations, pool):
    stored = await make_schedule(pool)
    would = await operations.skip(ANNA, stored.id, next_time="2027-04-01T09:00", dry_run=True)
    row = await pool.fetchrow("SELECT next_session_at, skipped_to FROM schedules")

    assert datetime(2027, 4, 1, tzinfo=UTC) == would.next_session_at
    assert (TOMORROW, None) == tuple(row)
    assert 0 == await pool.fetchval("SELECT count(*) FROM audit_log")


@pytest.mark.parametrize("options", [{"next_time": "2027-03-02T09:00"}, {"from_time": "2027-01-01T00:00Z", "count": 3}])
async def test_a_skip_goes_forward_only(operations, pool, options):
    stored = await make_schedule(pool)

    with pytest.raises(AlreadyPast, match="already past"):
        await operations.skip(ANNA, stored.id, dry_run=False, **options)


async def test_a_skip_behind_the_end_finishes_the_schedule(operations, pool):
    stored = await make_schedule(pool, {"daily>": "09:00:00", "end": "2027-03-20"})
    skipped = await operations.skip(ANNA, stored.id, next_time="2027-04-01T00:00", dry_run=False)

    assert FINISHED_AT == skipped.next_session_at
    assert TOMORROW + timedelta(seconds=1) == skipped.skipped_to


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({}, [""]),
        ({"count": 3}, [""]),
        ({"from_time": "2027-03-05T00:00Z"}, [""]),
        ({"from_time": "2027-03-05T00:00Z", "count": -1}, ["/count"]),
        ({"next_time": "tomorrow", "next_run_time": "2027-03-05T00:00"}, ["/nextTime", "/nextRunTime"]),
        ({"next_time": "2027-02-30T00:00"}, ["/nextTime"]),
        ({"next_time": "9999-12-31T23:59:59-23:59"}, ["/nextTime"]),
    ],
)
async def test_every_fault_of_a_skip_is_told_at_once(operations, pool, options, paths):
    stored = await make_schedule(pool)

    with pytest.raises(Invalid) as problem:
        await operations.skip(ANNA, stored.id, dry_run=True, **options)
    assert paths == [fault.path for fault in problem.value.faults]


async def test_a_schedule_that_is_not_there_is_not_found(operations):
    for verb in (operations.enable(ANNA, 9), operations.disable(ANNA, 9), operations.skip(ANNA, 9, dry_run=True)):
        with pytest.raises(NotFound):
            await verb


async def test_no_push_rewinds_what_was_skipped(operations, pool):
    stored = await make_schedule(pool)
    await operations.skip(ANNA, stored.id, next_time="2027-03-10T09:00", dry_run=False)
    new = {"schedule": {"hourly>": "00:00"}}
    async with pool.acquire() as connection, connection.transaction():
        await place_schedule(connection, stored.workflow_id, stored.definition, new, NOON)

    assert datetime(2027, 3, 10, tzinfo=UTC) == await pool.fetchval("SELECT next_session_at FROM schedules")


@pytest.mark.parametrize(("cron", "hour"), [("30 2 * * *", 1), ("30 * * * *", None), ("0 7 * * *", None)])
@pytest.mark.parametrize("verb", ["enable", "skip"])
async def test_a_next_time_that_comes_twice_is_the_session_of_the_schedule_or_refused(
    operations, pool, verb, cron, hour
):
    stored = await make_schedule(pool, {"cron>": cron}, timezone="Europe/Berlin")
    steer = {
        "enable": lambda: operations.enable(ANNA, stored.id, next_time="2027-10-31T02:30"),
        "skip": lambda: operations.skip(ANNA, stored.id, next_time="2027-10-31T02:30", dry_run=False),
    }[verb]
    if hour is not None:
        assert datetime(2027, 10, 31, hour, 30, tzinfo=UTC) == (await steer()).next_session_at
        return
    with pytest.raises(Invalid) as refused:
        await steer()

    ((path, message),) = [(fault.path, fault.message) for fault in refused.value.faults]
    assert "/nextTime" == path
    assert "2027-10-31T02:30:00+02:00 or 2027-10-31T02:30:00+01:00" in message
