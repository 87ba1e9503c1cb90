"""P9: what people notice while the daemon works as fast as it can: how long answers take, and that a pause holds."""

import asyncio
import time
from statistics import median, quantiles
from typing import Any

from bench.project import BenchedDaemon, benched_daemon
from bench.setting import Setting

EVERY_SECONDS = 0.02
MOST_ASKED = 400
SETTLING_SECONDS = 1.0
PAUSES = 5


async def measure(setting: Setting) -> dict[str, Any]:
    """While one backfill runs: GETs fifty times a second, then pauses."""
    template, key = await setting.stock.template(setting.scale.medium)
    async with (
        setting.postgres.database(template) as dsn,
        benched_daemon(setting.folder, dsn, key, setting.target) as daemon,
    ):
        await setting.target.begin()
        id = await daemon.planned()
        await daemon.client.resume_backfill(id)
        await daemon.reaches(id, "running")
        asked = await _ask(daemon, id)
        pauses = [await _pause(setting, daemon, id) for _ in range(PAUSES)]
    answered, late = zip(*pauses, strict=True)
    return {
        "p99_ms": quantiles(asked, n=100)[98] * 1e3, "median_ms": median(asked) * 1e3, "asked": len(asked),
        "pause_answered_ms": median(answered) * 1e3, "pause_answered_ms_high": max(answered) * 1e3,
        "start_after_pause_ms": max(late) * 1e3,
    }  # fmt: skip


async def _ask(daemon: BenchedDaemon, id: str) -> list[float]:
    asked: list[float] = []
    while len(asked) < MOST_ASKED:
        began = time.monotonic()
        backfill = await daemon.backfill(id)
        asked.append(time.monotonic() - began)
        if backfill["pending_count"] < backfill["total_entities"] / 4:
            break
        await asyncio.sleep(EVERY_SECONDS)
    assert len(asked) > 1, "the backfill was over before anybody could ask"
    return asked


async def _pause(setting: Setting, daemon: BenchedDaemon, id: str) -> tuple[float, float]:
    """How long the pause took to be answered, and how long after the answer the last request came (0: none did)."""
    asked_at = time.monotonic()
    await daemon.client.pause_backfill(id)
    answered_at = time.monotonic()
    await asyncio.sleep(SETTLING_SECONDS)  # whatever comes late has come by then
    last_at = (await setting.target.tally()).last_at
    await daemon.client.resume_backfill(id)
    await asyncio.sleep(EVERY_SECONDS)
    return answered_at - asked_at, max(0.0, (last_at or 0.0) - answered_at)
