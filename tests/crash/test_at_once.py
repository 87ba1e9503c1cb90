"""After the answer to a pause or a cancel nothing starts: zero, not "within a second".

The target closes every connection after its answer, so that each start needs a new one: the longest way
there is from the decision to the first byte.
"""

import asyncio
import random
from datetime import UTC, datetime

import pytest
from tests.crash.accounts import assert_exact, repeats, rows_of
from tests.support.logging_target import LoggingTarget, Reply
from tests.support.waiting import eventually

TRIALS = 30
IDS = [f"T{number:05}" for number in range(10_000)]
LONG_ENOUGH = 0.05  # for anything that was still on its way to arrive


@pytest.fixture
async def target():
    async with LoggingTarget(keeps_connections=False) as target:
        yield target


async def late_arrivals(target):
    """How many requests come after this moment; what the kernel holds already came before it."""
    target.look_now()
    before = len(target.calls)
    await asyncio.sleep(LONG_ENOUGH)
    target.look_now()
    return len(target.calls) - before


async def some_more(target, count):
    wanted = len(target.calls) + count
    await eventually(lambda: len(target.calls) >= wanted)


async def test_after_the_answer_to_a_pause_nothing_arrives_at_the_target(daemon, target, dsn):
    draw = random.Random(1)
    target.script = lambda _: Reply(seconds=draw.uniform(0, 0.01))
    await daemon.start()
    await daemon.upload(IDS)
    id = await daemon.create()
    late, seconds = [], []
    for _ in range(TRIALS):
        await some_more(target, draw.randrange(1, 60))
        began = asyncio.get_running_loop().time()
        await daemon.client.pause_backfill(id)
        seconds.append(asyncio.get_running_loop().time() - began)
        late.append(await late_arrivals(target))
        await daemon.client.resume_backfill(id)
    await daemon.client.cancel_backfill(id)
    await daemon.ends(id)
    print(f"pauses answered within {max(seconds):.3f} s")

    assert [0] * TRIALS == late
    assert max(seconds) < 1.0
    assert 0 == repeats(target)
    await assert_exact(daemon, dsn, id, planned=len(IDS))


@pytest.mark.parametrize("in_flight", ["drain", pytest.param("cancel", marks=pytest.mark.slow)])
async def test_after_the_answer_to_a_cancel_nothing_arrives_at_the_target(daemon, target, dsn, in_flight):
    draw = random.Random(2)
    target.script = lambda _: Reply(seconds=draw.uniform(0, 0.02))
    await daemon.start()
    late, started_late = [], []
    for _ in range(TRIALS // 3):
        id = await daemon.create(entity_type="none", entity_ids=IDS[:500])
        await some_more(target, draw.randrange(1, 60))
        await daemon.client.cancel_backfill(id, in_flight=in_flight)
        answered_on = datetime.now(UTC)
        late.append(await late_arrivals(target))
        ended = await daemon.ends(id)
        rows = await rows_of(dsn, id)
        started_late += [row for row in rows if row.started_at is not None and row.started_at > answered_on]

        assert "cancelled" == ended["status"]
        assert 500 == ended["cancelled_count"] + ended["succeeded_count"]

    assert [0] * (TRIALS // 3) == late
    assert [] == started_late
