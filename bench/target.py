"""The target: a process of its own that answers every POST at once, or after a while, and counts.

As little HTTP as will do, so that it takes as little as possible of the machine away from who is measured.
"""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import uvloop

LENGTH, KEY = b"content-length:", b"idempotency-key:"
PATIENCE_SECONDS = 30.0


@dataclass
class Tally:
    """What has arrived. Times are of the monotonic clock, which all processes of a machine share."""

    requests: int = 0
    repeats: int = 0
    first_at: float | None = None
    last_at: float | None = None
    sample: bytes = b""  # one request, whole
    keys: set[bytes] | None = field(default=None, repr=False)

    def note(self, request: bytes) -> None:
        self.last_at = time.monotonic()
        if self.first_at is None:
            self.first_at, self.sample = self.last_at, request
        self.requests += 1
        if self.keys is not None:
            key = request.lower().partition(KEY)[2].split(b"\r\n", 1)[0]
            self.repeats += key in self.keys
            self.keys.add(key)


class Answering(asyncio.Protocol):
    """One connection. Requests have a Content-Length, and come one at a time."""

    def __init__(self, serving: "Serving") -> None:
        self._serving = serving
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(LENGTH)[2].split(b"\r\n", 1)[0] or 0)
        if len(body) >= length:
            self._serving.tally.note(self._buffer)
            self._buffer = body[length:]
            self._answer()

    def _answer(self) -> None:
        if self._serving.delay:
            asyncio.get_running_loop().call_later(self._serving.delay, self._write)
        else:
            self._write()

    def _write(self) -> None:
        if not self._transport.is_closing():  # whoever asked may have been killed since
            self._transport.write(self._serving.answer)


def answer_with(body: bytes) -> bytes:
    """A whole answer; what has a body is JSON."""
    kind = b"Content-Type: application/json\r\n" if body else b""
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (kind, len(body), body)


class Serving:
    """The target's side: answers requests, and what it is asked through the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.delay = 0.0
        self.answer = answer_with(b"")
        self.tally = Tally()

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Answering(self), "127.0.0.1", 0)
        loop.add_reader(self._pipe.fileno(), self._asked)
        self._pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    def _asked(self) -> None:
        word, value = self._pipe.recv()
        if word == "begin":
            self.delay, remembers_keys, body = value
            self.answer = answer_with(body)
            self.tally = Tally(keys=set() if remembers_keys else None)
        elif word == "forget":  # and keep the keys: what comes now may repeat what came before
            self.tally = Tally(keys=self.tally.keys)
        tally = self.tally
        self._pipe.send(Tally(tally.requests, tally.repeats, tally.first_at, tally.last_at, tally.sample))


def _serve(pipe: Connection) -> None:
    uvloop.run(Serving(pipe).serve())


class Target:
    """Our side of it."""

    def __init__(self, url: str, pid: int, pipe: Connection) -> None:
        self.url = url
        self.pid = pid
        self._pipe = pipe

    async def begin(self, *, delay: float = 0.0, remembers_keys: bool = False, answer: bytes = b"") -> None:
        """Count anew; from now on answer after `delay` seconds, with the body `answer`."""
        await self._ask("begin", (delay, remembers_keys, answer))

    async def forget(self) -> None:
        """Count anew, but know a repeat of what came before."""
        await self._ask("forget", None)

    async def tally(self) -> Tally:
        """What has arrived since `begin`."""
        return await self._ask("tally", None)

    async def _ask(self, word: str, value: object) -> Tally:
        self._pipe.send((word, value))
        while not self._pipe.poll():  # a thread that waits in recv() could not be taken back
            await asyncio.sleep(0.001)
        answer: Tally = self._pipe.recv()
        return answer


@asynccontextmanager
async def target() -> AsyncIterator[Target]:
    """A target in another process, for the length of the block."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        assert process.pid is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not ours.poll():
                await asyncio.sleep(0.01)
        yield Target(f"http://127.0.0.1:{ours.recv()}", process.pid, ours)
    finally:
        process.terminate()
        process.join()
