"""P11: one request of the digdag dialect that plans ten thousand sessions of a schedule.

Nothing else runs: the sessions wait behind one that the target does not answer. Timed is the request, until the last
byte of the attempts that it answers with.
"""

import time
from datetime import UTC, timedelta
from statistics import median
from typing import Any

import aiohttp
import orjson

from backfilld.clock import SystemClock
from bench.project import BenchedDaemon, benched_daemon
from bench.setting import Setting

SESSIONS = 10_000
EVERY_MINUTES = 10
ROUNDS = 3
FOREVER_SECONDS = 3_600.0


async def measure(setting: Setting) -> dict[str, Any]:
    """The median of a few requests, each on a fresh database."""
    template, key = await setting.stock.template(0)
    seconds = []
    schedule = {"schedule": {"minutes_interval>": EVERY_MINUTES}}
    for _ in range(ROUNDS):
        async with (
            setting.postgres.database(template) as dsn,
            benched_daemon(setting.folder, dsn, key, setting.target, workflow=schedule) as daemon,
        ):
            await setting.target.begin(delay=FOREVER_SECONDS)
            seconds.append(await _request(daemon))
    return {
        "seconds": median(seconds), "seconds_low": min(seconds), "seconds_high": max(seconds), "rounds": ROUNDS,
        "sessions": SESSIONS,
    }  # fmt: skip


async def _request(daemon: BenchedDaemon) -> float:
    since = SystemClock().now().astimezone(UTC) - timedelta(minutes=EVERY_MINUTES * (SESSIONS + 1))
    body = {"fromTime": since.isoformat(), "dryRun": False, "attemptName": "again", "count": SESSIONS}
    headers = {"Authorization": f"TD1 {daemon.api_key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        began = time.monotonic()
        async with session.post(f"{daemon.url}/api/schedules/1/backfill", json=body) as answer:
            raw = await answer.read()
        seconds = time.monotonic() - began
    assert answer.status == 200, raw[:1000]
    document = orjson.loads(raw)
    assert len(document["attempts"]) == SESSIONS
    return seconds
