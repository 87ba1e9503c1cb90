"""The tick of the schedules: each slot that is due becomes one session, whoever looks and whenever he dies."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.clock import NOON, FakeClock
from tests.support.schedules import make_schedule

from backfilld.bus import Bus
from backfilld.domain.schedules import FINISHED_AT
from backfilld.engine.schedules import full_house
from backfilld.engine.schedules.firing import LOOKS_AGAIN, Firing
from backfilld.events import (
    AttemptEnded,
    Event,
    SchedulePostponed,
    SchedulesGoOn,
    SchedulesWait,
    SessionFired,
    SlotsLeftOut,
)
from backfilld.store.connection.pool import Pool
from backfilld.store.schedules import firing
from backfilld.store.sessions.sessions import NewAttempts, open_attempts

HOURLY = {"hourly>": "00:00"}
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class Tick:
    """One process's tick, and what it told."""

    def __init__(self, pool: Pool, clock: FakeClock, most_unfinished: int = 100) -> None:
        self.pool, self.clock = pool, clock
        self.told: list[Event] = []
        self.bus = bus = Bus()
        bus.listen(self.told.append)
        self.firing = Firing(pool, clock, bus, most_unfinished=most_unfinished)

    async def at(self, now: datetime) -> datetime | None:
        self.clock.set(now)
        return await self.firing.tick()

    async def sessions(self) -> list[datetime]:
        rows = await self.pool.fetch("SELECT session_time FROM sessions ORDER BY id")
        return [row["session_time"] for row in rows]

    async def attempts(self) -> list[Any]:
        return await self.pool.fetch("SELECT * FROM attempts ORDER BY id")

    async def schedule(self) -> Any:
        return await self.pool.fetchrow("SELECT * FROM schedules")

    async def finish(self) -> None:
        await self.pool.execute("UPDATE attempts SET finished_at = $1, succeeded = true", self.clock.now())

    def kinds(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


@pytest.fixture
def tick(pool: Pool, clock: FakeClock) -> Tick:
    return Tick(pool, clock)


async def test_a_slot_that_is_due_becomes_a_session_with_its_attempt(tick, pool):
    stored = await make_schedule(pool, {"daily>": "09:00:00"}, timezone="Asia/Tokyo")
    wake_at = await tick.at(stored.next_run_at)
    (attempt,) = await tick.attempts()

    assert [stored.next_session_at] == await tick.sessions()
    assert ("", 1, f"schedule:{stored.id}", "Asia/Tokyo") == (
        attempt["name"], attempt["index"], attempt["created_by"], attempt["timezone"],
    )  # fmt: skip
    assert '"next_session_time":"2027-03-03T00:00:00+09:00"' in attempt["params"]
    assert "last_executed_session_time" not in attempt["params"]
    assert wake_at == stored.next_run_at + timedelta(days=1) == (await tick.schedule())["next_run_at"]
    assert [attempt["id"]] == [event.attempt_id for event in tick.kinds(SessionFired)]


async def test_nothing_fires_before_its_run_time(tick, pool):
    stored = await make_schedule(pool, {"hourly>": "20:00"})

    assert stored.next_run_at == await tick.at(stored.next_run_at - timedelta(seconds=1))
    assert [] == await tick.sessions()


async def test_missed_slots_come_at_once_oldest_first_each_knowing_the_one_before(tick, pool):
    stored = await make_schedule(pool, HOURLY)
    await tick.at(NOON + 30 * HOUR)
    params = [attempt["params"] for attempt in await tick.attempts()]

    assert [stored.next_session_at + n * HOUR for n in range(31)] == await tick.sessions()
    assert "last_executed" not in params[0]
    assert '"last_executed_session_time":"2027-03-01T12:00:00+00:00"' in params[1]
    assert NOON + 30 * HOUR == (await tick.schedule())["last_session_at"]


async def test_a_session_that_somebody_has_started_already_is_fine(tick, pool):
    stored = await make_schedule(pool, HOURLY)
    wanted = NewAttempts(
        stored.project_id, stored.workflow_id, stored.revision_id, "UTC", "", "anna", NOON, [stored.next_session_at]
    )
    async with pool.acquire() as connection:
        await open_attempts(connection, wanted)
    await tick.at(stored.next_run_at)

    assert 1 == len(await tick.attempts())
    assert stored.next_session_at + HOUR == (await tick.schedule())["next_session_at"]
    assert [None] == [event.attempt_id for event in tick.kinds(SessionFired)]


@pytest.mark.parametrize("how", ["schedule", "workflow"])
async def test_what_is_disabled_does_not_fire(tick, pool, how):
    await make_schedule(pool, HOURLY)
    if how == "schedule":
        await pool.execute("UPDATE schedules SET disabled_at = $1", NOON)
    else:
        await pool.execute("UPDATE workflows SET enabled = false")

    assert await tick.at(NOON + 5 * HOUR) is None
    assert [] == await tick.sessions()


async def test_without_options_sessions_run_beside_each_other(tick, pool):
    await make_schedule(pool, HOURLY)
    await tick.at(NOON)
    await tick.at(NOON + HOUR)

    assert [NOON, NOON + HOUR] == await tick.sessions()


async def test_while_one_runs_on_overtime_slots_are_left_out(tick, pool):
    await make_schedule(pool, {**HOURLY, "skip_on_overtime": True})
    await tick.at(NOON)
    await tick.at(NOON + HOUR)
    await tick.at(NOON + 5 * HOUR)
    await tick.finish()
    await tick.at(NOON + 6 * HOUR)

    assert [NOON, NOON + 6 * HOUR] == await tick.sessions()
    assert [(NOON + HOUR, 1), (NOON + 2 * HOUR, 4)] == [
        (event.session_time, event.slots) for event in tick.kinds(SlotsLeftOut)
    ]
    assert '"last_executed_session_time":"2027-03-01T12:00:00+00:00"' in (await tick.attempts())[1]["params"]


async def test_an_attempt_that_is_being_killed_does_not_hold_up_the_next_one(tick, pool):
    await make_schedule(pool, {**HOURLY, "skip_on_overtime": True})
    await tick.at(NOON)
    await pool.execute("UPDATE attempts SET cancel_requested_at = $1", NOON)
    await tick.at(NOON + HOUR)

    assert [NOON, NOON + HOUR] == await tick.sessions()


@pytest.mark.parametrize(("late", "expected"), [(29, 1), (30, 1), (31, 0)])
async def test_a_slot_that_is_too_late_is_left_out(tick, pool, late, expected):
    stored = await make_schedule(pool, {**HOURLY, "skip_delayed_by": "30s"})
    await tick.at(stored.next_run_at + timedelta(seconds=late))

    assert expected == len(await tick.sessions())
    assert stored.next_session_at + HOUR == (await tick.schedule())["next_session_at"]


async def test_after_a_long_outage_only_what_is_not_too_late_runs(tick, pool):
    await make_schedule(pool, {"minutes_interval>": 1, "skip_delayed_by": "2m"})
    await tick.at(NOON + 100 * HOUR + MINUTE / 2)

    assert [NOON + 100 * HOUR - MINUTE, NOON + 100 * HOUR] == await tick.sessions()
    assert 5999 == sum(event.slots for event in tick.kinds(SlotsLeftOut))


async def test_what_was_left_out_is_not_brought_back_by_a_push(tick, pool):
    stored = await make_schedule(pool, {**HOURLY, "skip_delayed_by": "30s"})
    await tick.at(stored.next_run_at + MINUTE)

    assert stored.next_session_at + HOUR == (await tick.schedule())["skipped_to"]


async def test_at_the_limit_a_slot_is_kept_until_there_is_room(pool, clock):
    tick = Tick(pool, clock, most_unfinished=3)
    await make_schedule(pool, HOURLY)
    now = NOON + 5 * HOUR
    wake_at = await tick.at(now)
    row = await tick.schedule()
    await tick.at(now + 5 * MINUTE)
    held = len(await tick.sessions())
    await tick.finish()
    await tick.at(now + 6 * MINUTE)

    assert (NOON + 3 * HOUR, NOON + 3 * HOUR) == (row["next_session_at"], row["next_run_at"])
    assert now + LOOKS_AGAIN == wake_at
    assert (3, 6) == (held, len(await tick.sessions()))


async def test_whichever_slot_waits_longest_fires_first_when_an_attempt_ends(pool, clock):
    tick = Tick(pool, clock, most_unfinished=1)
    schedules = [await make_schedule(pool, {"hourly>": f"{minutes:02}:00"}) for minutes in (0, 10, 20, 30)]
    await tick.at(NOON)
    for minutes in range(60, 95):
        await tick.at(NOON + minutes * MINUTE)  # each has missed a slot, and the first of them another one by now
        await tick.finish()

    ids = [schedule.id for schedule in schedules]
    assert [*ids, *ids] == [event.schedule_id for event in tick.kinds(SessionFired)][:8]


async def test_an_attempt_that_ends_wakes_the_tick_only_while_schedules_wait(pool, clock):
    tick = Tick(pool, clock, most_unfinished=1)
    nudges = []
    tick.firing.nudge = lambda: nudges.append(clock.now())  # type: ignore[method-assign]
    ended = AttemptEnded(1, "w1", NOON, "succeeded")
    await make_schedule(pool, HOURLY)
    await tick.at(NOON)
    tick.bus.tell(ended)
    await tick.at(NOON + HOUR)
    tick.bus.tell(ended)

    assert [NOON + HOUR] == nudges


async def test_a_time_without_room_is_told_once_however_many_wait(pool, clock):
    tick = Tick(pool, clock, most_unfinished=1)
    for _ in range(5):
        await make_schedule(pool, HOURLY)
    for minutes in range(10):
        await tick.at(NOON + minutes * MINUTE)
    for minutes in range(10, 15):
        await tick.finish()
        await tick.at(NOON + minutes * MINUTE)

    assert [1] == [event.unfinished for event in tick.kinds(SchedulesWait)]
    assert [] == tick.kinds(SchedulePostponed)
    assert 1 == len(tick.kinds(SchedulesGoOn))
    assert 5 == len(await tick.sessions())


async def test_a_slot_is_left_out_when_it_is_due_though_there_is_no_room_for_others(pool, clock):
    tick = Tick(pool, clock, most_unfinished=1)
    first = await make_schedule(pool, HOURLY)
    await tick.at(NOON)
    strict = await make_schedule(pool, {"hourly>": "30:00", "skip_on_overtime": True})
    await pool.execute("UPDATE attempts SET workflow_id = $1", strict.workflow_id)
    await tick.at(NOON + HOUR)

    assert [NOON] == await tick.sessions()
    assert {first.id: NOON + HOUR, strict.id: NOON + 90 * MINUTE} == {
        row["id"]: row["next_run_at"] for row in await pool.fetch("SELECT * FROM schedules")
    }
    assert [strict.id] == [event.schedule_id for event in tick.kinds(SlotsLeftOut)]


async def test_schedules_that_wait_are_not_all_looked_at_again_whenever_somebody_ends(pool, clock):
    tick = Tick(pool, clock, most_unfinished=1)
    for _ in range(20):
        await make_schedule(pool, HOURLY)
    await tick.at(NOON)
    looks = []
    lock_due = firing.lock_due

    async def counted(*args):
        looks.append(args)
        return await lock_due(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(firing, "lock_due", counted)
        await tick.finish()
        await tick.at(NOON + MINUTE)

    assert 2 == len(await tick.sessions())
    assert 3 == len(looks)  # one fires, one finds no room, and there is nobody new


async def test_attempts_of_backfills_do_not_count_against_the_limit(pool, clock):
    tick = Tick(pool, clock, most_unfinished=1)
    stored = await make_schedule(pool, HOURLY)
    wanted = NewAttempts(
        stored.project_id, stored.workflow_id, stored.revision_id, "UTC", "again", "anna", NOON,
        [NOON - n * HOUR for n in range(1, 4)], backfill_number=1,
    )  # fmt: skip
    async with pool.acquire() as connection:
        await open_attempts(connection, wanted)
    await tick.at(NOON)

    assert 4 == len(await tick.sessions())


UNREADABLE = """UPDATE revisions SET definition = '{"schedule": {"hourly>": "gone"}}'"""
REFUSED = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION refuse()"""


@pytest.mark.parametrize("fault", [UNREADABLE, REFUSED + "WHEN"])
async def test_what_cannot_be_fired_keeps_its_slot_and_the_others_fire(tick, pool, fault):
    broken = await make_schedule(pool, HOURLY)
    await pool.execute(fault.replace("ROW EXECUTE", f"ROW WHEN (NEW.workflow_id = {broken.workflow_id}) EXECUTE")
                       .removesuffix("WHEN"))  # fmt: skip
    other = await make_schedule(pool, HOURLY)
    wake_at = await tick.at(NOON)
    await tick.at(NOON + MINUTE)
    rows = {row["id"]: row for row in await pool.fetch("SELECT * FROM schedules")}

    assert (NOON, NOON) == (rows[broken.id]["next_session_at"], rows[broken.id]["next_run_at"])
    assert NOON + HOUR == rows[other.id]["next_session_at"] == wake_at
    assert [(broken.id, NOON + HOUR)] == [(event.schedule_id, event.until) for event in tick.kinds(SchedulePostponed)]


@pytest.mark.parametrize("jump", [timedelta(days=-3650), timedelta(days=3650), timedelta(0)])
async def test_it_is_looked_at_again_after_an_hour_whatever_the_wall_clock_does(tick, pool, jump):
    schedule = await make_schedule(pool, HOURLY, next_session_at=NOON - timedelta(days=4000))
    await pool.execute(UNREADABLE)
    looks = []
    for pause in (timedelta(0), MINUTE, HOUR):
        tick.clock.suspend(pause)
        await tick.firing.tick()
        looks.append(len(tick.kinds(SchedulePostponed)))
        tick.clock.set(NOON + jump)

    assert [1, 1, 2] == looks
    assert NOON - timedelta(days=4000) == (await tick.schedule())["next_run_at"]
    assert schedule.id == tick.kinds(SchedulePostponed)[0].schedule_id


async def test_it_is_looked_at_as_soon_as_somebody_changes_when_it_is_due(tick, pool):
    await make_schedule(pool, HOURLY)
    await pool.execute(UNREADABLE)
    await tick.at(NOON)
    await pool.execute("""UPDATE revisions SET definition = '{"schedule": {"hourly>": "00:00"}}'""")
    await pool.execute("UPDATE schedules SET next_run_at = $1", NOON + MINUTE)
    await tick.at(NOON + MINUTE)

    assert [NOON] == await tick.sessions()


async def test_a_finished_schedule_stands_at_the_end_of_time_and_stays_there(tick, pool):
    await make_schedule(pool, {"daily>": "09:00:00", "end": "2027-03-02"})
    await tick.at(NOON + 72 * HOUR)
    wake_at = await tick.at(datetime(9999, 6, 1, tzinfo=UTC))

    assert 1 == len(await tick.sessions())
    assert FINISHED_AT == (await tick.schedule())["next_run_at"]
    assert wake_at is None


async def test_no_hour_is_lost_when_clocks_are_set_back(tick, pool):
    await make_schedule(
        pool, HOURLY, next_session_at=datetime(2027, 11, 7, 5, tzinfo=UTC), timezone="America/Los_Angeles"
    )
    await tick.at(datetime(2027, 11, 7, 12, tzinfo=UTC))

    assert [datetime(2027, 11, 7, hour, tzinfo=UTC) for hour in range(5, 13)] == await tick.sessions()


async def test_a_fixed_time_fires_once_on_the_day_when_clocks_are_set_back(tick, pool):
    await make_schedule(
        pool, {"cron>": "30 1 * * *"}, next_session_at=datetime(2027, 11, 7, tzinfo=UTC),
        timezone="America/Los_Angeles",
    )  # fmt: skip
    await tick.at(datetime(2027, 11, 8, tzinfo=UTC))

    assert [datetime(2027, 11, 7, 9, 30, tzinfo=UTC)] == await tick.sessions()


async def test_a_clock_that_is_set_back_fires_nothing_twice(tick, pool):
    await make_schedule(pool, HOURLY)
    for now in (NOON + HOUR, NOON - 5 * HOUR, NOON + HOUR):
        await tick.at(now)

    assert [NOON, NOON + HOUR] == await tick.sessions()


async def test_many_that_look_at_once_fire_each_session_once(pool, clock):
    ticks = [Tick(pool, clock, most_unfinished=1000) for _ in range(4)]
    for _ in range(5):
        await make_schedule(pool, HOURLY)
    for now in (NOON + 30 * HOUR, NOON + 31 * HOUR):
        clock.set(now)
        for _ in range(3):
            await asyncio.gather(*(tick.firing.tick() for tick in ticks))
    rows = await pool.fetch(
        "SELECT workflow_id, count(*) AS n, count(DISTINCT session_time) AS d FROM sessions GROUP BY 1"
    )

    assert [(32, 32)] * 5 == [(row["n"], row["d"]) for row in rows]
    assert 160 == await pool.fetchval("SELECT count(*) FROM attempts")


async def test_many_that_look_at_once_stay_within_the_limit(pool, clock):
    ticks = [Tick(pool, clock, most_unfinished=7) for _ in range(4)]
    for _ in range(4):
        await make_schedule(pool, HOURLY)
    clock.set(NOON + 30 * HOUR)
    await asyncio.gather(*(tick.firing.tick() for tick in ticks))

    assert 7 == await pool.fetchval("SELECT count(*) FROM attempts")


async def test_a_drained_tick_fires_nothing(tick, pool):
    await make_schedule(pool, HOURLY)
    tick.firing.drain()
    await tick.at(NOON)

    assert [] == await tick.sessions()


async def test_room_is_counted_once_however_many_slots_one_transaction_fires(tick, pool, monkeypatch):
    stored = await make_schedule(pool, HOURLY)
    counted: list[int] = []

    async def count(connection, most: int) -> int:
        counted.append(await firing.count_crowd(connection, most))
        return counted[-1]

    monkeypatch.setattr(full_house, "count_crowd", count)
    await tick.at(stored.next_run_at + 25 * HOUR)

    assert 26 == len(await tick.attempts())
    assert [0, 20] == counted


async def test_room_that_ends_within_a_transaction_leaves_the_next_slot_waiting(pool, clock):
    tick = Tick(pool, clock, most_unfinished=3)
    stored = await make_schedule(pool, HOURLY)
    await tick.at(stored.next_run_at + 9 * HOUR)

    assert 3 == len(await tick.attempts())
    assert stored.next_run_at + 3 * HOUR == (await tick.schedule())["next_run_at"]
