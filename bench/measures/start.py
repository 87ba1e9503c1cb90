"""P10: from the start of the process to the moment at which it is ready, on a database that is migrated already."""

import asyncio
import time
from statistics import median
from typing import Any

from bench.project import BenchedDaemon, benched_daemon
from bench.setting import Setting

POLL_SECONDS = 0.005
PATIENCE_SECONDS = 60.0


async def measure(setting: Setting) -> dict[str, Any]:
    """The median over a few starts, and the first answer to somebody who asks for backfills then."""
    template, key = await setting.stock.template(0)
    async with (
        setting.postgres.database(template) as dsn,
        benched_daemon(setting.folder, dsn, key, setting.target) as daemon,
    ):
        starts = [await _start(daemon) for _ in range(setting.scale.starts)]
    seconds, first = zip(*starts, strict=True)
    return {
        "seconds": median(seconds), "seconds_low": min(seconds), "seconds_high": max(seconds), "rounds": len(starts),
        "first_answer_ms": median(first) * 1e3,
    }  # fmt: skip


async def _start(daemon: BenchedDaemon) -> tuple[float, float]:
    await daemon.stop()
    began = time.monotonic()
    await daemon.launch()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (daemon.state / "address").exists() or (await daemon.get("/readyz"))[0] != 200:
            assert daemon.is_running, daemon.tail()
            await asyncio.sleep(POLL_SECONDS)
    ready_at = time.monotonic()
    await daemon.client.list_backfills()
    return ready_at - began, time.monotonic() - ready_at
