"""Runs ours, as users do: the real daemon with a file, a backfill made over HTTP, signed requests.

The plan is made first (`start: when_approved`), and then resumed: planning is measured by itself, and the run begins
with the request to resume and ends with the time at which the daemon wrote down that it is complete.
"""

import asyncio
import secrets
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import aiohttp
from tests.support.daemon import DaemonProcess, Plan

from bench.figures.measured import Run, used
from bench.machine import cpu_seconds, peak_bytes
from bench.postgres import Postgres
from bench.stock import ENTITY_TYPE, FILTER, Stock
from bench.target import Target
from bench.workloads import Workload

OURS = "backfilld"
NARROWER = "backfilld, 100 unrecorded"
SETTINGS: Mapping[str, Mapping[str, Any]] = {OURS: {}, NARROWER: {"max_unrecorded": 100}}  # of [engine]
POLL_SECONDS = 0.2  # an answer costs the daemon as much as ten items
LONGEST_SECONDS = 600.0
COMMITS = "backfilld_commit_seconds_count"


class BenchedDaemon(DaemonProcess):
    """The daemon; `does_nothing`: with executors that do nothing."""

    does_nothing = False

    async def begin(self, *words: str, environment: Mapping[str, str], output: IO[bytes]) -> Process:
        module = "bench.noop_daemon" if self.does_nothing else self.program
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True,
        )  # fmt: skip

    async def planned(self, **settings: Any) -> str:
        """A new backfill over everything whose plan is frozen, and that waits to be resumed."""
        id = await self.create(
            entity_type=ENTITY_TYPE, filter_spec=FILTER, start="when_approved", **{"failure_policy": None} | settings
        )
        await self.reaches(id, "paused")
        return id

    async def reaches(self, id: str, status: str, *, every_seconds: float = POLL_SECONDS) -> dict[str, Any]:
        """The backfill once it has this status; an error if it ends with another."""
        async with asyncio.timeout(LONGEST_SECONDS):
            while (backfill := await self.backfill(id))["status"] != status:
                assert backfill["status"] not in ("failed", "completed_with_failures"), backfill
                await asyncio.sleep(every_seconds)
        return backfill

    async def commits(self) -> int:
        """How often the recorder has committed."""
        return int(await self.metric(COMMITS))

    async def metric(self, name: str) -> float:
        """A number from GET /metrics."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as answer:
            text = await answer.text()
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} ")), 0.0)


@asynccontextmanager
async def benched_daemon(
    folder: Path,
    dsn: str,
    key: str,
    target: Target,
    *,
    does_nothing: bool = False,
    workflow: Mapping[str, Any] | None = None,
    engine: Mapping[str, Any] | None = None,
) -> AsyncIterator[BenchedDaemon]:
    """A daemon that is ready, on a database that holds `key`."""
    signing = folder / "signing"
    signing.write_text(secrets.token_hex(32))
    signing.chmod(0o600)
    plan = Plan(
        target.url, dsn=dsn, engine=engine or {}, executor={"secret": "signing"}, secrets={"signing": signing},
        workflow=workflow or {},
    )  # fmt: skip
    name = f"daemon-{secrets.token_hex(4)}"
    daemon = BenchedDaemon(folder / name, plan)
    daemon.does_nothing = does_nothing
    daemon.api_key = key
    try:
        await daemon.start()
        yield daemon
    finally:
        await daemon.put_away()


async def run_ours(
    workload: Workload, items: int, round: int, *, postgres: Postgres, stock: Stock, target: Target, folder: Path,
    contender: str = OURS,
) -> Run:  # fmt: skip
    """One run on a fresh database: `items` in all, in as many backfills as the workload wants."""
    each = items // workload.backfills
    template, key = await stock.template(each)
    engine = {"max_in_flight_total": 120, "allow_concurrent_backfills_per_workflow": True, **SETTINGS[contender]}
    async with (
        postgres.database(template) as dsn,
        benched_daemon(folder, dsn, key, target, does_nothing=not workload.is_http, engine=engine) as daemon,
    ):
        await target.begin(delay=workload.delay, answer=workload.answer)
        began = time.monotonic()
        ids = [await daemon.planned() for _ in range(workload.backfills)]
        planned = time.monotonic() - began
        commits = await daemon.commits()
        before = await used(postgres, daemon.pid, [target.pid])
        resumed_at = time.time()
        async with postgres.watched_recorders() as recorders:
            for id in ids:
                await daemon.client.resume_backfill(id)
            ended = [await daemon.reaches(id, "completed") for id in ids]
        after = await used(postgres, daemon.pid, [target.pid])
        arrived = (await target.tally()).requests
        done = sum(backfill["succeeded_count"] for backfill in ended)
        assert done == items and (not workload.is_http or arrived == items), (done, arrived, items)
        figures = after.since(before) | {"recorder_cpu": cpu_seconds(recorders)}
        return Run(
            contender, workload.name, items, round, max(map(_ended_at, ended)) - resumed_at,
            peak_bytes=peak_bytes(daemon.pid), commits=await daemon.commits() - commits, plan_seconds=planned,
            **figures,
        )  # fmt: skip


def _ended_at(backfill: dict[str, Any]) -> float:
    return datetime.fromisoformat(backfill["completed_at"]).timestamp()
