"""kill -9 at any instant changes neither what is done nor what is counted."""

import asyncio
import os
import random
import time
from dataclasses import replace

import pytest
from tests.crash.accounts import (
    assert_audit_is_whole,
    assert_exact,
    assert_keys_never_change,
    assert_never_above,
    repeats,
    rows_of,
)
from tests.support.daemon import DaemonProcess
from tests.support.logging_target import Call, LoggingTarget, Reply
from tests.support.waiting import eventually

MAX_IN_FLIGHT = 10
STARTS_AGAIN_WITHIN = 5.0


def seeded() -> random.Random:
    """Another sequence of kills in each run; the seed is printed, and BACKFILLD_TEST_SEED repeats it."""
    seed = int(os.environ.get("BACKFILLD_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"BACKFILLD_TEST_SEED={seed}")
    return random.Random(seed)


def busy(draw: random.Random, seconds: float):
    """A target that takes a while, and longer now and then."""

    def script(_: Call) -> Reply:
        return Reply(seconds=draw.expovariate(1 / seconds))

    return script


async def first_start_after(target: LoggingTarget, generation: int) -> float:
    """When the first call of a life arrived."""
    await eventually(lambda: target.most_live[generation], seconds=10)
    return next(call.arrived_at for call in target.calls if call.generation == generation)


async def killed_again_and_again(
    daemon: DaemonProcess, target: LoggingTarget, draw: random.Random, *, kills: int, longest: float
) -> list[float]:
    """Kill and restart at random instants; the seconds from each kill to the first start afterwards, where seen."""
    delays = []
    for number in range(kills):
        await asyncio.sleep(draw.uniform(0, longest))
        killed_at = time.monotonic()
        await daemon.kill()
        target.next_generation()
        await daemon.launch()
        if number % 4 == 3 or number == kills - 1:  # the others may be killed before they start anything
            delays.append(await first_start_after(target, target.generation) - killed_at)
    return delays


@pytest.mark.parametrize(
    ("entities", "seconds", "kills", "longest", "max_unrecorded"),
    [  # However the kills fall and however quick the machine is, ten at a time leave something for after the last kill.
        pytest.param(1_000, 0.016, 2, 0.75, 20, id="few"),
        pytest.param(25_000, 0.012, 24, 1.5, 100, id="many", marks=pytest.mark.slow),
        pytest.param(30_000, 0.020, 24, 3.0, 10, id="many-at-full-speed", marks=pytest.mark.slow),
    ],
)
async def test_random_kills_lose_nothing_and_count_nothing_twice(
    daemon, target, dsn, entities, seconds, kills, longest, max_unrecorded
):
    draw = seeded()
    target.script = busy(draw, seconds)
    daemon.configure(replace(daemon.plan, engine={"max_unrecorded": max_unrecorded}))
    await daemon.start()
    await daemon.upload([f"T{number:05}" for number in range(entities)])
    id = await daemon.create(max_in_flight=MAX_IN_FLIGHT)
    await eventually(lambda: target.calls)
    delays = await killed_again_and_again(daemon, target, draw, kills=kills, longest=longest)
    await daemon.serving()
    unfinished = (await daemon.backfill(id))["pending_count"]
    ended = await daemon.ends(id, seconds=120)
    found = await assert_exact(daemon, dsn, id, planned=entities)
    done = {call.entity_id for call in target.calls if call.status == 200}
    print(f"{kills} kills, {repeats(target)} repeats, first starts after {[round(delay, 2) for delay in delays]} s")

    assert unfinished > 0, "it was over before the last kill"
    assert ("completed", entities) == (ended["status"], found["succeeded"])
    assert done == {row.entity_id for row in await rows_of(dsn, id)}
    assert_keys_never_change(target)
    assert_never_above(target, MAX_IN_FLIGHT)
    await assert_audit_is_whole(dsn, id)
    assert repeats(target) <= kills * (max_unrecorded + MAX_IN_FLIGHT)
    assert min(delays) <= STARTS_AGAIN_WITHIN  # the others tell how busy the machine was with something else
