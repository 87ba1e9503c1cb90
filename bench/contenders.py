"""Runs the contenders that are not ours: each a program of its own, in an environment of its own."""

import asyncio
import json
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.figures.measured import Run, used
from bench.machine import peak_bytes
from bench.postgres import Postgres
from bench.target import Target
from bench.workloads import Request, Workload

PEERS = Path(__file__).parent / "peers"
PROGRAMS = {
    "aiohttp": "bare_aiohttp.py", "aiohttp, tuned": "tuned_aiohttp.py", "httptools, by hand": "lean_httptools.py",
    "PgQueuer": "pgqueuer_peer.py", "Procrastinate": "procrastinate_peer.py",
}  # fmt: skip
REQUIREMENTS = {"PgQueuer": "pgqueuer.txt", "Procrastinate": "procrastinate.txt"}
LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Peers:
    """Their environments, below `cache`."""

    cache: Path

    def python(self, contender: str) -> Path:
        """The interpreter that runs it; ours for what needs nothing else."""
        if contender not in REQUIREMENTS:
            return Path(sys.executable)
        return self.cache / contender.lower() / "bin" / "python"

    def set_up(self) -> None:
        """Make the environments that are missing, from the locked requirements."""
        for contender, name in REQUIREMENTS.items():
            python, locked = self.python(contender), (PEERS / name).read_text()
            made_from = python.parent.parent / "made-from.txt"
            if made_from.exists() and made_from.read_text() == locked:
                continue
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(python.parent.parent)], check=True)
            install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
            subprocess.run([*install, "-r", str(PEERS / name)], check=True)
            made_from.write_text(locked)


async def run_contender(
    contender: str, workload: Workload, items: int, round: int, *, postgres: Postgres, target: Target,
    peers: Peers, request: Request,
) -> Run:  # fmt: skip
    """One run, on a fresh database if it wants one."""
    async with asyncio.timeout(LONGEST_SECONDS), postgres.database() as dsn:
        await target.begin(delay=workload.delay, answer=workload.answer)
        orders = {
            "items": items, "in_flight": workload.in_flight, "dsn": dsn,
            "url": f"{target.url}/do" if workload.is_http else None,
            "body": request.body, "headers": request.headers,
        }  # fmt: skip
        async with _contender(peers.python(contender), PROGRAMS[contender], orders) as process:
            before = await used(postgres, process.pid, [target.pid])
            seconds = float(json.loads(await _say(process, "go"))["seconds"])
            after = await used(postgres, process.pid, [target.pid])
            arrived = (await target.tally()).requests
            assert not workload.is_http or arrived == items, f"{contender} sent {arrived} of {items}"
            return Run(
                contender, workload.name, items, round, seconds,
                peak_bytes=peak_bytes(process.pid), **after.since(before),
            )  # fmt: skip


@asynccontextmanager
async def _contender(python: Path, program: str, orders: object) -> AsyncIterator[Process]:
    """A contender that is ready to go."""
    process = await asyncio.create_subprocess_exec(
        str(python), str(PEERS / program), json.dumps(orders), stdin=PIPE, stdout=PIPE
    )
    try:
        ready = await _hear(process)
        assert ready == "ready", f"{program} says {ready!r} instead of ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _say(process: Process, word: str) -> str:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n".encode())
    return await _hear(process)


async def _hear(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()
