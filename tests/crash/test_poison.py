"""An item that kills its process is found out, and ends alone."""

import asyncio
import os
import signal
from dataclasses import replace

import pytest
from tests.crash.accounts import assert_exact, assert_keys_never_change, rows_of
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

CHARGES = 3
ENTITIES = [f"T{number:03}" for number in range(100)]
POISON = "T050"


@pytest.mark.slow
async def test_an_item_that_kills_the_daemon_fails_after_three_charges_and_its_neighbours_succeed(daemon, target, dsn):
    def script(call):
        if call.entity_id == POISON:
            os.kill(daemon.pid, signal.SIGKILL)
        return Reply(seconds=0.005)

    async def revive():
        while True:
            await daemon.ended(seconds=60)
            target.next_generation()
            await daemon.launch()

    target.script = script
    daemon.configure(replace(daemon.plan, engine={"max_unrecorded": 10}))
    await daemon.start()
    await daemon.upload(ENTITIES)
    id = await daemon.create()
    reviving = asyncio.create_task(revive())
    try:
        await eventually(lambda: target.generation > CHARGES, seconds=60)
        await daemon.becomes_ready()
        ended = await daemon.ends(id)
    finally:
        reviving.cancel()
        await asyncio.wait([reviving])
    await assert_exact(daemon, dsn, id, planned=len(ENTITIES))
    failed = [row for row in await rows_of(dsn, id) if row.status != "succeeded"]

    assert ("completed_with_failures", 1) == (ended["status"], ended["failed_count"])
    assert [(POISON, "failed", "interrupted")] == [(row.entity_id, row.status, row.error_class) for row in failed]
    assert 1 + CHARGES == len(target.calls_of(POISON))  # among others at first, then alone
    assert_keys_never_change(target)
