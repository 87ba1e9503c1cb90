"""What a plan over somebody's REST API costs the daemon: CPU per record.

    python -m bench.alone.plan_over_http [RECORDS]

The real daemon with its embedded PostgreSQL; the API is another process, which gives pages of 500 records of 1 kB each
(ready-made, so that it takes as little as possible of the machine away). The filter is one that the API does not do, so
each record is tested here, and all of them match.
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from tests.support.daemon import DaemonProcess, Plan, daemon_process

PAGE = 500
PADDING = "x" * 850
POLL_SECONDS = 0.1
TICKS = os.sysconf("SC_CLK_TCK")


def record(number: int) -> dict[str, Any]:
    """About 1 kB of JSON."""
    return {
        "id": number,
        "title": f"Printer {number} is out of toner",
        "status": "open",
        "priority": number % 4,
        "company": {"id": number % 100, "name": "Example Ltd"},
        "changed_at": "2027-02-28T09:00:00Z",
        "description": PADDING,
    }


def serve(records: int, told: Connection) -> None:
    """The API, for as long as the process lives."""
    pages = {
        start: orjson.dumps({"data": [record(n) for n in range(start, min(start + PAGE, records + 1))]})
        for start in range(1, records + 2, PAGE)
    }

    async def listing(request: web.Request) -> web.Response:
        start = int(request.query.get("after", "0")) + 1
        return web.Response(body=pages[start], content_type="application/json")

    async def run() -> None:
        app = web.Application()
        app.add_routes([web.get("/tickets", listing)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        told.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


def text_of(port: int) -> str:
    """The connection and the type."""
    paging = (
        f'{{ type = "keyset", parameter = "after", size_parameter = "limit", size = {PAGE}, order = {{ by = "id" }} }}'
    )
    return f"""
[connections.api]
url = "http://127.0.0.1:{port}"
allow_private_address = true
[entity_types.ticket]
source = "http"
[entity_types.ticket.http]
connection = "api"
path = "/tickets"
records = "data"
plan_outside_windows = true
read = {{ type = "one", path = "/tickets/{{id}}" }}
paging = {paging}
"""


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def planned(daemon: DaemonProcess) -> tuple[int, float, float]:
    """How many were planned, the CPU of the daemon, and how long it took."""
    spec = {"combinator": "and", "rules": [{"field": "status", "operator": "=", "value": "open"}]}
    cpu, began = cpu_seconds(daemon.pid), asyncio.get_running_loop().time()
    id = await daemon.create(filter_spec=spec, start="when_approved")
    while (backfill := await daemon.backfill(id))["status"] == "planning":
        await asyncio.sleep(POLL_SECONDS)
    took = asyncio.get_running_loop().time() - began
    return int(backfill["total_entities"]), cpu_seconds(daemon.pid) - cpu, took


async def measure(port: int) -> tuple[int, float, float]:
    with tempfile.TemporaryDirectory(prefix="bd-", ignore_cleanup_errors=True) as folder:
        plan = Plan("http://127.0.0.1:9", more=text_of(port))
        async with daemon_process(Path(folder) / "d", plan) as daemon:
            await daemon.start()
            await daemon.make_key()
            return await planned(daemon)


def main() -> None:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    ours, theirs = multiprocessing.Pipe()
    api = multiprocessing.get_context("spawn").Process(target=serve, args=(records, theirs), daemon=True)
    api.start()
    try:
        found, cpu, took = asyncio.run(measure(ours.recv()))
    finally:
        api.terminate()
        api.join()
    print(f"{found:,} of {records:,} records planned in {took:.1f} s, {cpu / records * 1e6:.1f} µs of CPU each")
    if found != records:
        sys.exit(1)


if __name__ == "__main__":
    main()
