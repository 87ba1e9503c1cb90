"""kill -9 while there is no plan yet, while items are being tried again, and while a cancel is being carried out."""

import asyncio
from collections import Counter
from dataclasses import replace

import asyncpg
import pytest
from tests.crash.accounts import assert_exact, assert_keys_never_change, assert_never_above, repeats, rows_of
from tests.crash.test_random_kills import seeded
from tests.support.logging_target import Reply
from tests.support.waiting import eventually


async def killed_soon(daemon, target, draw, *, longest):
    """Kill within `longest` seconds, and start again."""
    await asyncio.sleep(draw.uniform(0, longest))
    await daemon.kill()
    target.next_generation()
    await daemon.start()


@pytest.mark.slow
@pytest.mark.parametrize("order", ["source", "newest_first"])
async def test_a_plan_that_is_made_over_several_lives_holds_everything_once(daemon, target, dsn, order):
    draw = seeded()
    ids = [f"T{number:05}" for number in range(40_000)]
    await daemon.start()
    await daemon.upload(ids)
    id = await daemon.create(order=order, start="when_approved")
    planning = []
    for _ in range(3):
        planning.append((await daemon.backfill(id))["status"])
        await killed_soon(daemon, target, draw, longest=0.3)
    await eventually(lambda: is_paused(daemon, id), seconds=30)
    planned = [row.entity_id for row in await rows_of(dsn, id)]
    await daemon.client.cancel_backfill(id)
    await daemon.ends(id)

    assert "planning" == planning[0]
    assert sorted(planned) == ids
    assert 0 == len(target.calls)
    await assert_exact(daemon, dsn, id, planned=len(ids))


async def is_paused(daemon, id):
    return "paused" == (await daemon.backfill(id))["status"]


@pytest.mark.slow
async def test_a_cancel_that_is_interrupted_is_carried_out_by_the_next_life(daemon, target, dsn):
    draw = seeded()
    ids = [f"T{number:06}" for number in range(60_000)]
    target.script = lambda _: Reply(seconds=0.01)
    await daemon.start()
    await daemon.upload(ids)
    id = await daemon.create()
    await eventually(lambda: len(target.calls) > 100)
    cancelling = asyncio.create_task(daemon.client.cancel_backfill(id))
    await eventually(lambda: is_cancelling(dsn, id))
    for _ in range(5):
        await killed_soon(daemon, target, draw, longest=0.2)
        target.look_now()
    await asyncio.wait([cancelling])
    cancelling.exception()
    ended = await daemon.ends(id)
    found = await assert_exact(daemon, dsn, id, planned=len(ids))

    assert "cancelled" == ended["status"]
    assert {0} == {call.generation for call in target.calls}  # no later life started anything
    assert found["succeeded"] <= len(target.calls) < len(ids)


async def is_cancelling(dsn, id):
    connection = await asyncpg.connect(dsn)
    try:
        return "running" != await connection.fetchval("SELECT status FROM backfills WHERE id = $1", id)
    finally:
        await connection.close()


def fate(call):
    """In a hundred entities two fail for good, five only at their first attempt, and two are skipped."""
    number = int(call.entity_id[1:])
    if number % 50 == 7:
        return Reply(422, seconds=0.01)
    if number % 20 == 3 and call.attempt == 1:
        return Reply(500, seconds=0.01)
    return Reply(seconds=0.01)


@pytest.mark.slow
async def test_items_that_are_tried_again_are_counted_once_over_all_lives(daemon, target, dsn):
    entities, kills = 5_000, 10
    draw = seeded()
    target.script = fate
    daemon.configure(replace(daemon.plan, engine={"max_unrecorded": 20}))
    await daemon.start()
    await daemon.upload([f"T{number:05}" for number in range(entities)])
    id = await daemon.create()
    await eventually(lambda: len(target.calls) > 50)
    for _ in range(kills):
        await killed_soon(daemon, target, draw, longest=1.0)
    ended = await daemon.ends(id, seconds=90)
    rows = await rows_of(dsn, id)
    await assert_exact(daemon, dsn, id, planned=entities)
    failed = {row.entity_id: row.error_class for row in rows if row.status == "failed"}
    attempts = Counter(row.attempts for row in rows if int(row.entity_id[1:]) % 20 == 3 and row.status == "succeeded")

    assert "completed_with_failures" == ended["status"]
    assert {f"T{number:05}": "http_422" for number in range(7, entities, 50)} == failed
    assert 1 not in attempts
    assert_keys_never_change(target)
    assert_never_above(target, 10)
    assert repeats(target) <= kills * (20 + 10) + sum(count * (tries - 1) for tries, count in attempts.items())
