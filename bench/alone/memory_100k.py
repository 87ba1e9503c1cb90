"""What the daemon's memory does over a long backfill, and how fast the whole goes, with everything on this machine.

    python -m bench.alone.memory_100k [ENTITIES] [MAX_IN_FLIGHT]

The real daemon with its embedded PostgreSQL (fsync on), its entities uploaded over HTTP; the target is another
process that answers at once. Ends with exit code 1 if an outcome is missing or the memory is not flat.
"""

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.daemon import ENDED, DaemonProcess, Plan, daemon_process

from bench.machine import peak_bytes
from bench.target import target

MIB = 1 << 20
POLL_SECONDS = 0.1
FLAT_MIB = 15  # from a tenth of the work to all of it


@dataclass
class Figures:
    """What was measured on the way."""

    memory: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    outcomes: int = 0


async def measure(entities: int, max_in_flight: int) -> Figures:
    """One run from nothing."""
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="bd-", ignore_cleanup_errors=True) as folder:
        async with target() as running, daemon_process(Path(folder) / "d", Plan(running.url)) as daemon:
            await daemon.start()
            await daemon.make_key()
            figures.memory["ready"] = daemon.memory_bytes()
            began = time.monotonic()
            await daemon.upload([f"T{number:07}" for number in range(entities)])
            figures.seconds["upload"] = time.monotonic() - began
            figures.memory["entities loaded"] = daemon.memory_bytes()
            await follow(daemon, entities, max_in_flight, figures)
            figures.memory["peak"] = peak_bytes(daemon.pid)
    return figures


async def follow(daemon: DaemonProcess, entities: int, max_in_flight: int, figures: Figures) -> None:
    """Run the backfill, and note the memory at 10, 50 and 100 %."""
    created = time.monotonic()
    id = await daemon.create(max_in_flight=max_in_flight)
    marks = [entities // 10, entities // 2, entities]
    planned_at: float | None = None
    while True:
        backfill = await daemon.backfill(id)
        if planned_at is None and backfill["status"] != "planning":
            planned_at = time.monotonic()
            figures.memory["planned"] = daemon.memory_bytes()
        while marks and backfill["processed_count"] >= marks[0]:
            figures.memory[f"{marks.pop(0):,} done"] = daemon.memory_bytes()
        if backfill["status"] in ENDED:
            break
        await asyncio.sleep(POLL_SECONDS)
    figures.seconds["plan"] = (planned_at or created) - created
    figures.seconds["run"] = time.monotonic() - (planned_at or created)
    figures.outcomes = backfill["succeeded_count"]


def main() -> None:
    entities = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    max_in_flight = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    figures = asyncio.run(measure(entities, max_in_flight))
    grown = (figures.memory[f"{entities:,} done"] - figures.memory[f"{entities // 10:,} done"]) / MIB
    lines = [
        f"{figures.outcomes:,} of {entities:,} outcomes, {max_in_flight} in flight",
        *(f"{what:>16} {took:8.2f} s {entities / took:10,.0f} entities/s" for what, took in figures.seconds.items()),
        *(f"{when:>16} {memory / MIB:8.1f} MiB" for when, memory in figures.memory.items()),
        f"grown by {grown:.1f} MiB between 10 % and 100 %",
    ]
    print("\n".join(lines))  # what it is for
    if figures.outcomes != entities or grown > FLAT_MIB:
        sys.exit(1)


if __name__ == "__main__":
    main()
