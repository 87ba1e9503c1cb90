"""Hundreds of callers at once, some of them with bad intentions: the work goes on, and every account stays exact."""

import asyncio
import gzip
import io
import random
from collections import Counter
from contextlib import asynccontextmanager
from functools import cache
from urllib.parse import urlsplit

import aiohttp
import pytest
from tests.crash.accounts import assert_audit_is_whole, assert_exact, repeats
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

CALLERS, REQUESTS = 200, 12
FEWER = 3_000
IDS = [f"T{number:05}" for number in range(6_000)]
PAGES = ("", "/entities?page_size=50", "/timeline", "/entities/T00000")
MEBIBYTE = 1 << 20
MOST_GROWTH = 64 * MEBIBYTE
MOST_UNDER_ATTACK = 256 * MEBIBYTE  # 30 at a time who may send 8 MiB each; altogether they send ten times as much
JSON, LINES = {"Content-Type": "application/json"}, {"Content-Type": "application/x-ndjson"}
ZIPPED = {"Content-Encoding": "gzip"}


@cache
def bomb():
    return gzip.compress(bytes(128 * MEBIBYTE))


class Callers:
    """A session of many connections, and what was answered on them."""

    def __init__(self, daemon, session):
        self._daemon = daemon
        self._session = session
        self.statuses = Counter()
        self.changes = Counter()  # by signal: how often an answer said that it had changed something

    async def ask(self, method, path, **settings):
        async with self._session.request(method, self._daemon.url + path, **settings) as answer:
            document = await answer.read()
        self.statuses[answer.status] += 1
        return answer.status, document

    async def steer(self, id, signal):
        status, document = await self.ask("POST", f"/public-api/backfills/{id}/{signal}")
        self.changes[f"backfill.{signal}"] += status == 202 and b" already" not in document


@asynccontextmanager
async def callers_of(daemon):
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Authorization": f"Bearer {daemon.api_key}"}
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
        yield Callers(daemon, session)


async def under_way(daemon, target, ids):
    target.script = lambda _: Reply(seconds=0.005)
    await daemon.upload(ids)
    id = await daemon.create()
    await eventually(lambda: len(target.calls) > 50)
    return id


@pytest.mark.slow
async def test_two_hundred_callers_who_look_and_steer_lose_no_update(daemon, target, dsn):
    draw = random.Random(7)
    daemon.environment = {"BACKFILLD_SERVER__RATE_LIMIT_PER_MINUTE": "2000"}  # fewer than are going to ask
    await daemon.start()
    id = await under_way(daemon, target, IDS)
    before = daemon.memory_bytes()
    async with callers_of(daemon) as callers:

        async def call(number):
            for _ in range(REQUESTS):
                if number % 4:
                    await callers.ask("GET", f"/public-api/backfills/{id}{draw.choice(PAGES)}")
                else:
                    await callers.steer(id, draw.choice(("pause", "resume")))

        await asyncio.gather(*(call(number) for number in range(CALLERS)))
        statuses = dict(callers.statuses)
        grown = daemon.memory_bytes() - before
        await daemon.kill()  # it counts by the minute; and whatever was answered outlives it
        await daemon.start("--paused")  # or what the kill cut off is repeated before somebody cancels it, as it may be
        await asyncio.gather(*(callers.steer(id, "cancel") for _ in range(CALLERS)))
    ended = await daemon.ends(id)
    told = await assert_audit_is_whole(dsn, id)
    print(f"{statuses}, {dict(callers.changes)}, {grown / MEBIBYTE:.0f} MiB more")

    assert {200, 202, 429} == set(statuses)
    assert "cancelled" == ended["status"]
    assert callers.changes == {name: told[name] for name in ("backfill.pause", "backfill.resume", "backfill.cancel")}
    assert 1 == told["backfill.cancel"]
    assert sum(told.values()) <= ended["version"]
    assert grown <= MOST_GROWTH
    assert repeats(target) == 0
    await assert_exact(daemon, dsn, id, planned=len(IDS))


async def endless():
    while True:
        yield bytes(MEBIBYTE)
        await asyncio.sleep(0)


@asynccontextmanager
async def slow_lorises(daemon, count):
    """Connections on which a request begins and never ends."""
    address = urlsplit(daemon.url)
    opened = []
    try:
        for _ in range(count):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(b"POST /public-api/backfills HTTP/1.1\r\nHost: here\r\nX-Slow: ")
            opened.append(writer)
        yield
    finally:
        for writer in opened:
            writer.close()


ATTACKS = (
    ("POST", "/public-api/backfills", bomb, JSON | ZIPPED),
    ("PUT", "/public-api/entities/ticket", bomb, LINES | ZIPPED),
    ("POST", "/public-api/backfills", lambda: io.BytesIO(bytes(9 * MEBIBYTE)), JSON),
    ("POST", "/public-api/backfills", endless, JSON),
    ("PUT", "/public-api/entities/ticket", endless, LINES),
)


@pytest.mark.slow
async def test_slow_lorises_endless_bodies_and_gzip_bombs_do_no_harm(daemon, target, dsn):
    await daemon.start()
    id = await under_way(daemon, target, IDS[:FEWER])
    before = daemon.memory_bytes()
    refused = Counter()
    async with callers_of(daemon) as callers, callers_of(daemon) as friends, slow_lorises(daemon, 1_000):

        async def attack(method, path, body, headers):
            for _ in range(5):
                try:
                    status, _ = await callers.ask(method, path, data=body(), headers=headers)
                except aiohttp.ClientError:  # it hangs up on whoever goes on sending
                    status = "hung up"
                refused[status] += 1

        attacking = [asyncio.create_task(attack(*one)) for one in ATTACKS for _ in range(10)]
        while not all(one.done() for one in attacking):
            await friends.ask("GET", "/healthz")
            await friends.ask("GET", f"/public-api/backfills/{id}")
        await asyncio.gather(*attacking)
        grown = daemon.memory_bytes() - before
        ended = await daemon.ends(id, seconds=120)
    print(f"{dict(refused)}, {friends.statuses[200]} answers meanwhile, {grown / MEBIBYTE:.0f} MiB more")

    assert "completed" == ended["status"]
    assert {200} == set(friends.statuses)
    assert set(refused) <= {400, 413, 422, "hung up"}
    assert grown <= MOST_UNDER_ATTACK
    await assert_exact(daemon, dsn, id, planned=FEWER)
