"""P20: what the daemon's memory does while the ledger of a long backfill is sent as a file, and how fast that goes.

One reader takes what comes as fast as it can, in each format. A missing row is an error.
"""

import time
from dataclasses import dataclass
from typing import Any

from tests.support.daemon import DaemonProcess

from bench.past import long_ended
from bench.project import benched_daemon
from bench.setting import Setting

MIB = 1 << 20
FORMATS = ("csv", "jsonl")


@dataclass(frozen=True)
class Sent:
    """One report. Memory is the daemon's own, in bytes."""

    rows: int
    size: int
    seconds: float
    before: int
    most: int


async def measure(setting: Setting) -> dict[str, Any]:
    """Of the formats the one that needs more memory, and the one that is slower."""
    rows = setting.scale.large
    template, key = await setting.stock.template(1)
    async with (
        setting.postgres.database(template) as dsn,
        benched_daemon(setting.folder, dsn, key, setting.target) as daemon,
    ):
        await setting.target.begin()
        id = await long_ended(daemon, dsn, rows)
        sent = {format: await _received(daemon, id, format) for format in FORMATS}
    assert all(one.rows == rows for one in sent.values()), sent
    return {
        "grown_mib": max(one.most - one.before for one in sent.values()) / MIB,
        "rows_per_second": min(rows / one.seconds for one in sent.values()), "rows": rows,
        **{f"{format}_mib": one.size / MIB for format, one in sent.items()},
        **{f"{format}_seconds": one.seconds for format, one in sent.items()},
    }  # fmt: skip


async def _received(daemon: DaemonProcess, id: str, format: str) -> Sent:
    """Read it to its end, and look at the memory on the way."""
    before, began, lines, size = daemon.memory_bytes(), time.monotonic(), 0, 0
    most = before
    async for piece in daemon.client.report(id, format=format):
        lines += piece.count(b"\n")
        size += len(piece)
        most = max(most, daemon.memory_bytes())
    return Sent(lines - (format == "csv"), size, time.monotonic() - began, before, most)
