"""The demo as whoever sits before it sees it: it says what it is doing, and stays until Enter."""

import asyncio
import os
import re
import sys

import pytest
from tests.cli.terminal import Terminal
from tests.cli.test_demo import processes_about
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow
AGAIN = 5  # what failed in the demo fails again
STAYS = "until you press Enter"


def pasted(shown: str) -> list[str]:
    """The lines for another terminal."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    lines = text.split("in any terminal:\n", 1)[1].split("\n\n", 1)[0].splitlines()
    return [line.strip() for line in lines]


async def shell(script: str, folder: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-ec", script, cwd=folder, env={"PATH": os.defpath}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(90):
        out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_it_stays_until_enter_and_what_it_prints_can_be_pasted(tmp_path):
    words = ("demo", "--state-directory", str(tmp_path / "demo"))
    async with Terminal(*words) as first:
        await first.shows(STAYS)
        lines = pasted(first.shown)
        code, out = await shell("\n".join(f"{line} || test $? = {AGAIN}" for line in lines), "/")
        first.type("\n")
        ended = await first.ends()

    assert (0, 0) == (code, ended), out
    assert 6 == len(lines)
    assert [] == processes_about(tmp_path)
    assert 0 < first.shown.index("making a PostgreSQL") < first.shown.index("the daemon serves at")
    assert "an earlier demo" not in first.shown
    async with Terminal(*words) as second:
        await second.shows("goes on with the database of an earlier demo")
        await second.shows(STAYS)
        second.type("\x03")
        interrupted = await second.ends()

    assert 130 == interrupted
    await eventually(lambda: processes_about(tmp_path) == [], seconds=90)


async def test_with_nobody_at_the_terminal_it_ends_by_itself(tmp_path):
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", f"exec {sys.executable} -m backfilld demo --state-directory {tmp_path}/demo < /dev/null",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(180):
        out, err = await process.communicate()

    assert 0 == process.returncode, err.decode()
    assert STAYS not in out.decode()
