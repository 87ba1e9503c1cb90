"""What an item costs each part, over HTTP and on Temporal, and what follows for many of them: docs/scaling.md.

    python -m bench.alone.scaling [--items N] [--no-page]

CPU is what counts: rates of a machine that does everything at once say nothing of another one. Each part is a process
of its own; what it uses while nothing happens is measured before, and taken off. Bounded: two or three minutes.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.engines.dev_server import QUEUE, DevServer, WorkerProcess
from tests.support.daemon import ENDED, Plan

from bench.machine import cpu_seconds
from bench.postgres import Postgres, running_postgres
from bench.project import BenchedDaemon
from bench.target import target

ROOT = Path(__file__).parent.parent.parent
PAGE, RESULTS = ROOT / "docs" / "scaling.md", ROOT / "bench" / "results" / "scaling.json"
BEGIN, END = "<!-- figures: written by `python -m bench.alone.scaling` -->", "<!-- end of figures -->"
IDLE_SECONDS = 5.0
LOOKS_EVERY_SECONDS = 3.0
HTTP_ITEMS, TEMPORAL_ITEMS = 6_000, 300
IN_FLIGHT = 50
MANY = 100_000_000
RETENTION_SECONDS, STARTS_PER_SECOND = 3 * 86_400, 100
ENGINE = {"max_in_flight_limit": 200, "max_in_flight_total": 300, "allow_concurrent_backfills_per_workflow": True}


@dataclass(frozen=True)
class Cost:
    """Of one item, in milliseconds of CPU and in bytes; None where there is no such part, or it is not ours."""

    name: str
    items: int
    daemon: float
    postgres: float
    wal: float
    engine: float | None = None
    worker: float | None = None
    disk: float | None = None


class Meter:
    """What some parts use for the work, beyond what they use for being there."""

    def __init__(self, parts: dict[str, Callable[[], float]]) -> None:
        self._parts = parts
        self._idle: dict[str, float] = {}

    async def look_at_idling(self) -> None:
        before = self._now()
        await asyncio.sleep(IDLE_SECONDS)
        self._idle = {name: (now - before[name]) / IDLE_SECONDS for name, now in self._now().items()}
        self._idle["postgres"] = 0.0  # it tidies up after what came before, which would be taken for idling

    def begin(self) -> None:
        self._before, self._at = self._now(), time.monotonic()

    def used(self) -> dict[str, float]:
        """Seconds of CPU since `begin`."""
        seconds = time.monotonic() - self._at
        return {
            name: max(0.0, now - self._before[name] - seconds * self._idle[name]) for name, now in self._now().items()
        }

    def _now(self) -> dict[str, float]:
        return {name: part() for name, part in self._parts.items()}


@asynccontextmanager
async def ready_daemon(folder: Path, name: str, plan: Plan) -> AsyncIterator[BenchedDaemon]:
    daemon = BenchedDaemon(folder / name, plan)
    try:
        await daemon.make_key()
        await daemon.start()
        yield daemon
    finally:
        await daemon.put_away()


async def planned(daemon: BenchedDaemon, workflow: str) -> str:
    """A backfill over all entities whose plan is frozen."""
    found = [one async for one in daemon.client.every("workflows", "/workflows") if one["name"] == workflow]
    id = await daemon.create(target_workflow_id=found[0]["id"], start="when_approved", max_in_flight=IN_FLIGHT)
    await daemon.reaches(id, "paused")
    return id


async def completed(daemon: BenchedDaemon, id: str) -> dict[str, Any]:
    """The backfill at its end. Asked rarely: an answer costs the daemon as much as ten items."""
    while (backfill := await daemon.backfill(id))["status"] not in ENDED:
        await asyncio.sleep(LOOKS_EVERY_SECONDS)
    return backfill


async def measured(
    name: str, items: int, daemons: list[BenchedDaemon], workflow: str, postgres: Postgres,
    more: dict[str, Callable[[], float]] | None = None,
) -> Cost:  # fmt: skip
    """One backfill for each daemon, all at once; with several daemons of one database each takes what it gets."""
    await daemons[0].upload([f"T{number:07}" for number in range(items // len(daemons))])
    ids = [await planned(daemons[0], workflow) for _ in daemons]
    parts = {"daemon": lambda: cpu_seconds(daemon.pid for daemon in daemons), "postgres": postgres.cpu_seconds}
    meter = Meter({**parts, **(more or {})})
    await meter.look_at_idling()
    wal = await postgres.wal_position()
    meter.begin()
    for id in ids:
        await daemons[0].client.resume_backfill(id)
    ended = [await completed(daemons[0], id) for id in ids]
    used = {part: seconds / items * 1e3 for part, seconds in meter.used().items()}
    done = sum(backfill["succeeded_count"] for backfill in ended)
    assert done == items, (name, done, items)
    return Cost(name, items, wal=(await postgres.wal_position() - wal) / items, **used)


async def over_http(postgres: Postgres, folder: Path, items: int, *, daemons: int) -> Cost:
    """A target in another process that answers at once."""
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(target())
        dsn = await stack.enter_async_context(postgres.database())
        names = [f"http-{daemons}-{number}" for number in range(daemons)]
        plan = Plan(there.url, dsn, engine=ENGINE)
        running = [await stack.enter_async_context(ready_daemon(folder, name, plan)) for name in names]
        name = "http" if daemons == 1 else f"http, {daemons} daemons"
        return await measured(name, items, running, "classify", postgres)


async def on_temporal(
    postgres: Postgres,
    folder: Path,
    items: int,
    server: DevServer,
    worker: WorkerProcess,
    workflow_type: str,
    name: str,
) -> Cost:
    """Workflows of that type, which do nothing."""
    more = f"""
