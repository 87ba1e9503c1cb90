"""P10: SIGKILL with half of a large plan done, and how long it takes until the next daemon starts something.

P15, too: with half of it done, how long one entity takes to be planned beside it. The first of them pays for what was
not looked at before, and stands by itself.

The first half is done by a daemon whose executors do nothing, so that it takes seconds; then the real one goes on, is
killed under load, and started again. Its start-up and the lease that its predecessor left behind are both in the time.
"""

import asyncio
import time
from statistics import median
from typing import Any

from bench.measures.one_entity import PLANS, one_entity_plans
from bench.project import BenchedDaemon, benched_daemon
from bench.setting import Setting

UNDER_LOAD_SECONDS = 1.0
POLL_SECONDS = 0.005
PATIENCE_SECONDS = 120.0
SEVERAL = {"allow_concurrent_backfills_per_workflow": True}
BOUND = 200 + 10  # engine.max_unrecorded, and what is in flight


async def measure(setting: Setting) -> dict[str, Any]:
    """The median over a few kills; the most repeats that a single one cost."""
    items = setting.scale.large
    template, key = await setting.stock.template(items)
    async with setting.postgres.database(template) as dsn:
        await setting.target.begin()
        async with benched_daemon(
            setting.folder, dsn, key, setting.target, does_nothing=True, engine=SEVERAL
        ) as daemon:
            alone = await one_entity_plans(daemon, dsn)
            id = await daemon.planned()
            await _half_done(daemon, id, items)
            first, *others = await one_entity_plans(daemon, dsn, PLANS + 1)
            daemon.does_nothing = False
            await daemon.stop()
            await daemon.start()
            kills = [await _kill(setting, daemon, id) for _ in range(setting.scale.restarts)]
    seconds, repeats = zip(*kills, strict=True)
    return {
        "seconds": median(seconds), "seconds_low": min(seconds), "seconds_high": max(seconds), "rounds": len(kills),
        "repeats": max(repeats), "repeats_over_bound": max(0, max(repeats) - BOUND), "items": items,
        "beside_ratio": median(others) / median(alone), "beside_first_seconds": first,
    }  # fmt: skip


async def _half_done(daemon: BenchedDaemon, id: str, items: int) -> None:
    await daemon.client.resume_backfill(id)
    while (await daemon.backfill(id))["processed_count"] < items // 2:
        await asyncio.sleep(0.1)
    await daemon.client.pause_backfill(id)


async def _kill(setting: Setting, daemon: BenchedDaemon, id: str) -> tuple[float, int]:
    """Seconds from the kill to the first start after it, and how many starts were repeats."""
    await setting.target.begin(remembers_keys=True)
    await daemon.client.resume_backfill(id)
    await _arrived(setting)
    await asyncio.sleep(UNDER_LOAD_SECONDS)
    killed_at = time.monotonic()
    await daemon.kill()
    await setting.target.forget()
    await daemon.launch()
    first_at = await _arrived(setting)
    await daemon.becomes_ready()
    await asyncio.sleep(UNDER_LOAD_SECONDS)
    await daemon.client.pause_backfill(id)
    return first_at - killed_at, (await setting.target.tally()).repeats


async def _arrived(setting: Setting) -> float:
    """When the first request came."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (tally := await setting.target.tally()).first_at is None:
            await asyncio.sleep(POLL_SECONDS)
    return tally.first_at
