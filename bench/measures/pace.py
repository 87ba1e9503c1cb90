"""P19: what a kill costs of the pace: of items that take long, and of items that are quick.

Ten are in flight when the daemon is killed. Whatever may have been started is repeated, one beginning after the other,
so the question is how long it takes until ten are in flight again. Both kinds go at once, each with a daemon, a
database and a target of its own: they wait nearly all of the time.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bench.project import BenchedDaemon, benched_daemon
from bench.setting import Setting
from bench.target import Target, target

IN_FLIGHT = 10
QUICK_SECONDS, QUICK_ITEMS = 0.050, 10_000
UNDER_LOAD_SECONDS = 3.0
LOOKS_EVERY_SECONDS = 0.1
FULL_SHARE, HELD_SECONDS = 0.9, 1.0
PATIENCE_SECONDS = 60.0

Look = tuple[float, int]  # when, and how many requests had come by then


async def measure(setting: Setting) -> dict[str, Any]:
    """The time that the long ones took ÷ the time without a kill; seconds until the quick ones came as before."""
    async with asyncio.TaskGroup() as group:
        long = group.create_task(_long(setting))
        quick = group.create_task(_quick(setting))
    scale = setting.scale
    ideal = scale.long_items * scale.long_seconds / IN_FLIGHT
    return {
        "ratio": long.result() / ideal, "seconds_beyond": long.result() - ideal, "ideal_seconds": ideal,
        "seconds_to_full_pace": quick.result(),
    }  # fmt: skip


async def _long(setting: Setting) -> float:
    """From the start of the first to the end of the last, killed in the middle of the second ten."""
    scale = setting.scale
    async with _running(setting, scale.long_items, scale.long_seconds) as (daemon, _, id):
        began = time.monotonic()
        await asyncio.sleep(1.5 * scale.long_seconds)
        await daemon.kill()
        await daemon.launch()
        await daemon.serving()
        await daemon.reaches(id, "completed")
        return time.monotonic() - began


async def _quick(setting: Setting) -> float:
    """From the first request after the kill until requests come as often as they came before it."""
    async with _running(setting, QUICK_ITEMS, QUICK_SECONDS) as (daemon, there, id):
        await asyncio.sleep(UNDER_LOAD_SECONDS / 2)
        before = await _looks(there, UNDER_LOAD_SECONDS)
        await daemon.kill()
        await there.forget()
        await daemon.launch()
        seconds = await _full_pace(there, pace_of(before))
        await daemon.becomes_ready()
        await daemon.client.pause_backfill(id)
        return seconds


@asynccontextmanager
async def _running(
    setting: Setting, items: int, seconds: float
) -> AsyncIterator[tuple[BenchedDaemon, Target, str]]:  # fmt: skip
    """A backfill that has begun, over items that take so long each."""
    template, key = await setting.stock.template(items)
    async with (
        target() as there,
        setting.postgres.database(template) as dsn,
        benched_daemon(setting.folder, dsn, key, there) as daemon,
    ):
        await there.begin(delay=seconds)
        id = await daemon.planned()
        await daemon.client.resume_backfill(id)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await there.tally()).first_at is None:
                await asyncio.sleep(LOOKS_EVERY_SECONDS)
        yield daemon, there, id


async def _looks(there: Target, seconds: float) -> list[Look]:
    looks = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        looks.append((time.monotonic(), (await there.tally()).requests))
        await asyncio.sleep(LOOKS_EVERY_SECONDS)
    return looks


async def _full_pace(there: Target, pace: float) -> float:
    looks: list[Look] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (found := seconds_to_pace(looks, pace)) is None:
            tally = await there.tally()
            if tally.first_at is not None:
                looks = looks or [(tally.first_at, 1)]
                looks.append((time.monotonic(), tally.requests))
            await asyncio.sleep(LOOKS_EVERY_SECONDS)
    return found


def pace_of(looks: Sequence[Look]) -> float:
    """Requests per second from the first look to the last."""
    (began, first), (ended, last) = looks[0], looks[-1]
    return (last - first) / (ended - began)


def seconds_to_pace(looks: Sequence[Look], pace: float) -> float | None:
    """From the first look until `FULL_SHARE` of the pace was held for `HELD_SECONDS`; None if it was not yet."""
    for number, (at, _) in enumerate(looks):
        later = [look for look in looks[number:] if look[0] >= at + HELD_SECONDS]
        if not later:
            return None
        if pace_of((looks[number], later[0])) >= FULL_SHARE * pace:
            return at - looks[0][0]
    return None
