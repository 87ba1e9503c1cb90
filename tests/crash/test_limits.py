"""A limit that was reached in the commit in which the daemon died is reached after the restart, before any start."""

from collections import Counter

import pytest
from tests.crash.mortal import ENTITIES, MAX_IN_FLIGHT, Mortal, points
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

from backfilld.crash_points import Point


@pytest.fixture
def mortal(daemon, target, dsn, point) -> Mortal:
    return Mortal(daemon, target, dsn, point)


async def is_paused(mortal: Mortal, id: str) -> bool:
    return await mortal.status(id) == "paused"


@points(Point.LIMIT_BEFORE_PAUSE, slow=(Point.LIMIT_AFTER_PAUSE,))
async def test_too_many_failures_stop_it_though_the_daemon_dies_of_it(mortal):
    mortal.target.script = lambda _: Reply(422, 0.02)
    await mortal.start(mortal.point)
    await mortal.daemon.upload(ENTITIES)
    await mortal.is_cut_off(mortal.create(failure_policy=None))
    await mortal.lives_again()
    id = await mortal.create(failure_policy=None)
    await eventually(lambda: is_paused(mortal, id))
    calls = Counter(call.generation for call in mortal.target.calls)
    reason = (await mortal.daemon.backfill(id))["status_reason"]

    assert "too_many_failures" == reason["code"]
    assert "the last 20 failed in a row" in reason["message"]
    assert 20 <= calls[0] < 20 + MAX_IN_FLIGHT
    assert 0 == calls[1]


@points(slow=(Point.RECORDER_AFTER_COMMIT,))
async def test_the_twentieth_in_a_row_is_counted_over_kills(mortal):
    """It dies after one commit, and again after seven, with up to five in flight that are repeated."""
    mortal.target.script = lambda _: Reply(422, 0.02)
    await mortal.start(mortal.point)
    await mortal.daemon.upload(ENTITIES)
    await mortal.is_cut_off(mortal.create(failure_policy=None))
    await mortal.dies()
    await mortal.start(mortal.point, passes=7)
    await mortal.lives_again()
    id = await mortal.create(failure_policy=None)
    await eventually(lambda: is_paused(mortal, id))
    failed = await mortal.count("SELECT failed FROM backfill_progress")

    assert 20 <= failed < 20 + MAX_IN_FLIGHT
