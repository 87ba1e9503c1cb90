"""After the answer to a pause or a cancel nothing starts: zero, not "within a second".

The target closes every connection after its answer, so that each start needs a new one: the longest way
there is from the decision to the first byte. Some trials in the quick ring, hundreds in the slow one; each
asks at another moment, with one up to forty requests since the last.
"""

import asyncio
import random
import time
from datetime import UTC, datetime

import pytest
from tests.crash.accounts import assert_audit_is_whole, assert_exact, repeats, rows_of
from tests.crash.test_two_daemons import daemon_of, other_than, who
from tests.support.logging_target import LoggingTarget, Reply
from tests.support.waiting import eventually

IDS = [f"T{number:05}" for number in range(12_200)]
FEW = IDS[:300]
MOST_BETWEEN = 40  # requests between two trials
LONG_ENOUGH = 0.05  # for anything that was still on its way to arrive
MANY = pytest.param(200, marks=pytest.mark.slow)


def enough_for(trials):
    """What is not over before the last trial is."""
    return IDS[: 1_000 + 56 * trials]


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


async def paused_again_and_again(whom, target, id, trials):
    """Requests that came after each answer to a pause, and how long the answers took; `whom` gives whom to ask."""
    draw = random.Random(1)
    target.script = lambda _: Reply(seconds=draw.uniform(0, 0.01))
    late, seconds = [], []
    for _ in range(trials):
        await some_more(target, draw.randrange(1, MOST_BETWEEN))
        asked, began = whom(), time.monotonic()
        await asked.client.pause_backfill(id)
        seconds.append(time.monotonic() - began)
        late.append(await late_arrivals(target))
        await asked.client.resume_backfill(id)
    print(f"{trials} pauses answered within {max(seconds):.3f} s")
    return late, seconds


async def assert_steered(daemon, target, dsn, id, trials):
    """It goes on after all of that, and each of it is written down."""
    before = len(target.calls)
    await some_more(target, 20)
    await daemon.client.cancel_backfill(id)
    await daemon.ends(id)
    told = await assert_audit_is_whole(dsn, id)

    assert len(target.calls) > before
    assert 0 == repeats(target)
    assert (trials, trials, 1) == (told["backfill.pause"], told["backfill.resume"], told["backfill.cancel"])
    await assert_exact(daemon, dsn, id, planned=len(enough_for(trials)))


@pytest.mark.parametrize("trials", [5, MANY])
async def test_after_the_answer_to_a_pause_nothing_arrives_at_the_target(daemon, target, dsn, trials):
    await daemon.start()
    await daemon.upload(enough_for(trials))
    id = await daemon.create()
    late, seconds = await paused_again_and_again(lambda: daemon, target, id, trials)

    assert [0] * trials == late
    assert max(seconds) < 1.0
    await assert_steered(daemon, target, dsn, id, trials)


@pytest.mark.parametrize("trials", [MANY])
async def test_nor_if_the_daemon_was_asked_that_is_not_the_owner(scratch, target, dsn, trials):
    async with daemon_of("A", scratch, target, dsn) as one, daemon_of("B", scratch, target, dsn) as other:
        daemons = {"A": one, "B": other}
        await one.make_key()
        other.api_key = one.api_key
        await one.start()
        await other.start()
        await one.upload(enough_for(trials))
        id = await one.create()
        late, seconds = await paused_again_and_again(
            lambda: daemons[other_than(who(target.calls[-1]))], target, id, trials
        )
        told = [daemon.events("lease lost") for daemon in daemons.values()]
        await assert_steered(one, target, dsn, id, trials)

    assert [0] * trials == late
    assert max(seconds) < 5.0
    assert [[], []] == told


@pytest.mark.parametrize("trials", [4, MANY])
async def test_after_the_answer_to_a_cancel_nothing_arrives_at_the_target(daemon, target, dsn, trials):
    draw = random.Random(2)
    target.script = lambda _: Reply(seconds=draw.uniform(0, 0.02))
    await daemon.start()
    late, started_late = [], []
    for trial in range(trials):
        id = await daemon.create(entity_type="none", entity_ids=FEW)
        await some_more(target, draw.randrange(1, MOST_BETWEEN))
        await daemon.client.cancel_backfill(id, in_flight=("drain", "cancel")[trial % 2])
        answered_on = datetime.now(UTC)
        late.append(await late_arrivals(target))
        ended = await daemon.ends(id)
        rows = await rows_of(dsn, id)
        started_late += [row for row in rows if row.started_at is not None and row.started_at > answered_on]

        assert "cancelled" == ended["status"]
        assert len(FEW) == ended["cancelled_count"] + ended["succeeded_count"]
        assert 1 == (await assert_audit_is_whole(dsn, id))["backfill.cancel"]

    assert [0] * trials == late
    assert [] == started_late
