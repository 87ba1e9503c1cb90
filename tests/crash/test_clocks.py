"""Clocks that are stepped, and zone rules that change between two starts, seen from a target."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import tzdata
from tests.crash.accounts import assert_exact, assert_keys_never_change
from tests.support.bent_world import BentWorld
from tests.support.daemon import DAYS
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

ENTITIES = [f"T{number:05}" for number in range(5_000)]
ON_THE_WIRE_SECONDS = 0.25
NOTICED_WITHIN_SECONDS = 60.0
NOON_TO_ONE = {day: [{"run_start_time": "12:00", "run_end_time": "13:00"}] for day in DAYS}


@pytest.fixture
def world(scratch):
    return BentWorld(scratch / "world.json")


def set_clock(world, hour, minute=0):
    """To that time of today (UTC)."""
    now = datetime.now(UTC)
    world.bend(seconds=(now.replace(hour=hour, minute=minute, second=0) - now).total_seconds())


async def arrivals_in_the_next_second(target):
    """How many, what was on its way already left out."""
    await asyncio.sleep(ON_THE_WIRE_SECONDS)
    target.look_now()
    before = len(target.calls)
    await asyncio.sleep(1)
    target.look_now()
    return len(target.calls) - before


async def reason_of(daemon, id):
    found = (await daemon.backfill(id))["status_reason"]
    return found["code"] if found else None


@pytest.mark.slow
async def test_a_daemon_whose_clock_is_stepped_by_hours_keeps_to_the_window_and_notices_within_a_minute(
    daemon, target, dsn, world
):
    target.script = lambda _: Reply(seconds=0.01)
    set_clock(world, 12, 10)
    daemon.live_in(world)
    await daemon.start()
    await daemon.upload(ENTITIES)
    id = await daemon.create(daily_execution_windows=NOON_TO_ONE)
    await eventually(lambda: len(target.calls) > 200)
    set_clock(world, 15)
    late = await arrivals_in_the_next_second(target)
    await eventually(lambda: _is(daemon, id, "outside_window"))
    set_clock(world, 12, 20)
    seen = len(target.calls)
    await eventually(lambda: len(target.calls) > seen, seconds=NOTICED_WITHIN_SECONDS + 10)
    set_clock(world, 11)
    early = await arrivals_in_the_next_second(target)
    await daemon.kill()
    target.next_generation()
    set_clock(world, 12, 30)
    await daemon.start()
    ended = await daemon.ends(id, seconds=120)
    await assert_exact(daemon, dsn, id, planned=len(ENTITIES))

    assert (0, 0) == (late, early)
    assert "completed" == ended["status"]
    assert_keys_never_change(target)


async def _is(daemon, id, code):
    return await reason_of(daemon, id) == code


def zone_data_with(folder: Path, zone: str, rules_of: str) -> str:
    """A `tzdata` package in which one zone has the rules of another: the path to be put in front."""
    package = folder / "tzdata"
    shutil.copytree(Path(tzdata.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(package / "zoneinfo" / rules_of, package / "zoneinfo" / zone)
    return str(folder)


def from_an_hour_ago_in_tokyo():
    """Every day, for three hours: local times that are now in Tokyo, and nowhere near Abidjan."""
    now = datetime.now(UTC) + timedelta(hours=9)
    start, end = now - timedelta(hours=1), now + timedelta(hours=2)
    window = {"run_start_time": f"{start:%H:%M}", "run_end_time": f"{end:%H:%M}"}
    return {day: [window] for day in DAYS}, start


@pytest.mark.slow
async def test_zone_rules_that_change_between_two_starts_are_in_force_at_once(daemon, target, dsn, scratch):
    target.script = lambda _: Reply(seconds=0.01)
    windows, start = from_an_hour_ago_in_tokyo()
    await daemon.start()
    await daemon.upload(ENTITIES)
    id = await daemon.create(daily_execution_windows=windows, timezone="Africa/Abidjan")
    await eventually(lambda: _is(daemon, id, "outside_window"))
    waits = await daemon.backfill(id)
    before = len(target.calls)
    await daemon.stop()
    daemon.environment["PYTHONPATH"] = zone_data_with(scratch / "zones", "Africa/Abidjan", "Asia/Tokyo")
    await daemon.start()
    await eventually(lambda: len(target.calls) > 200)
    await daemon.kill()
    target.next_generation()
    meanwhile = len(target.calls)
    del daemon.environment["PYTHONPATH"]
    await daemon.start()
    await eventually(lambda: _is(daemon, id, "outside_window"))
    again = await daemon.backfill(id)
    await daemon.client.cancel_backfill(id)
    await daemon.ends(id)
    await assert_exact(daemon, dsn, id, planned=len(ENTITIES))

    opens_at = f"{start:%H:%M}"
    assert 0 == before
    assert meanwhile == len(target.calls)
    assert {opens_at} == {one["status_reason"]["until"][11:16] for one in (waits, again)}
    assert_keys_never_change(target)


async def stands(dsn):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchrow("SELECT id, next_session_at, next_run_at FROM schedules")
    finally:
        await connection.close()


async def sessions(dsn):
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT s.session_time, s.attempts FROM sessions AS s ORDER BY 1")
    finally:
        await connection.close()
    return [tuple(row) for row in rows]


@pytest.mark.slow
async def test_schedules_follow_zone_rules_that_change_between_two_starts_and_what_is_planned_stays(
    daemon, target, dsn, scratch
):
    runs_at = datetime.now(UTC) + timedelta(hours=9, seconds=20)  # by the clock of Abidjan; by that of Tokyo, soon
    daemon.plan.workflow = {"timezone": "Africa/Abidjan", "schedule": {"daily>": f"{runs_at:%H:%M:%S}"}}
    daemon.configure(daemon.plan)
    await daemon.start()
    first = await stands(dsn)
    since = first["next_session_at"] - timedelta(days=3)
    body = {"fromTime": since.isoformat(), "attemptName": "again", "dryRun": False}
    made = await daemon.client.digdag.backfill_schedule(first["id"], body)
    planned = await sessions(dsn)
    await daemon.stop()
    daemon.environment["PYTHONPATH"] = zone_data_with(scratch / "zones", "Africa/Abidjan", "Asia/Tokyo")
    await daemon.start()
    await eventually(lambda: daemon.events("schedule moved"))
    moved = await stands(dsn)
    await eventually(lambda: _is_fired(dsn, len(planned) + 1), seconds=40)
    fired = await sessions(dsn)
    await daemon.stop()
    del daemon.environment["PYTHONPATH"]
    await daemon.start()
    await eventually(lambda: daemon.events("schedule moved"))
    back = await stands(dsn)

    assert made["backfillId"]
    assert 3 == len(planned)
    assert (first["next_session_at"] - timedelta(hours=9), first["next_run_at"] - timedelta(hours=9)) == moved[1:]
    assert [*planned, (moved["next_session_at"], 1)] == fired
    assert first["next_session_at"] + timedelta(days=1) == back["next_session_at"]


async def _is_fired(dsn, count):
    return count == len(await sessions(dsn))
