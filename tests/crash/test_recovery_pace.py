"""After a kill the pace is back within seconds, and what kills the daemon late is found though many recover at once."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.crash.accounts import assert_exact, assert_keys_never_change, assert_never_above, repeats, rows_of
from tests.crash.test_random_kills import seeded
from tests.support.daemon import DaemonProcess
from tests.support.logging_target import LoggingTarget, Reply
from tests.support.waiting import eventually

MAX_IN_FLIGHT, MAX_UNRECORDED = 10, 200
MOST_DEATHS = 5
POISON = "P01"
KILLS_AFTER = 1.0
BACKFILLS = 20

pytestmark = pytest.mark.slow


def names(count: int) -> list[str]:
    return [f"T{number:05}" for number in range(count)]


@pytest.mark.parametrize(
    ("entities", "seconds", "within"), [(200, 5.0, 6.0), (4_000, 0.05, 20.0)], ids=["five seconds each", "50 ms each"]
)
async def test_after_a_kill_at_any_time_the_pace_is_back_within_seconds(daemon, target, entities, seconds, within):
    draw = seeded()
    target.script = lambda _: Reply(seconds=seconds)
    daemon.configure(replace(daemon.plan, engine={"max_unrecorded": MAX_UNRECORDED}))
    await daemon.start()
    await daemon.upload(names(entities))
    id = await daemon.create(max_in_flight=MAX_IN_FLIGHT)
    delays = []
    for _ in range(3):
        await eventually(lambda: is_at_full_pace(daemon, target, id), seconds=60)
        await asyncio.sleep(draw.uniform(0, seconds + 1))
        await daemon.kill()
        target.next_generation()
        began = time.monotonic()
        await daemon.start()
        await eventually(lambda: target.live[target.generation] == MAX_IN_FLIGHT, seconds=60)
        delays.append(time.monotonic() - began)
    repeated = repeats(target)
    await daemon.client.cancel_backfill(id)
    print(f"full pace after {[round(delay, 2) for delay in delays]} s, {repeated} repeats in 3 kills")

    assert max(delays) <= within
    assert repeated <= 3 * 3 * MAX_IN_FLIGHT  # those in flight, and as many that may have been and were not
    assert_never_above(target, MAX_IN_FLIGHT)


async def is_at_full_pace(daemon: DaemonProcess, target: LoggingTarget, id: str) -> bool:
    reason = (await daemon.backfill(id))["status_reason"]
    return target.live[target.generation] == MAX_IN_FLIGHT and reason is None


async def test_what_kills_the_daemon_late_is_found_in_five_deaths_though_twenty_backfills_recover(daemon, target, dsn):
    async def make(number: int) -> str:
        made = await daemon.client.create_workflow({"name": f"w{number}", "executor": executor})
        prefix = "P" if number == 7 else f"B{number:02}-"
        ids = [f"{prefix}{place:02}" for place in range(30)]
        workflow = made["workflow"]["id"]
        return await daemon.create(entity_type="none", entity_ids=ids, target_workflow_id=workflow, max_in_flight=3)

    loop = asyncio.get_running_loop()

    def script(call):
        if call.entity_id == POISON:
            loop.call_later(KILLS_AFTER, killing(daemon))
            return Reply(seconds=3 * KILLS_AFTER)
        return Reply(seconds=0.2)

    target.script = script
    executor = {"type": "http", "url": f"{target.url}/do"}
    daemon.configure(replace(daemon.plan, engine={"max_unrecorded": 20}))
    await daemon.start()
    ids = await asyncio.gather(*(make(number) for number in range(BACKFILLS)))
    reviving = asyncio.create_task(revive(daemon, target))
    try:
        for id in ids:
            await ends(daemon, id)
    finally:
        reviving.cancel()
        await asyncio.wait([reviving])
    failed = [row for id in ids for row in await rows_of(dsn, id) if row.status != "succeeded"]
    print(f"{target.generation} deaths, {len(target.calls_of(POISON))} calls of the poison, {repeats(target)} repeats")

    assert [(POISON, "failed", "interrupted")] == [(row.entity_id, row.status, row.error_class) for row in failed]
    assert target.generation <= MOST_DEATHS
    assert_keys_never_change(target)


def killing(daemon: DaemonProcess) -> Callable[[], None]:
    """Kills the life that it is called in."""
    pid = daemon.pid

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    return kill


async def revive(daemon: DaemonProcess, target: LoggingTarget) -> None:
    """Start it again whenever it has died."""
    while True:
        await daemon.ended(seconds=600)
        target.next_generation()
        await daemon.launch()


async def ends(daemon: DaemonProcess, id: str) -> None:
    """Wait for it through any number of lives."""

    async def has_ended() -> bool:
        try:
            return (await daemon.backfill(id))["status"].startswith("completed")
        except Exception:
            return False

    await eventually(has_ended, seconds=240)


async def test_twenty_kills_over_fast_items_repeat_no_more_than_may_be_unrecorded(daemon, target, dsn):
    entities, kills, max_unrecorded = 5_000, 20, 50
    draw = seeded()
    target.script = lambda _: Reply(seconds=draw.expovariate(1 / 0.03))
    daemon.configure(replace(daemon.plan, engine={"max_unrecorded": max_unrecorded}))
    await daemon.start()
    await daemon.upload(names(entities))
    id = await daemon.create(max_in_flight=MAX_IN_FLIGHT)
    for _ in range(kills):
        await eventually(lambda: target.most_live[target.generation], seconds=30)
        await asyncio.sleep(draw.uniform(0, 1.5))
        await daemon.kill()
        target.next_generation()
        await daemon.launch()
    await daemon.serving()
    unfinished = (await daemon.backfill(id))["pending_count"]
    ended = await daemon.ends(id, seconds=120)
    print(f"{kills} kills, {repeats(target)} repeats, {unfinished} left after the last")

    assert unfinished > 0
    assert ("completed", entities) == (ended["status"], ended["succeeded_count"])
    await assert_exact(daemon, dsn, id, planned=entities)
    assert_keys_never_change(target)
    assert_never_above(target, MAX_IN_FLIGHT)
    assert repeats(target) <= kills * (max_unrecorded + MAX_IN_FLIGHT)
