"""The connections of one executor: as many as are in flight, and those that are kept for a moment.

The one used last is used first, so that what is not needed any more grows old and is closed. One timer looks after all
of them, and only while there are any: a timer for each request costs more than the look.
"""

import asyncio
import ssl
from dataclasses import dataclass

from yarl import URL

from backfilld.executors.http.wire.connect import connected
from backfilld.executors.http.wire.connection import Connection, OutOfTime
from backfilld.executors.http.wire.resolver import Resolver
from backfilld.executors.http.wire.response_parser import ResponseParser

# Below the 5 s after which common servers (uvicorn, Node) close an idle connection, so that they seldom do it just
# when we send.
KEEPALIVE_SECONDS = 4.0
LOOK_EVERY_SECONDS = 0.1  # by so much may a time limit be late


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much. `silence_seconds` is the longest pause inside an answer that has begun."""

    connect_seconds: float = 10.0
    silence_seconds: float = 60.0
    most_bytes: int = 65_536


class NoConnectionInTime(Exception):
    """There is none within `connect_seconds`."""


class ConnectionPool:
    """Opens, lends, takes back and closes them. Made inside a running event loop."""

    def __init__(self, limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        self._limits = limits
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._names = Resolver()
        self._lines: set[Connection] = set()
        self._idle: dict[URL, list[Connection]] = {}
        self._origin: URL | None = None  # that was asked for last, and its list: nearly always the next one, too
        self._kept: list[Connection] = []
        self._opening: dict[asyncio.Timeout, asyncio.Future[None]] = {}
        self._look: asyncio.TimerHandle | None = None
        self._is_closed = False

    def idle(self, origin: URL) -> Connection | None:
        """One that is open and waits for work, if there is any."""
        kept = self._kept if origin is self._origin else self._kept_of(origin)
        while kept:
            line = kept.pop()
            if line.may_be_asked and line.ends_at > self._loop.time():
                return line
            line.abort()
        return None

    async def opened(self, origin: URL, ends_at: float) -> Connection:
        """A new one. OutOfTime after `ends_at`, NoConnectionInTime, OSError."""
        connect_by = self._loop.time() + self._limits.connect_seconds
        limit = asyncio.timeout_at(min(ends_at, connect_by))
        over = self._opening[limit] = self._loop.create_future()
        try:
            async with limit:
                line = await connected(origin, lambda: self._made(origin), self._names, self._tls)
        except TimeoutError:
            if self._is_closed:
                raise ConnectionAbortedError("closed while it was being opened") from None
            if not limit.expired():  # the system's own limit
                raise
            raise (OutOfTime if ends_at < connect_by else NoConnectionInTime) from None
        finally:
            del self._opening[limit]
            over.set_result(None)
        self._keep_an_eye_on(line)
        return line

    def give_back(self, line: Connection) -> None:
        """Keep it for the next request."""
        if not line.is_open:
            line.abort()
            return
        line.ends_at = self._loop.time() + KEEPALIVE_SECONDS
        (self._kept if line.origin is self._origin else self._kept_of(line.origin)).append(line)

    async def close(self) -> None:
        """Close every one, also those that are in use or being opened."""
        self._is_closed = True
        ends = [*self._opening.values(), *(line.lost for line in self._lines)]
        for limit in self._opening:
            limit.reschedule(self._loop.time())
        for line in self._lines:
            line.abort()
        if ends:
            await asyncio.wait(ends)
        self._names.close()  # not before: who waits for a look-up would be cancelled with it

    def _kept_of(self, origin: URL) -> list[Connection]:
        self._origin, self._kept = origin, self._idle.setdefault(origin, [])
        return self._kept

    def _made(self, origin: URL) -> Connection:
        return Connection(origin, ResponseParser(self._limits.most_bytes), self._limits.silence_seconds, self._lost)

    def _keep_an_eye_on(self, line: Connection) -> None:
        if self._is_closed:
            line.abort()
            raise ConnectionAbortedError("closed as it was opened")
        if not line.may_be_asked:
            raise ConnectionResetError("the target closed it at once")
        self._lines.add(line)
        if self._look is None:
            self._look = self._loop.call_later(LOOK_EVERY_SECONDS, self._look_at_all)

    def _lost(self, line: Connection) -> None:
        self._lines.discard(line)
        kept = self._idle.get(line.origin)
        if kept is not None and line in kept:
            kept.remove(line)
        if not self._lines and self._look is not None:
            self._look.cancel()
            self._look = None

    def _look_at_all(self) -> None:
        now = self._loop.time()
        for line in tuple(self._lines):
            line.look_at(now)
        self._look = self._loop.call_later(LOOK_EVERY_SECONDS, self._look_at_all)
