"""How the daemon is told things by an operator, or by systemd."""

import signal
import time
from dataclasses import replace

import pytest
from tests.crash.accounts import assert_exact, repeats
from tests.support.daemon import Plan, daemon_process
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

ENTITIES = [f"T{number:03}" for number in range(200)]
MOST = 10  # in flight


async def in_flight(daemon, target, script, most=MOST):
    """A backfill with all its slots taken."""
    target.script = script
    await daemon.start()
    await daemon.upload(ENTITIES)
    id = await daemon.create()
    await eventually(lambda: target.live[0] == most)
    return id


async def test_sigterm_lets_work_in_flight_finish_and_nothing_is_repeated(daemon, target, dsn):
    id = await in_flight(daemon, target, lambda _: Reply(seconds=0.5))
    code = await daemon.stop()
    left = target.live[0]
    target.next_generation()
    target.script = lambda _: Reply()
    await daemon.start()
    ended = await daemon.ends(id)

    assert (0, 0) == (code, left)
    assert "completed" == ended["status"]
    assert 0 == repeats(target)
    await assert_exact(daemon, dsn, id, planned=len(ENTITIES))


@pytest.mark.slow
async def test_a_second_sigterm_ends_it_promptly_and_charges_nobody(daemon, target, dsn):
    id = await in_flight(daemon, target, lambda _: Reply(seconds=None))
    daemon.signal(signal.SIGTERM)
    await eventually(lambda: daemon.events("stopping"))
    told_at = time.monotonic()
    daemon.signal(signal.SIGTERM)
    code = await daemon.ended()
    took = time.monotonic() - told_at
    target.next_generation()
    target.script = lambda _: Reply()
    await daemon.start()
    ended = await daemon.ends(id)

    assert 0 == code
    assert took < 3.0
    assert "completed" == ended["status"]
    assert 10 == repeats(target)
    assert {1} == {call.attempt for call in target.calls}
    await assert_exact(daemon, dsn, id, planned=len(ENTITIES))


async def test_sighup_reads_the_file_again_and_a_bad_one_changes_nothing(daemon, target):
    await daemon.start()
    good = replace(
        daemon.plan, more='[[workflows]]\nname = "second"\nexecutor = {type = "http", url = "http://x.test"}'
    )
    daemon.configure(good)
    daemon.signal(signal.SIGHUP)
    await eventually(lambda: daemon.events("configuration reloaded"))
    after_good = await workflows(daemon)
    daemon.configure(replace(good, workflow={"tiemout_seconds": 5}, engine={"max_unrecorded": -1}))
    daemon.signal(signal.SIGHUP)
    (told,) = await eventually(lambda: daemon.events("configuration not reloaded"))
    after_bad = await workflows(daemon)

    assert {"classify", "second"} == set(after_good)
    assert after_good == after_bad
    assert any("timeout_seconds" in fault for fault in told["faults"])  # the nearest right name
    assert any("max_unrecorded" in fault for fault in told["faults"])


async def test_a_secret_is_rotated_by_its_file_and_sighup(daemon, target, scratch):
    secret = scratch / "token"
    secret.write_text("old-token\n")
    headers = {"Authorization": {"secret": "token"}}
    daemon.configure(replace(daemon.plan, secrets={"token": secret}, executor={"headers": headers}))
    id = await in_flight(daemon, target, lambda _: Reply(seconds=0.02))
    secret.write_text("new-token\n")
    daemon.signal(signal.SIGHUP)
    await eventually(lambda: daemon.events("configuration reloaded"))
    made_before = len(target.calls) + MOST  # arrived, or on their way
    ended = await daemon.ends(id)
    sent = [call.headers["authorization"] for call in target.calls]

    assert "completed" == ended["status"]
    assert {"old-token"} == set(sent[:10])
    assert {"new-token"} == set(sent[made_before:])


async def test_a_second_daemon_on_the_same_state_directory_is_told_so(daemon, target):
    await daemon.start()
    code, _, errors = await daemon.run_command("serve", "--config", str(daemon.config))

    assert 4 == code
    assert str(daemon.state) in errors
    assert f"process {daemon.pid}" in errors
    assert "Traceback" not in errors


async def test_an_unusable_file_ends_the_start_with_the_faults(scratch, target):
    async with daemon_process(scratch / "other", Plan(target.url, engine={"max_unrecordet": 3})) as daemon:
        code, _, errors = await daemon.run_command("serve", "--config", str(daemon.config))

    assert 2 == code
    assert "'max_unrecorded'" in errors  # the nearest right name


async def workflows(daemon):
    return {one["name"]: one["id"] async for one in daemon.client.every("workflows", "/workflows")}
