"""Daemons die while they fire schedules and run attempts: afterwards each slot has its session, which has run."""

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest
from tests.crash.mortal import Mortal, points
from tests.support.daemon import Plan, daemon_process
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

from backfilld.crash_points import Point
from backfilld.store.connection.pool import Pool, open_pool

EVERY_SECOND = {"schedule": {"seconds_interval>": 1}}


@asynccontextmanager
async def open_pool_on(dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(dsn, size=2)
    try:
        yield pool
    finally:
        await pool.close()


async def assert_every_slot_has_run(pool: Pool, *, at_least: int) -> list[datetime]:
    """Wait for so many sessions that have run; there is one for every second, each with one attempt that succeeded."""
    enough = "SELECT count(*) >= $1 FROM attempts WHERE succeeded"
    await eventually(lambda: pool.fetchval(enough, at_least), seconds=40)
    rows = await pool.fetch("SELECT session_time, attempts FROM sessions ORDER BY session_time")
    times = [row["session_time"] for row in rows]
    failed = await pool.fetchval("SELECT count(*) FROM attempts WHERE finished_at IS NOT NULL AND NOT succeeded")

    assert {1.0} == {(after - before).total_seconds() for before, after in pairwise(times)}
    assert {1} == {row["attempts"] for row in rows}
    assert 0 == failed
    return times


def calls_by_key(target) -> Counter[str]:
    target.look_now()
    return Counter(call.key for call in target.calls)


@points(
    Point.ATTEMPT_BEGUN,
    slow=(
        Point.FIRE_BEFORE_COMMIT,
        Point.FIRE_AFTER_COMMIT,
        Point.ATTEMPT_TAKEN,
        Point.ATTEMPT_BEFORE_END,
        Point.ATTEMPT_ENDED,
    ),
)
async def test_no_slot_is_lost_or_fired_twice(daemon, target, dsn, point):
    mortal = Mortal(daemon, target, dsn, point)
    daemon.configure(replace(daemon.plan, workflow=EVERY_SECOND))
    await mortal.start(point, passes=2)
    await mortal.lives_again()
    async with open_pool_on(dsn) as pool:
        times = await assert_every_slot_has_run(pool, at_least=6)
    calls = calls_by_key(target)

    assert len(calls) <= len(times) + 1  # one may have been fired since
    assert sum(calls.values()) - len(calls) <= 1  # at most what was under way is repeated


@pytest.mark.slow
async def test_two_daemons_fire_and_run_each_session_once_though_one_is_killed(daemon, scratch, target, dsn):
    daemon.configure(replace(daemon.plan, workflow=EVERY_SECOND))
    target.script = lambda _: Reply(seconds=0.05)
    async with daemon_process(scratch / "other", Plan(target.url, dsn, workflow=EVERY_SECOND)) as other:
        await daemon.start()
        await other.start()
        async with open_pool_on(dsn) as pool:
            await assert_every_slot_has_run(pool, at_least=3)
            before = calls_by_key(target)
            daemon.signal(signal.SIGKILL)
            await daemon.ended()
            times = await assert_every_slot_has_run(pool, at_least=8)
    calls = calls_by_key(target)

    assert {1} == set(before.values())
    assert len(times) <= len(calls) <= len(times) + 1
    assert sum(calls.values()) - len(calls) <= 2  # what the dead one had under way


@pytest.mark.slow
async def test_an_attempt_that_kills_the_daemon_ends_interrupted_and_its_neighbours_succeed(daemon, target, dsn):
    first: list[str] = []

    def script(call):
        first[:] = first or [call.key]
        if call.key == first[0]:
            os.kill(daemon.pid, signal.SIGKILL)
        return Reply(seconds=0.2)

    target.script = script
    daemon.configure(replace(daemon.plan, workflow=EVERY_SECOND))
    await daemon.start()
    async with open_pool_on(dsn) as pool:
        for _ in range(4):  # among what starts anew at first, then alone
            await daemon.ended(seconds=60)
            target.next_generation()
            await daemon.launch()
        await daemon.becomes_ready()
        await eventually(lambda: pool.fetchval("SELECT count(*) >= 8 FROM attempts WHERE succeeded"), seconds=40)
        failed = await pool.fetch("SELECT error_class FROM attempts WHERE finished_at IS NOT NULL AND NOT succeeded")

    assert ["interrupted"] == [row["error_class"] for row in failed]
    assert 4 == calls_by_key(target)[first[0]]
