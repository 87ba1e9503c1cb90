"""Whoever is to be told is told, though the whole process dies between the change and the message.

A message may come twice, under one id: nobody can know whether one arrived of which the answer was lost.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest
from tests.crash.mortal import Mortal, points
from tests.engine.notifications.listening import Listening, listening
from tests.support.waiting import eventually

from backfilld.crash_points import Point

ENTITIES = [f"T{number}" for number in range(20)]
TOLD = ["backfill.created", "backfill.completed"]
BETWEEN = (
    Point.NOTICES_AFTER_COMMIT,
    Point.DELIVERY_TAKEN,
    Point.DELIVERY_ANSWERED,
    Point.DELIVERY_NOTED,
)


@pytest.fixture
async def hook() -> AsyncIterator[Listening]:
    async with listening() as hook:
        yield hook


@pytest.fixture
def mortal(daemon, target, dsn, point, hook) -> Mortal:
    mortal = Mortal(daemon, target, dsn, point)
    more = f'[[notifications]]\nname = "desk"\nurl = "{hook.url}"\n'
    daemon.configure(replace(daemon.plan, more=more))
    return mortal


async def a_minute_passes(dsn: str) -> None:
    """So that what a dead process had taken is due again."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("UPDATE deliveries SET next_attempt_at = created_at WHERE next_attempt_at IS NOT NULL")
    finally:
        await connection.close()


@points(Point.NOTICES_BEFORE_COMMIT, slow=BETWEEN)
@pytest.mark.parametrize("passes", [1, pytest.param(2, marks=pytest.mark.slow)], ids=["at birth", "at the end"])
async def test_no_message_is_lost_whoever_dies_over_it(mortal, hook, passes):
    await mortal.start(mortal.point, passes=passes)
    await mortal.daemon.upload(ENTITIES)
    await mortal.is_cut_off(mortal.create())
    await mortal.dies()
    await a_minute_passes(mortal.dsn)
    await mortal.start()
    id = await mortal.create()
    await eventually(lambda: set(hook.types) == set(TOLD), seconds=30)
    await mortal.daemon.ends(id)
    arrived = Counter(hook.ids)

    assert 2 == len(arrived)
    assert 2 <= arrived.total() <= (3 if mortal.point is Point.DELIVERY_ANSWERED else 2)
    assert 0 == await mortal.count("SELECT count(*) FROM deliveries WHERE dead_at IS NOT NULL")


@points(slow=(Point.RESEND_BEFORE_COMMIT, Point.RESEND_AFTER_COMMIT))
async def test_dead_letters_are_sent_again_or_that_was_never_asked_for(mortal, hook):
    hook.answers = [410, 200]
    await mortal.start(mortal.point)
    await mortal.daemon.upload(ENTITIES)
    await mortal.daemon.ends(await mortal.create())
    await eventually(lambda: deads(mortal, 2), seconds=30)
    cut_off = await mortal.is_cut_off(mortal.daemon.client.resend_delivery("desk"))
    await mortal.dies()
    left = await mortal.count("SELECT count(*) FROM deliveries WHERE dead_at IS NOT NULL")
    told = await mortal.count("SELECT count(*) FROM audit_log WHERE action = 'notification.resend'")
    await mortal.start()
    await mortal.daemon.client.resend_delivery("desk")
    await eventually(lambda: hook.types.count("backfill.completed") and "backfill.created" in hook.types[1:])
    was_asked_for = mortal.point is Point.RESEND_AFTER_COMMIT

    assert cut_off
    assert (0, 1) == (left, told) if was_asked_for else (2, 0) == (left, told)


async def deads(mortal: Mortal, number: int) -> bool:
    return number == await mortal.count("SELECT count(*) FROM deliveries WHERE dead_at IS NOT NULL")
