"""What the daemon's memory does while the ledger of a long backfill is sent as a file, and how fast that goes.

    python -m bench.report_memory [ROWS]

The real daemon, the ledger of an ended backfill with so many rows, and one reader that takes what comes as fast as it
can. Ends with exit code 1 if a row is missing or the memory is not flat.
"""

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from tests.support.daemon import ENDED, DaemonProcess, Plan, daemon_process

from bench.machine import peak_bytes
from bench.postgres import running_postgres
from bench.target import target

MIB = 1 << 20
POLL_SECONDS = 0.2
FLAT_MIB = 10  # from a tenth of the file to all of it
FORMATS = ("csv", "jsonl")
FILL = """
WITH items AS (
    INSERT INTO plan_items (backfill_number, position, entity_id)
    SELECT $1, n, 'T' || lpad(n::text, 7, '0') FROM generate_series(1, $2::integer - 1) AS n
    RETURNING position
)
INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, http_status, message,
                      result, error_class, error)
SELECT $1, position, CASE WHEN position % 10 = 0 THEN 'failed' ELSE 'succeeded' END::outcome_status, now(), now(), 1,
       200,
       CASE WHEN position % 10 > 0 THEN 'classified as hardware' END,
       CASE WHEN position % 10 > 0 THEN '{"label": "hardware", "score": 0.93}'::json END,
       CASE WHEN position % 10 = 0 THEN 'http_422' END,
       CASE WHEN position % 10 = 0 THEN 'unknown category ' || position END
  FROM items
"""
COUNT = """
UPDATE backfill_progress SET planned = $2::integer, succeeded = $3, failed = $2::integer - $3::integer
 WHERE backfill_number = $1
"""


@dataclass(frozen=True)
class Sent:
    """One report. Memory is the daemon's own, in bytes."""

    format: str
    rows: int
    size: int
    seconds: float
    before: int
    at_a_tenth: int
    most: int

    @property
    def grown_mib(self) -> float:
        return (self.most - self.at_a_tenth) / MIB

    def line(self) -> str:
        memory = " ".join(f"{value / MIB:7.1f}" for value in (self.before, self.at_a_tenth, self.most))
        return (
            f"{self.format:>6} {self.rows:10,} rows {self.size / MIB:8.1f} MiB {self.seconds:7.1f} s"
            f" {self.rows / self.seconds:9,.0f} rows/s  memory before, at a tenth, most: {memory} MiB"
        )


async def measure(rows: int) -> tuple[list[Sent], int]:
    """Both formats, one after the other, and the most memory that the daemon ever had."""
    with tempfile.TemporaryDirectory(prefix="bd-", ignore_cleanup_errors=True) as folder:
        async with (
            running_postgres(Path(folder) / "p") as server,
            server.database() as dsn,
            target() as running,
            daemon_process(Path(folder) / "d", Plan(running.url, dsn)) as daemon,
        ):
            await daemon.make_key()
            await daemon.start()
            id = await daemon.create(entity_type="none", entity_ids=["T0000000"])
            while not await is_over(daemon, id):
                await asyncio.sleep(POLL_SECONDS)
            await fill(dsn, rows)
            sent = [await receive(daemon, id, rows, format) for format in FORMATS]
            return sent, peak_bytes(daemon.pid)


async def is_over(daemon: DaemonProcess, id: str) -> bool:
    """Whether it has ended, and nothing is left to be done about it."""
    backfill = await daemon.backfill(id)
    return backfill["status"] in ENDED and backfill["ledger_digest"] is not None


async def fill(dsn: str, rows: int) -> None:
    """Make it a long one, behind the daemon's back."""
    connection = await asyncpg.connect(dsn)
    try:
        number = await connection.fetchval("SELECT number FROM backfills")
        await connection.execute(FILL, number, rows, timeout=600)
        await connection.execute(COUNT, number, rows, rows - (rows - 1) // 10)
        await connection.execute("ANALYZE plan_items, outcomes")
    finally:
        await connection.close()


async def receive(daemon: DaemonProcess, id: str, rows: int, format: str) -> Sent:
    """Read it to its end, and look at the memory on the way."""
    before, began, lines, size = daemon.memory_bytes(), time.monotonic(), 0, 0
    at_a_tenth = most = 0
    async for piece in daemon.client.report(id, format=format):
        lines += piece.count(b"\n")
        size += len(piece)
        if lines >= rows // 10:
            now = daemon.memory_bytes()
            at_a_tenth, most = at_a_tenth or now, max(most, now)
    return Sent(
        format, lines - (format == "csv"), size, time.monotonic() - began, before, at_a_tenth, most
    )  # fmt: skip


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    sent, peak = asyncio.run(measure(rows))
    print("\n".join([*(one.line() for one in sent), f"peak of the daemon's life: {peak / MIB:.1f} MiB"]))
    if any(one.rows != rows or one.grown_mib > FLAT_MIB for one in sent):
        sys.exit(1)


if __name__ == "__main__":
    main()
