"""The first steps of README.md are followed to the letter, by a shell, in an empty folder."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.database import scratch_folder

from backfilld.cli.demo.folder import clean_environment

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 90.0


def first_steps() -> str:
    """Every shell block between the heading and the next one, without the set-up, which has happened here."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("\n## First steps\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert blocks[0].startswith("make setup\n")

    return "".join(blocks[1:])


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def adapted(steps: str) -> str:
    """The same steps beside whatever runs on this machine already, and with a target in more of a hurry."""
    port = free_port()
    for written, instead in (("8642", port), ("9000", free_port()), ("sleep(5)", "sleep(3)")):
        assert written in steps

        steps = steps.replace(written, instead)
    return f"set -e\nexport BACKFILLD_URL=http://127.0.0.1:{port}\n{steps}"


async def followed(steps: str, folder: Path) -> tuple[int, str]:
    """Exit code, and what was printed; after a failure also what the daemon said. Nothing of it is left running."""
    environment = clean_environment(os.environ) | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (folder / "output").open("wb") as output:
        shell = await asyncio.create_subprocess_exec(
            "bash", "-c", steps,
            cwd=folder, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                code = await shell.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # also what the shell left in the background
            await shell.wait()
    told = [folder / "output", *([folder / "serve.log"] if code else [])]
    return code, "".join(file.read_text(encoding="utf-8") for file in told if file.exists())


@pytest.mark.slow
async def test_following_them_runs_a_backfill_and_a_schedule_s_past():
    with scratch_folder() as folder:
        code, output = await followed(adapted(first_steps()), folder)
        assert 0 == code, output

        target_saw = (folder / "target.log").read_text(encoding="utf-8")

    answers = [json.loads(line) for line in output.splitlines() if line.startswith('{"data"')]
    ledger = next(answer["data"]["entities"] for answer in answers if "entities" in answer["data"])
    preview = next(answer["data"] for answer in answers if "openings" in answer["data"])

    assert 1 == preview["to_run_count"]
    assert [("T-1", "succeeded"), ("T-3", "succeeded")] == [(one["entity_id"], one["status"]) for one in ledger]
    assert "event: end" in output
    assert "backfill.pause" in output
    assert "3 would be run" in output
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        assert f'"session_date":"{day}"' in target_saw
    assert '"entity":{"id":"T-3"' in target_saw


def test_the_command_line_stands_before_curl():
    blocks = first_steps().split("\n")
    mine = [line.split()[0] for line in blocks if line.startswith(("backfilld ", "api "))]

    assert mine.index("api") > max(place for place, word in enumerate(mine) if word == "backfilld")
