"""P16: a backfill of many named ids, a rerun of all that failed: what people notice of its size.

Beside it the same entities planned by a filter, in the same database. While it runs it is asked for, and paused.
"""

import time
from statistics import median
from typing import Any

from bench.machine import peak_bytes
from bench.measures.one_entity import planning_seconds
from bench.past import long_ended
from bench.project import BenchedDaemon, benched_daemon
from bench.setting import Setting
from bench.stock import ENTITY_TYPE, STATUSES
from bench.workloads import W3

HALF = {"status": list(STATUSES[:2])}  # two of four: as many entities as are named
GETS, PAUSES = 20, 5
SEVERAL = {"allow_concurrent_backfills_per_workflow": True}
MIB = 1 << 20


async def measure(setting: Setting) -> dict[str, Any]:
    """Medians of what is asked, and the daemon's peak memory."""
    named = setting.scale.large // 2
    template, key = await setting.stock.template(setting.scale.large)
    async with (
        setting.postgres.database(template) as dsn,
        benched_daemon(setting.folder, dsn, key, setting.target, engine=SEVERAL) as daemon,
    ):
        await setting.target.begin(delay=W3.delay)
        by_filter = await _planned_by_filter(daemon, dsn)
        parent = await long_ended(daemon, dsn, named + 1, fails_each=1)
        id = str((await daemon.client.rerun_failed(parent, {}))["backfill"]["id"])
        backfill = await daemon.reaches(id, "running")
        assert backfill["total_entities"] == named, backfill
        by_name = await planning_seconds(dsn, id)
        asked = [await _asked(daemon, id) for _ in range(GETS)]
        paused = [await _paused(daemon, id) for _ in range(PAUSES)]
        return {
            "pause_answered_ms": median(paused) * 1e3, "pause_answered_ms_high": max(paused) * 1e3,
            "pause_answered_ms_low": min(paused) * 1e3, "get_ms": median(asked) * 1e3,
            "get_ms_low": min(asked) * 1e3, "get_ms_high": max(asked) * 1e3, "peak_mib": peak_bytes(daemon.pid) / MIB,
            "planned_ratio": by_name / by_filter, "planned_seconds": by_name, "ids": named,
        }  # fmt: skip


async def _planned_by_filter(daemon: BenchedDaemon, dsn: str) -> float:
    id = await daemon.create(entity_type=ENTITY_TYPE, filter_spec=HALF, start="when_approved")
    await daemon.reaches(id, "paused")
    await daemon.client.cancel_backfill(id)
    return await planning_seconds(dsn, id)


async def _asked(daemon: BenchedDaemon, id: str) -> float:
    began = time.monotonic()
    await daemon.backfill(id)
    return time.monotonic() - began


async def _paused(daemon: BenchedDaemon, id: str) -> float:
    began = time.monotonic()
    await daemon.client.pause_backfill(id)
    seconds = time.monotonic() - began
    await daemon.client.resume_backfill(id)
    return seconds
