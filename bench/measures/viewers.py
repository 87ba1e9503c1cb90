"""P18: what it costs that many follow one running backfill: the daemon's CPU beyond that of nobody.

Ten entities of 0.2 s each are in flight, so that every second brings news. Each viewer reads
GET /public-api/backfills/{id}/events. Spans with and without viewers take turns.
"""

import asyncio
from statistics import median
from typing import Any

import aiohttp
from tests.support.daemon import DaemonProcess

from bench.machine import cpu_seconds
from bench.project import benched_daemon
from bench.setting import Setting

DELAY_SECONDS = 0.2
PER_KEY = 20  # streams that a caller may have
ARRIVE_WITHIN_SECONDS = 30.0
SETTLING_SECONDS = 1.0


async def measure(setting: Setting) -> dict[str, Any]:
    """Per cent of a core that all viewers cost together; the fewest events that one of them heard in a span."""
    scale = setting.scale
    template, key = await setting.stock.template(scale.items)
    async with (
        setting.postgres.database(template) as dsn,
        benched_daemon(setting.folder, dsn, key, setting.target) as daemon,
    ):
        await setting.target.begin(delay=DELAY_SECONDS)
        keys = [key, *[await daemon.make_key() for _ in range((scale.viewers - 1) // PER_KEY)]]
        id = await daemon.planned()
        await daemon.client.resume_backfill(id)
        beyond, heard = [], []
        for _ in range(scale.viewer_rounds):
            alone, _ = await _span(daemon, [], id, scale.viewer_seconds)
            seen_by = [keys[number // PER_KEY] for number in range(scale.viewers)]
            watched, least = await _span(daemon, seen_by, id, scale.viewer_seconds)
            beyond.append((watched - alone) * 100)
            heard.append(least)
    assert min(heard) >= scale.viewer_seconds / 2, f"a viewer heard {min(heard)} events in {scale.viewer_seconds:g} s"
    return {
        "core_percent": median(beyond), "core_percent_low": min(beyond), "core_percent_high": max(beyond),
        "rounds": len(beyond), "viewers": scale.viewers, "fewest_events": min(heard),
    }  # fmt: skip


async def _span(daemon: DaemonProcess, keys: list[str], id: str, seconds: float) -> tuple[float, int]:
    """The daemon's share of a core with a viewer per key, and how many events the one heard that heard least."""
    heard = [0] * len(keys)
    tasks = [
        asyncio.create_task(_follow(daemon.url, key, id, heard, number)) for number, key in enumerate(keys)
    ]  # fmt: skip
    async with asyncio.timeout(ARRIVE_WITHIN_SECONDS):
        while not all(heard):
            await asyncio.sleep(0.05)
    await asyncio.sleep(SETTLING_SECONDS)
    before = cpu_seconds([daemon.pid])
    await asyncio.sleep(seconds)
    used = cpu_seconds([daemon.pid]) - before
    for task in tasks:
        task.cancel()
    failed = [one for one in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(one, Exception)]
    assert not failed, failed
    return used / seconds, min(heard, default=0)


async def _follow(url: str, key: str, id: str, heard: list[int], number: int) -> None:
    """Read the stream until cancelled; `heard` counts the events."""
    no_limit = aiohttp.ClientTimeout(total=None)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers, timeout=no_limit) as session,
        session.get(f"{url}/public-api/backfills/{id}/events") as answer,
    ):
        answer.raise_for_status()
        async for line in answer.content:
            heard[number] += line.startswith(b"event:")