[engines.main]
type = "temporal"
address = "{server.address}"
limits = {{ starts_per_second = 10000 }}
[[workflows]]
name = "enrich"
timeout_seconds = 600
executor = {{ type = "temporal", engine = "main", task_queue = "{QUEUE}", workflow_type = "{workflow_type}" }}
"""
    async with (
        postgres.database() as dsn,
        ready_daemon(folder, workflow_type, Plan("http://127.0.0.1:1", dsn, engine=ENGINE, more=more)) as daemon,
    ):
        before = server.disk_bytes()
        parts = {"engine": lambda: cpu_seconds([server.pid]), "worker": lambda: cpu_seconds([worker.pid])}
        cost = await measured(name, items, [daemon], "enrich", postgres, parts)
        return Cost(**(asdict(cost) | {"disk": (server.disk_bytes() - before) / items}))


async def measure(http_items: int, temporal_items: int) -> list[Cost]:
    """Everything, one after the other."""
    with tempfile.TemporaryDirectory(prefix="bd-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        async with running_postgres(folder) as postgres:
            costs = [await over_http(postgres, folder, http_items, daemons=number) for number in (1, 2)]
            server = DevServer(folder)
            worker = WorkerProcess(folder, server)
            try:
                await server.start()
                await worker.start()
                for workflow_type, name in (
                    ("Classic", "Temporal, workflow + activity"),
                    ("Enrich", "Temporal, workflow alone"),
                ):
                    cost = await on_temporal(postgres, folder, temporal_items, server, worker, workflow_type, name)
                    costs.append(cost)
            finally:
                worker.kill()
                server.kill()
    return costs


def rendered(document: dict[str, Any]) -> str:
    """The tables of the page; nothing in them that was not measured, or is not arithmetic of it."""
    costs = [Cost(**one) for one in document["costs"]]
    lines = [
        f"Measured {document['when']} on {document['cores']} cores, with a load of {document['load']:.0f}. CPU per"
        " item, beyond idling.",
        "",
    ]
    lines += _table(
        ("per item", "items", "daemon", "PostgreSQL", "WAL", "engine", "worker", "disk of the engine"),
        [
            (one.name, f"{one.items:,}", _ms(one.daemon), _ms(one.postgres), f"{one.wal:,.0f} B", _ms(one.engine),
             _ms(one.worker), "–" if one.disk is None else f"{one.disk / 1e3:,.1f} kB")
            for one in costs
        ],
    )  # fmt: skip
    lines += ["", "What follows for one core of each part, and for 100 million items:", ""]
    lines += _table(
        ("", "starts a second per daemon", "daemon", "PostgreSQL", "WAL", "engine", "worker", "kept by the engine"),
        [
            (one.name, f"{1e3 / one.daemon:,.0f}", _hours(one.daemon), _hours(one.postgres),
             f"{one.wal * MANY / 1e9:,.0f} GB", _hours(one.engine), _hours(one.worker),
             "–" if one.disk is None else f"{one.disk * RETENTION_SECONDS * STARTS_PER_SECOND / 1e9:,.0f} GB")
            for one in costs
        ],
    )  # fmt: skip
    return "\n".join(lines)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f} ms" if value < 1 else f"{value:.1f} ms"


def _hours(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds / 1e3 * MANY / 3600:,.1f} core-hours"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def with_figures(page: str, figures: str) -> str:
    """`page` with new figures between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert rest and after, f"docs/scaling.md has lost its marks: {BEGIN} … {END}"
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=TEMPORAL_ITEMS, help="on Temporal, of each kind")
    parser.add_argument("--no-page", action="store_true", help="print, and write nothing")
    chosen = parser.parse_args()
    costs = asyncio.run(measure(HTTP_ITEMS, chosen.items))
    document = {
        "when": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[1], 1),
        "costs": [asdict(cost) for cost in costs],
    }
    print(rendered(document))
    if not chosen.no_page:
        RESULTS.write_text(json.dumps(document, indent=1) + "\n")
        PAGE.write_text(with_figures(PAGE.read_text(), rendered(document)))


if __name__ == "__main__":
    main()
