"""P12: what a daemon costs that has nothing to do but to know of many backfills outside their windows.

P15, too: how long one entity takes to be planned beside all of them.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from tests.support.daemon import DAYS

from backfilld.clock import SystemClock
from bench.machine import cpu_seconds, peak_bytes
from bench.measures import brakes
from bench.measures.one_entity import one_entity_plans
from bench.project import benched_daemon
from bench.setting import Setting
from bench.stock import ENTITY_TYPE

ENTITIES = 10
SETTLING_SECONDS = 5.0
MIB = 1 << 20


async def measure(setting: Setting) -> dict[str, Any]:
    """CPU of the daemon over a while, in percent of one core, and its peak memory."""
    template, key = await setting.stock.template(ENTITIES)
    several = {"allow_concurrent_backfills_per_workflow": True}
    async with (
        setting.postgres.database(template) as dsn,
        benched_daemon(setting.folder, dsn, key, setting.target, engine=several) as daemon,
    ):
        alone = await one_entity_plans(daemon, dsn)
        windows = _tomorrow(SystemClock().now())
        for _ in range(setting.scale.waiting):
            id = await daemon.create(entity_type=ENTITY_TYPE, daily_execution_windows=windows)
        await daemon.reaches(id, "waiting")
        await asyncio.sleep(SETTLING_SECONDS)
        before, of_server = cpu_seconds([daemon.pid]), setting.postgres.cpu_seconds()
        await asyncio.sleep(setting.scale.idle_seconds)
        used, served = cpu_seconds([daemon.pid]) - before, setting.postgres.cpu_seconds() - of_server
        beside = await one_entity_plans(daemon, dsn)
        of_brakes = await brakes.beyond_none(daemon, dsn, setting)
        return {
            "core_percent": used / setting.scale.idle_seconds * 100,
            "postgres_core_percent": served / setting.scale.idle_seconds * 100,
            "peak_mib": peak_bytes(daemon.pid) / MIB, "waiting": setting.scale.waiting,
            "beside_ratio": median(beside) / median(alone), "brakes_core_percent": of_brakes,
        }  # fmt: skip


def _tomorrow(now: datetime) -> dict[str, Any]:
    """An hour on the day after tomorrow: nothing of it is open while we measure, not at midnight either."""
    day = DAYS[(now.astimezone(UTC) + timedelta(days=2)).weekday()]
    return {day: [{"run_start_time": "12:00", "run_end_time": "13:00"}]}
