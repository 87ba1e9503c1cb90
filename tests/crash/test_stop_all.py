"""Stop-all on real processes: it outlives kills and restarts, and a daemon that was frozen when it was given."""

import asyncio
import re
import signal
import time

import pytest
from tests.crash.accounts import assert_exact
from tests.support.daemon import Plan, daemon_process
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

ENTITIES = [f"T{number:04}" for number in range(500)]
QUIET_SECONDS = 1.5  # longer than it takes a daemon that is ready to take a backfill and start something


async def under_way(daemon, target) -> str:
    target.script = lambda _: Reply(seconds=0.01)
    await daemon.upload(ENTITIES)
    id = await daemon.create()
    await eventually(lambda: len(target.calls) > 50)
    return id


@pytest.mark.slow
async def test_the_order_outlives_a_kill_and_nothing_is_lost(daemon, target, dsn):
    await daemon.start()
    id = await under_way(daemon, target)
    await daemon.client.stop_all(reason="the target burns")
    answered = len(target.calls)
    await daemon.kill()
    await daemon.start()
    await asyncio.sleep(QUIET_SECONDS)
    quiet = len(target.calls)
    ready = (await daemon.get("/readyz"))[1]
    seen = await daemon.backfill(id)
    await daemon.client.start_all()
    ended = await daemon.ends(id)

    assert answered == quiet
    assert ready["stopped_since"]
    assert "stopped_by_operator" == seen["status_reason"]["code"]
    assert seen["status_reason"]["message"].endswith("the target burns”.")
    assert "completed" == ended["status"]
    await assert_exact(daemon, dsn, id, planned=len(ENTITIES))


@pytest.mark.slow
async def test_a_daemon_started_paused_waits_for_start_all(daemon, target, dsn):
    await daemon.start()
    id = await under_way(daemon, target)
    await daemon.stop()
    stopped = len(target.calls)
    await daemon.start("--paused")
    await asyncio.sleep(QUIET_SECONDS)
    quiet = len(target.calls)
    seen = await daemon.backfill(id)
    code, output, errors = await daemon.run_command(
        "start-all", "--url", daemon.url, "--api-key", daemon.api_key, "--reason", "looked at it"
    )
    ended = await daemon.ends(id)

    assert stopped == quiet
    assert re.fullmatch(
        "Everything was stopped by backfilld (just now|[0-9]+ s ago): “started with --paused”[.]",
        seen["status_reason"]["message"],
    )
    assert 0 == code, errors
    assert "goes on" in output
    assert "completed" == ended["status"]
    await assert_exact(daemon, dsn, id, planned=len(ENTITIES))


@pytest.mark.slow
async def test_a_daemon_that_was_frozen_when_the_order_was_given_starts_nothing_when_it_wakes(
    daemon, target, dsn, scratch
):
    await daemon.start()
    id = await under_way(daemon, target)
    async with daemon_process(scratch / "other", Plan(target.url, dsn)) as other:
        other.api_key = daemon.api_key
        daemon.signal(signal.SIGSTOP)
        await other.start()
        began = time.monotonic()
        await other.client.stop_all()
        took = time.monotonic() - began
        answered = len(target.calls)
        daemon.signal(signal.SIGCONT)
        await asyncio.sleep(QUIET_SECONDS)
        quiet = len(target.calls)
        await other.client.start_all()
        ended = await other.ends(id)

    assert took < 10
    assert answered == quiet
    assert "completed" == ended["status"]
    await assert_exact(daemon, dsn, id, planned=len(ENTITIES))
