"""What it costs that many follow one running backfill: the daemon's CPU beyond that of nobody.

    python -m bench.viewers [VIEWERS] [SECONDS]

The real daemon with its embedded PostgreSQL; ten entities of 0.2 s each in flight, so that every second brings news.
Each viewer reads GET /public-api/backfills/{id}/events. Spans with and without viewers take turns.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median

import aiohttp
from tests.support.daemon import DaemonProcess, Plan, daemon_process

from bench.machine import cpu_seconds
from bench.target import target

DELAY_SECONDS = 0.2
IN_FLIGHT = 10
ROUNDS = 3
PER_KEY = 20  # streams that a caller may have


async def follow(url: str, key: str, id: str, heard: list[int], number: int) -> None:
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


async def span(daemon: DaemonProcess, keys: list[str], id: str, viewers: int, seconds: float) -> tuple[float, int]:
    """The daemon's share of a core, and how many events the viewer that heard least heard."""
    heard = [0] * viewers
    tasks = [
        asyncio.create_task(follow(daemon.url, keys[number // PER_KEY], id, heard, number)) for number in range(viewers)
    ]
    async with asyncio.timeout(30):
        while not all(heard):
            await asyncio.sleep(0.05)
    await asyncio.sleep(1)
    before = cpu_seconds([daemon.pid])
    await asyncio.sleep(seconds)
    used = cpu_seconds([daemon.pid]) - before
    for task in tasks:
        task.cancel()
    failed = [one for one in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(one, Exception)]
    assert not failed, failed
    return used / seconds, min(heard, default=0)


async def measure(viewers: int, seconds: float) -> tuple[float, float, int]:
    """Share of a core without and with viewers (medians), and the fewest events that one of them heard in a span."""
    entities = int((seconds + 10) * 2 * ROUNDS * IN_FLIGHT / DELAY_SECONDS)
    with tempfile.TemporaryDirectory(prefix="bd-", ignore_cleanup_errors=True) as folder:
        async with target() as running, daemon_process(Path(folder) / "d", Plan(running.url)) as daemon:
            await running.begin(delay=DELAY_SECONDS)
            await daemon.start()
            keys = [await daemon.make_key() for _ in range(-(-viewers // PER_KEY))]
            await daemon.upload([f"T{number:07}" for number in range(entities)])
            id = await daemon.create(max_in_flight=IN_FLIGHT)
            alone, watched = [], []
            for _ in range(ROUNDS):
                alone.append(await span(daemon, keys, id, 0, seconds))
                watched.append(await span(daemon, keys, id, viewers, seconds))
            await daemon.client.pause_backfill(id)
            await asyncio.sleep(2 * DELAY_SECONDS)  # what is in flight is answered
    return median(cpu for cpu, _ in alone), median(cpu for cpu, _ in watched), min(least for _, least in watched)


def main() -> None:
    viewers = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    alone, watched, least = asyncio.run(measure(viewers, seconds))
    print(
        f"{viewers} viewers: {watched:.1%} of a core, {alone:.1%} without them: {watched - alone:.1%} for all of them,"
        f" each of whom heard {least} events or more in {seconds:g} s"
    )
    if least < seconds / 2:
        sys.exit(1)


if __name__ == "__main__":
    main()
