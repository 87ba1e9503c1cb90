"""A backup of a working daemon, restored elsewhere: nothing starts by itself, and what is repeated keeps its keys."""

import asyncio
import json

import pytest
from tests.support.daemon import Plan, daemon_process
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

ENTITIES = [f"T{number:03}" for number in range(300)]
QUIET_SECONDS = 1.5


async def test_a_backup_made_while_it_works_goes_on_elsewhere_when_told(scratch, target):
    dump = scratch / "backup.dump"
    target.script = lambda _: Reply(seconds=0.3)
    plan = Plan(target.url)
    async with daemon_process(scratch / "old", plan) as old:
        await old.start()
        old.api_key = await key_of(old)
        await old.upload(ENTITIES)
        id = await old.create()
        await eventually(lambda: len(target.calls) > 20)
        code, _, errors = await old.run_command("db", "dump", str(dump), "--config", str(old.config))
        target.script = lambda _: Reply()
        await old.ends(id)
        await old.stop()
        before = {call.headers["idempotency-key"] for call in target.calls}
        calls = len(target.calls)
        async with daemon_process(scratch / "new", plan) as new:
            again, output, more = await new.run_command("db", "restore", str(dump), "--config", str(new.config))
            new.api_key = old.api_key
            await new.start()
            await asyncio.sleep(QUIET_SECONDS)
            quiet = len(target.calls)
            seen = await new.backfill(id)
            await new.client.start_all()
            ended = await new.ends(id)
            repeated = {call.headers["idempotency-key"] for call in target.calls[quiet:]}

    assert (0, 0) == (code, again), errors + more
    assert "start-all" in output
    assert calls == quiet
    assert "restored from backup.dump" in seen["status_reason"]["message"]
    assert "completed" == ended["status"]
    assert len(ENTITIES) == ended["succeeded_count"]
    assert repeated < before


async def key_of(daemon) -> str:
    code, output, errors = await daemon.run_command(
        "keys", "create", "--name", "test", "--role", "admin", "--json", "--config", str(daemon.config)
    )
    assert 0 == code, errors

    return str(json.loads(output)["key"])
