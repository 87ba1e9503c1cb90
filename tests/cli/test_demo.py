"""The demo, as somebody runs it who has just cloned the project: twice, kept, and interrupted."""

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.support.waiting import eventually

from backfilld.cli.demo.summary import ways_to_ask
from backfilld.client import Client

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 90


async def start_demo(folder: Path, *options: str, in_background: bool = False) -> asyncio.subprocess.Process:
    """`in_background`: as by a shell, which has what it starts there ignore Ctrl-C."""
    shell = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh") if in_background else ()
    return await asyncio.create_subprocess_exec(
        *shell, sys.executable, "-m", "backfilld", "demo", "--json", "--state-directory", str(folder), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"BACKFILLD_DATABASE__DSN": "postgresql://nobody@127.0.0.1:1/somebodys_real_database"},
    )  # fmt: skip


async def run_demo(folder: Path, *options: str) -> dict:
    process = await start_demo(folder, *options)
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate()

    assert 0 == process.returncode, err.decode()
    return orjson.loads(out)


def processes_about(folder: Path) -> list[str]:
    """The command lines that name the folder."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            lines.append(line)
    return lines


async def test_the_demo_tells_the_same_story_every_time(tmp_path):
    first, second = [await run_demo(tmp_path / "demo") for _ in range(2)]
    story = [
        {
            **{name: told["backfill"][f"{name}_count"] for name in ("succeeded", "failed", "skipped", "cancelled")},
            "total": told["backfill"]["total_entities"],
            "errors": [(error["error_class"], error["count"]) for error in told["errors"]],
        }
        for told in (first, second)
    ]

    assert story[0] == story[1]
    assert {
        "total": 446, "succeeded": 432, "failed": 8, "skipped": 6, "cancelled": 0,
        "errors": [("http_404", 5), ("http_422", 3)],
    } == story[0]  # fmt: skip
    assert 36 == first["retried"]["succeeded"]
    assert first["seconds"] < 60
    assert first["url"] != ""
    assert [] == processes_about(tmp_path)


async def stand_in_many_ways(client: Client) -> bool:
    """As they stand when somebody looks around."""
    reasons = [one["status_reason"] async for one in client.every("backfills", "/backfills")]
    codes = {reason["code"] for reason in reasons if reason is not None}
    return codes >= {"awaiting_approval", "sample_done", "paused_by_user", "too_many_failures", "target_unreachable"}


async def exit_code_of(line: str, told: dict[str, Any]) -> int:
    """Of one of the lines that are offered, in a shell."""
    environ = os.environ | {"BACKFILLD_URL": told["url"], "BACKFILLD_API_KEY": told["api_key"]}
    process = await asyncio.create_subprocess_shell(line, env=environ, stdout=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def test_a_kept_demo_can_be_asked_and_stopped(tmp_path):
    told = await run_demo(tmp_path / "demo", "--keep")
    try:
        async with Client(told["url"], told["api_key"]) as client:
            found = await client.get_backfill(told["backfill"]["id"])
            await eventually(partial(stand_in_many_ways, client), seconds=PATIENCE_SECONDS)
            ran = [await exit_code_of(line, told) for line in ways_to_ask(told, found["backfill"]["id"])[1:]]
        again = await start_demo(tmp_path / "demo")
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, err = await again.communicate()
    finally:
        for pid in told["pids"]:
            os.kill(pid, signal.SIGTERM)

    assert [0] * 6 == ran
    assert "completed_with_failures" == found["backfill"]["status"]
    assert 4 == again.returncode
    assert f"kill {told['pids'][0]}" in err.decode()
    await eventually(lambda: processes_about(tmp_path) == [], seconds=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("number", "in_background"), [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False)]
)
async def test_an_interrupted_demo_leaves_nothing_running_and_does_not_hurt_the_next(tmp_path, number, in_background):
    process = await start_demo(tmp_path / "demo", in_background=in_background)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while b"created backfill" not in await process.stderr.readline():
            pass
        process.send_signal(number)
        _, err = await process.communicate()

    assert 130 == process.returncode
    assert "Traceback" not in err.decode()
    assert [] == processes_about(tmp_path)
    assert 446 == (await run_demo(tmp_path / "demo"))["backfill"]["total_entities"]
