"""Targets that answer as a test wants: whole HTTP servers, and raw ones that break the rules."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

CERTIFICATE = Path(__file__).parent.parent / "executors" / "self_signed.pem"
RENEWED = Path(__file__).parent / "renewed.pem"  # another key under the same name

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Seen:
    """One request as the target saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Target:
    """A running HTTP server and what it was sent."""

    url: str
    seen: list[Seen] = field(default_factory=list)


@asynccontextmanager
async def target(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Target]:
    """Serve every path with `handler` on loopback."""
    running = Target("")

    async def remember(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        running.seen.append(Seen(request.method, request.path_qs, headers, body))
        return await handler(request)

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", remember)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        running.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield running
    finally:
        await runner.cleanup()


def answering(status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> Handler:
    """A handler that always gives this answer; `body` is text, bytes or JSON data."""

    async def handler(_: web.Request) -> web.Response:
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, headers=headers)
        if isinstance(body, str) or body is None:
            return web.Response(status=status, text=body, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    return handler


@dataclass
class RawTarget:
    """A server below HTTP. `received` is every byte of every connection; `connections` how many there were."""

    port: int
    received: bytearray = field(default_factory=bytearray)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def raw_target(handler: RawHandler) -> AsyncIterator[RawTarget]:
    """Hand every connection to `handler`; whatever it leaves open is closed behind it."""
    running = RawTarget(0)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(_Remembering(reader, running.received), writer)  # type: ignore[arg-type]  # has what we use
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Remembering:
    """A reader that keeps a copy of what it read."""

    def __init__(self, reader: asyncio.StreamReader, received: bytearray) -> None:
        self._reader = reader
        self._received = received

    async def read(self, most: int = -1) -> bytes:
        data = await self._reader.read(most)
        self._received += data
        return data

    async def readuntil(self, separator: bytes) -> bytes:
        data = await self._reader.readuntil(separator)
        self._received += data
        return data

    async def readexactly(self, length: int) -> bytes:
        data = await self._reader.readexactly(length)
        self._received += data
        return data


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One whole request with a Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    return head + await reader.readexactly(length)


def server_tls(certificate: Path = CERTIFICATE) -> ssl.SSLContext:
    """A certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def trusting_tls() -> ssl.SSLContext:
    """Nobody but those who were told to."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))
