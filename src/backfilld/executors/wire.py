"""One HTTP request, with nothing awaited between the gate and the first byte.

A client session prepares, connects and sends in one go, and offers no place for the gate between the last two. So
this module takes aiohttp's parts one level below the session: its connector finds or opens a connection (pool, DNS,
happy eyeballs, TLS), then the gate is asked, then the whole request is written in one call, then aiohttp's parser
reads the answer. That is also half of what a session costs per request: no cookies, redirects, traces, headers as
objects.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from aiohttp import ClientRequest, ClientTimeout, TCPConnector, ThreadedResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.streams import StreamReader
from yarl import URL

from backfilld.executors.addresses import guarded_socket
from backfilld.executors.base import Permit
from backfilld.executors.failures import answering_failed, connecting_failed

# Below the 5 s after which common servers (uvicorn, Node) close an idle connection, so that they seldom do it just
# when we send.
KEEPALIVE_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much. `silence_seconds` is the longest pause inside an answer that has begun."""

    connect_seconds: float = 10.0
    silence_seconds: float = 60.0
    most_bytes: int = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `complete` is False if the body was longer than the limit; `body` is its beginning then."""

    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes
    complete: bool


class Start:
    """The one start of a try: passes the gate when it is time, and remembers that it did."""

    __slots__ = ("_permit", "happened")

    def __init__(self, permit: Permit) -> None:
        self._permit = permit
        self.happened = False

    def now(self) -> None:
        self._permit.start()
        self.happened = True

    def sent(self) -> None:
        self._permit.sent()


class _Line(ResponseHandler):
    """The end of a connection that is ours: `was_used` by an earlier request; something `was_heard` since the last."""

    was_used = False
    was_heard = False

    def data_received(self, data: bytes) -> None:
        self.was_heard = True
        super().data_received(data)


class Wire:
    """The connections of one executor. Made inside a running event loop."""

    def __init__(self, limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        self._limits = limits
        self._tls = tls
        self._timeout = ClientTimeout(connect=limits.connect_seconds)
        self._connector = TCPConnector(
            limit=0,  # the engine limits, and knows better
            resolver=ThreadedResolver(),
            socket_factory=guarded_socket,
            keepalive_timeout=KEEPALIVE_SECONDS,
        )
        lines = partial(_Line, loop=asyncio.get_running_loop())
        self._connector._factory = lines  # type: ignore[assignment]  # a _Line is a ResponseHandler
        self._origins: dict[URL, ClientRequest] = {}

    async def close(self) -> None:
        """Close every connection."""
        await self._connector.close()

    async def request(self, url: URL, data: bytes, start: Start | None = None) -> Answer:
        """Send `data`, a whole HTTP/1.1 request, to the host of `url`, and read the answer.

        `start` passes the gate right before the first byte; its NotPermitted comes out as it is, and then nothing
        was sent. Whatever else goes wrong is a TargetFailure; CancelledError passes.
        """
        origin = url.origin()
        connection = await self._connect(origin)
        protocol = connection.protocol
        assert isinstance(protocol, _Line)  # noqa: S101 - a connection that was just taken has one
        reused = _take_note_of(protocol)
        if start is not None:
            try:
                start.now()
            except BaseException:
                connection.release()
                raise
        try:
            answer = await self._exchange(protocol, data, start)
        except BaseException as problem:
            _abort(connection)
            if isinstance(problem, asyncio.CancelledError) or not isinstance(problem, Exception):
                raise
            raise answering_failed(problem, str(origin), reused=reused, heard=protocol.was_heard) from problem
        if answer.complete:
            connection.release()
        else:
            _abort(connection)
        return answer

    async def _connect(self, origin: URL) -> Connection:
        request = self._origins.get(origin)
        if request is None:
            # The connector only reads from it where to go; so one serves every request to that place.
            loop = asyncio.get_running_loop()
            request = ClientRequest("POST", origin, loop=loop, ssl=self._tls if self._tls is not None else True)
            self._origins[origin] = request
        try:
            return await self._connector.connect(request, traces=[], timeout=self._timeout)
        except Exception as problem:
            raise connecting_failed(problem, str(origin), self._limits.connect_seconds) from problem

    async def _exchange(self, protocol: _Line, data: bytes, start: Start | None) -> Answer:
        """From here to the write nothing is awaited."""
        transport = protocol.transport
        if transport is None:
            raise ConnectionResetError("closed before the request was sent")
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        transport.write(data)
        flushing = None
        if start is not None:
            if protocol.writing_paused:
                flushing = asyncio.create_task(_report_when_flushed(protocol, start))
            else:
                start.sent()
        try:
            return await self._read(protocol)
        finally:
            if flushing is not None:
                flushing.cancel()

    async def _read(self, protocol: ResponseHandler) -> Answer:
        message, payload = await protocol.read()
        while message.code < HTTPStatus.OK and message.code != HTTPStatus.SWITCHING_PROTOCOLS:
            message, payload = await protocol.read()
        if not payload.is_eof():
            protocol.read_timeout = self._limits.silence_seconds
            protocol.start_timeout()
        body, complete = await _read_body(payload, self._limits.most_bytes)
        return Answer(message.code, message.headers, body, complete and not protocol.upgraded)


def _take_note_of(line: _Line) -> bool:
    """Prepare it for a request; answers whether it has had one before."""
    line.was_heard = False
    if line.was_used:
        return True
    line.was_used = True
    if line.transport is not None:
        # Then a transport tries to write at once instead of at the end of the loop's round, and says that
        # writing is paused if and only if some of it is still with us.
        line.transport.set_write_buffer_limits(high=0)
    return False


async def _read_body(payload: StreamReader, most_bytes: int) -> tuple[bytes, bool]:
    """At most `most_bytes` of it, and whether that was all."""
    body = b""
    while not payload.at_eof():
        body += await payload.readany()
        if len(body) > most_bytes:
            return body[:most_bytes], False
    return body, True


async def _report_when_flushed(protocol: ResponseHandler, start: Start) -> None:
    """A target that reads slowly leaves part of the request with us for a while."""
    with suppress(Exception):  # a broken connection is noticed by whoever reads the answer
        await protocol._drain_helper()
        start.sent()


def _abort(connection: Connection) -> None:
    """Close without sending what is still in a buffer, and without waiting for the other side."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()
