"""A crowd of connections that say nothing, and a system that gives few descriptors."""

import asyncio
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import IO
from urllib.parse import urlsplit

import pytest
from tests.crash.accounts import assert_exact, repeats
from tests.support.daemon import DaemonProcess, Plan
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

ENTITIES = [f"T{number:03}" for number in range(60)]
HARD, SOFT = 300, 64


class PoorDaemon(DaemonProcess):
    """The system gives it few descriptors."""

    async def begin(self, *words: str, environment: Mapping[str, str], output: IO[bytes]) -> asyncio.subprocess.Process:
        poor = f'ulimit -Sn {SOFT} && ulimit -Hn {HARD} && exec "$@"'
        return await asyncio.create_subprocess_exec(
            "sh", "-c", poor, "sh", sys.executable, "-m", self.program, *words,
            env=dict(environment), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip


async def crowd(stack: ExitStack, url: str, count: int) -> None:
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    for _ in range(count):
        sock = stack.enter_context(socket.socket())
        sock.setblocking(False)
        await loop.sock_connect(sock, (place.hostname, place.port))
        await loop.sock_sendall(sock, b"GET /public-api/backfills HTTP/1.1\r\nHost: x\r\nX-Half: ")


@pytest.mark.slow
async def test_a_crowd_of_half_requests_keeps_nobody_from_pausing_and_costs_no_item_a_try(scratch, target, dsn):
    target.script = lambda _: Reply(seconds=0.05)
    daemon = PoorDaemon(scratch / "poor", Plan(target.url, dsn, engine={"max_in_flight_total": 20}))
    try:
        await daemon.make_key()
        await daemon.start()
        await daemon.upload(ENTITIES)
        with ExitStack() as stack:
            await crowd(stack, daemon.url, 2 * HARD)
            id = await daemon.create()
            await eventually(lambda: target.calls)
            paused = await daemon.client.pause_backfill(id, reason="a crowd")
            await daemon.client.resume_backfill(id)
            ended = await daemon.ends(id)

        assert "paused" == paused["backfill"]["status"]
        assert "completed" == ended["status"]
        assert 0 == repeats(target)
        assert daemon.events("fewer connections than server.max_connections, for want of descriptors")
        await assert_exact(daemon, dsn, id, planned=len(ENTITIES))
    finally:
        await daemon.put_away()
