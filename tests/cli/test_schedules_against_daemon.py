"""Schedules and attempts from the command line, against a real daemon: what is asked is what happens."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.support.daemon import DaemonProcess, Plan, daemon_process
from tests.support.database import scratch_folder
from tests.support.logging_target import LoggingTarget, Reply
from tests.support.waiting import eventually

# A slot a day, in a zone of its own; one that is over, so that nothing fires meanwhile.
ENDED = {"schedule": {"daily>": "09:00:00", "end": "2026-03-05"}, "timezone": "Asia/Tokyo"}
DAYS = [f"2026-03-0{day}T00:00:00+09:00" for day in range(1, 6)]

Command = Callable[..., Awaitable[Any]]


@pytest.fixture
async def daemon(dsn: str) -> AsyncIterator[DaemonProcess]:
    async with LoggingTarget(lambda _: Reply()) as target:
        with scratch_folder() as folder:
            async with daemon_process(folder / "daemon", Plan(target.url, dsn, workflow=ENDED)) as daemon:
                await daemon.make_key("operator")
                await daemon.start()
                yield daemon


@pytest.fixture
def command(daemon: DaemonProcess) -> Command:
    """The document that a command prints; what it says on stderr if it fails."""

    async def run(*arguments: str, code: int = 0) -> Any:
        where = ("--url", daemon.url, "--api-key", daemon.api_key or "", "--json")
        found, output, errors = await daemon.run_command(*arguments, *where)

        assert code == found, errors
        return json.loads(output if code == 0 else errors)

    return run


async def test_the_past_of_a_schedule_is_looked_at_run_and_run_again(daemon: DaemonProcess, command: Command) -> None:
    (schedule,) = (await command("schedules", "list"))["schedules"]
    id = schedule["id"]
    looked_at = await command("schedules", "backfill", id, "--from", "2026-03-01", "--to", "2026-03-04", "--dry-run")
    made = await command("schedules", "backfill", id, "--from", "2026-03-01T09:00", "--count", "2", "--name", "first")
    await daemon.ends(made["backfillId"])
    refused = await command(
        "schedules", "backfill", id, "--from", "2026-03-02", "--count", "1", "--name", "first", code=4
    )
    rest = await command("schedules", "backfill", id, "--from", "2026-03-01", "--skip-existing")
    await daemon.ends(rest["backfillId"])
    attempts = (await command("attempts", "list"))["attempts"]

    assert DAYS[:3] == [attempt["sessionTime"] for attempt in looked_at["attempts"]]
    assert DAYS[:2] == [attempt["sessionTime"] for attempt in made["attempts"]]
    assert "first" in refused["error"]["message"]
    assert DAYS[2:] == [attempt["sessionTime"] for attempt in rest["attempts"]]
    assert DAYS[::-1] == [attempt["sessionTime"] for attempt in attempts]
    assert {"success"} == {attempt["status"] for attempt in attempts}


async def test_a_schedule_is_disabled_and_an_attempt_started_retried_and_read(
    daemon: DaemonProcess, command: Command
) -> None:
    disabled = await command("schedules", "disable", "1")
    enabled = await command("schedules", "enable", "1")
    started = await command("attempts", "start", "classify", "--session", "2026-03-01", "--params", '{"a": 1}')
    again = await command("attempts", "start", "classify", "--session", DAYS[0], code=4)
    retried = await command("attempts", "retry", started["id"], "--params", '{"b": 2}')

    async def has_ended() -> bool:
        return bool((await command("attempts", "show", retried["id"]))["done"])

    await eventually(has_ended, seconds=30)
    killed = await command("attempts", "kill", retried["id"], code=4)

    assert (True, None) == (bool(disabled["disabledAt"]), enabled["disabledAt"])
    assert DAYS[0] == started["sessionTime"]
    assert started["sessionId"] == retried["sessionId"]
    assert ({"a": 1}, 2) == ({"a": retried["params"]["a"]}, retried["params"]["b"])
    assert f"attempt {started['id']} " in again["error"]["message"]
    assert killed["error"]["message"]
