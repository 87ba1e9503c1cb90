"""Kills near the moments at which windows open and close: nothing starts outside of them all the same."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.crash.accounts import (
    assert_audit_is_whole,
    assert_exact,
    assert_keys_never_change,
    assert_never_above,
    repeats,
    rows_of,
)
from tests.crash.test_random_kills import MAX_IN_FLIGHT, busy, seeded

MAX_UNRECORDED = 100  # engine.max_unrecorded of a daemon under test, unless it is set


def zone_at_noon(now: datetime) -> str:
    """A zone in which no window of the next hours meets midnight. Etc/GMT-9 is nine hours *ahead*."""
    ahead = 12 - now.hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "UTC"


def windows_of(openings: list[tuple[datetime, datetime]], zone: ZoneInfo):
    def text(at: datetime) -> str:
        return at.astimezone(zone).strftime("%H:%M:%S")

    day = openings[0][0].astimezone(zone).strftime("%A").lower()
    return {day: [{"run_start_time": text(opens), "run_end_time": text(closes)} for opens, closes in openings]}


@pytest.mark.slow
async def test_kills_around_the_edges_of_windows_start_nothing_outside_of_them(daemon, target, dsn):
    draw = seeded()
    target.script = busy(draw, 0.008)
    await daemon.start()
    await daemon.upload([f"T{number:05}" for number in range(8_000)])
    now = datetime.now(UTC).replace(microsecond=0)
    zone = zone_at_noon(now)
    # open for four seconds, closed for three, again and again, then open for long
    edges = [(now + timedelta(seconds=7 * n), now + timedelta(seconds=7 * n + 4)) for n in range(6)]
    openings = [*edges, (now + timedelta(seconds=42), now + timedelta(hours=2))]
    id = await daemon.create(
        max_in_flight=MAX_IN_FLIGHT, daily_execution_windows=windows_of(openings, ZoneInfo(zone)), timezone=zone
    )
    kills = 0
    while datetime.now(UTC) < openings[-1][0] or kills < 20:
        await asyncio.sleep(draw.uniform(0.5, 2.8))
        await daemon.kill()
        kills += 1
        target.next_generation()
        await daemon.launch()
    await daemon.serving()
    ended = await daemon.ends(id, seconds=60)
    await assert_exact(daemon, dsn, id, planned=8_000)
    starts = [row.started_at for row in await rows_of(dsn, id)]
    arrivals = [call.arrived_on for call in target.calls]
    on_the_wire = timedelta(seconds=0.25)
    in_first_windows = sum(at < openings[-1][0] for at in arrivals)
    print(f"{kills} kills, {in_first_windows} starts in the short windows")

    assert "completed" == ended["status"]
    assert in_first_windows > 100
    assert [] == [at for at in starts if not any(opens <= at < closes for opens, closes in openings)]
    assert [] == [at for at in arrivals if not any(opens <= at < closes + on_the_wire for opens, closes in openings)]
    assert_keys_never_change(target)
    assert_never_above(target, MAX_IN_FLIGHT)
    assert repeats(target) <= kills * (MAX_UNRECORDED + MAX_IN_FLIGHT)
    await assert_audit_is_whole(dsn, id)
