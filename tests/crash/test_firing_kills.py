"""The daemon dies while it fires a schedule: afterwards each slot has its session, and exactly one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.crash.mortal import Mortal
from tests.support.waiting import eventually

from backfilld.crash_points import Point
from backfilld.store.pool import Pool, open_pool

EVERY_SECOND = {"schedule": {"seconds_interval>": 1}}


@asynccontextmanager
async def open_pool_on(dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(dsn, size=2)
    try:
        yield pool
    finally:
        await pool.close()


@pytest.mark.parametrize("point", [Point.FIRE_BEFORE_COMMIT, Point.FIRE_AFTER_COMMIT], ids=str)
async def test_no_slot_is_lost_or_fired_twice(daemon, target, dsn, point):
    mortal = Mortal(daemon, target, dsn, point)
    daemon.configure(replace(daemon.plan, workflow=EVERY_SECOND))
    await mortal.start(point, passes=2)
    await mortal.lives_again()
    async with open_pool_on(dsn) as pool:
        await eventually(lambda: pool.fetchval("SELECT count(*) > 5 FROM sessions"), seconds=30)
        rows = await pool.fetch("SELECT session_time, attempts FROM sessions ORDER BY session_time")
        attempts = await pool.fetchval("SELECT count(*) FROM attempts")
    times = [row["session_time"] for row in rows]

    assert {1.0} == {(after - before).total_seconds() for before, after in pairwise(times)}
    assert {1} == {row["attempts"] for row in rows}
    assert attempts >= len(rows)
