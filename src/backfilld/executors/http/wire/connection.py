"""One connection to a target: a request, its answer, the next request.

Below the event loop's streams there is only what this needs: one future per request, and no timer. Whoever keeps the
lines looks at all of them now and then, and each ends itself when its time is over.
"""

import asyncio
from collections.abc import Callable
from math import inf
from typing import cast

from yarl import URL

from backfilld.executors.http.wire.response_parser import Answer, BadAnswer, ResponseParser


class OutOfTime(Exception):
    """The time of the whole try is over."""


class Stalled(Exception):
    """An answer began, and then there was silence for too long."""


class Connection(asyncio.Protocol):
    """One connection. `ends_at` (in the loop's time) is when it is cut off, whatever it is doing."""

    def __init__(
        self, origin: URL, reader: ResponseParser, silence_seconds: float, when_lost: Callable[["Connection"], None]
    ) -> None:
        self.origin = origin
        self.is_open = False
        self.ends_at = inf
        self.asked = 0
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._reader = reader
        self._silence_seconds = silence_seconds
        self._stalls_at = inf
        self._when_lost = when_lost
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._is_full = False
        self._when_sent: Callable[[], None] | None = None

    def __repr__(self) -> str:
        state = "closed" if not self.is_open else "asked" if self._waiter is not None else "idle"
        return f"<connection to {self.origin}, {state}, request {self.asked}>"

    @property
    def was_heard(self) -> bool:
        """Something came since the last request."""
        return self._reader.heard > 0

    @property
    def may_be_asked(self) -> bool:
        """Open, and not just being closed: a transport that broke may say so a little later."""
        return self.is_open and self._transport is not None and not self._transport.is_closing()

    @property
    def may_be_kept(self) -> bool:
        """Fit for another request."""
        return self.is_open and self._reader.may_follow and not self._is_full and self._waiter is None

    def ask(
        self, waiter: asyncio.Future[Answer], data: bytes, ends_at: float, when_sent: Callable[[], None] | None = None
    ) -> None:
        """Write a whole request, now; `waiter` gets the answer. `when_sent`: once no byte is with us any more."""
        transport = self._transport
        if transport is None or not self.is_open:
            raise ConnectionResetError("closed before the request was sent")
        self.asked += 1
        self.ends_at = ends_at
        self._reader.expect()
        self._waiter = waiter
        transport.write(data)
        if self._is_full:
            self._when_sent = when_sent
        elif when_sent is not None:
            when_sent()

    def look_at(self, now: float) -> None:
        """End what has lasted too long: a try, a silence, or being idle."""
        if now >= self.ends_at:
            self._end(OutOfTime())
        elif now >= self._stalls_at:
            self._end(Stalled())

    def abort(self) -> None:
        """Close without sending what is still in a buffer, and without waiting for the other side."""
        self.is_open = False
        self._when_sent = None
        if self._transport is not None:
            self._transport.abort()

    def _end(self, problem: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(problem)
        self.abort()

    def _answered(self, answer: Answer) -> None:
        waiter, self._waiter = self._waiter, None
        self._stalls_at = inf
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True
        # Then a transport tries to write at once instead of at the end of the loop's round, and says that
        # writing is paused if and only if some of it is still with us.
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:  # nobody asked for it
            self.abort()
            return
        try:
            answer = self._reader.feed(data)
        except BadAnswer as problem:
            self._end(problem)
            return
        if answer is not None:
            self._answered(answer)
        elif self._reader.is_in_body:
            self._stalls_at = self._loop.time() + self._silence_seconds

    def eof_received(self) -> None:
        """The other side is done; returning None has the transport closed."""
        self.is_open = False
        if self._waiter is not None:
            answer = self._reader.end()
            if answer is not None:
                self._answered(answer)
            else:
                self._end(ConnectionResetError("the target closed it"))

    def connection_lost(self, problem: Exception | None) -> None:
        """Never the end of an answer: where the other side ends it, `eof_received` comes first."""
        self.is_open = False
        if self._waiter is not None:
            self._end(problem or ConnectionResetError("it was closed"))
        self._transport = self._when_sent = None
        self.lost.set_result(None)
        self._when_lost(self)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        tell, self._when_sent = self._when_sent, None
        if tell is not None:
            tell()
