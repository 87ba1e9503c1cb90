"""One HTTP request, with nothing awaited between the gate and the first byte.

The clients that there are prepare, connect and send in one go, and offer no place for the gate between the last two.
So this is a client of our own, which does what an executor needs and nothing else: find or open a connection
(`pool`), ask the gate and write the whole request in one call (`outbox`), read the answer (`connection`). No HTTP/2, no
proxies, no cookies, no redirects. It is also a fraction of what a general client costs per request.
"""

import asyncio
import ssl
from math import inf

from yarl import URL

from backfilld.executors.base import Permit
from backfilld.executors.http.failures import answering_failed, connecting_failed
from backfilld.executors.http.wire.connection import Connection, OutOfTime
from backfilld.executors.http.wire.outbox import LostBefore, Outbox
from backfilld.executors.http.wire.pool import ConnectionPool, Limits
from backfilld.executors.http.wire.response_parser import Answer

__all__ = ["Answer", "Client", "Limits", "OutOfTime", "Start"]


class Start:
    """The one start of a try: passes the gate when it is time, and remembers that it did."""

    __slots__ = ("_permit", "happened", "sent")

    def __init__(self, permit: Permit) -> None:
        self._permit = permit
        self.happened = False
        self.sent = permit.sent

    def now(self) -> None:
        self._permit.start()
        self.happened = True


class Client:
    """The requests of one executor. Made inside a running event loop."""

    def __init__(self, limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        # Of the loop that it is made in. To ask which loop runs is a call of the system each time (until Python 3.12).
        self._loop = asyncio.get_running_loop()
        self.time = self._loop.time
        self._limits = limits
        self._connections = ConnectionPool(limits, tls)
        self._outbox = Outbox()
        self._url: URL | None = None  # that of the last request, which is nearly always that of the next
        self._origin = URL()

    async def close(self) -> None:
        """Close every connection."""
        await self._connections.close()

    async def request(self, url: URL, data: bytes, start: Start | None = None, ends_at: float = inf) -> Answer:
        """Send `data`, a whole HTTP/1.1 request, to the host of `url`, and read the answer.

        `start` passes the gate right before the first byte; its NotPermitted comes out as it is, and then nothing
        was sent. OutOfTime once the loop's time is `ends_at`. Whatever else goes wrong is a TargetFailure;
        CancelledError passes.
        """
        if url is not self._url:
            self._url, self._origin = url, url.origin()
        origin = self._origin
        line = self._connections.idle(origin) or await self._opened(origin, ends_at)
        while True:
            try:
                if start is not None:
                    answer = await self._outbox.send(line, data, ends_at, start)
                else:
                    answer = await self._asked_at_once(line, data, ends_at)
                break
            except LostBefore as problem:
                if line.asked == 0:
                    raise connecting_failed(problem, str(origin), self._limits.connect_seconds) from problem
                line = await self._opened(origin, ends_at)
            except BaseException as problem:
                if start is not None and not start.happened:
                    self._connections.give_back(line)
                    raise
                line.abort()
                if not isinstance(problem, Exception) or isinstance(problem, OutOfTime):
                    raise
                raise answering_failed(problem, str(origin), reused=line.asked > 1, heard=line.was_heard) from problem
        if line.may_be_kept:
            self._connections.give_back(line)
        else:
            line.abort()
        return answer

    def _asked_at_once(self, line: Connection, data: bytes, ends_at: float) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = self._loop.create_future()
        line.ask(answer, data, ends_at)
        return answer

    async def _opened(self, origin: URL, ends_at: float) -> Connection:
        try:
            return await self._connections.opened(origin, ends_at)
        except OutOfTime:
            raise
        except Exception as problem:
            raise connecting_failed(problem, str(origin), self._limits.connect_seconds) from problem
