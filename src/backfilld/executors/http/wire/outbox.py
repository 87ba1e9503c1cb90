"""Requests that are ready, sent one right after the other in the loop's next round.

Slots that come free together make their next requests together. A request that is sent as soon as it is made finds
the network, or a target on this machine, asleep again over the one before, and to wake it cost a sixth of all that the
daemon does for an item. Sent in one go, the first wakes it for all. The gate is asked here, right before the first byte
of each.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from backfilld.executors.http.wire.connection import Connection
from backfilld.executors.http.wire.response_parser import Answer


class LostBefore(ConnectionResetError):
    """The connection ended before the gate was asked, and nothing was sent."""


class Departure(Protocol):
    """What has to be asked before a request may leave, and told when it has."""

    sent: Callable[[], None]

    def now(self) -> None:
        """Pass the gate, or raise: then nothing is sent."""


class Outbox:
    """Of one client. Made inside a running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: list[tuple[asyncio.Future[Answer], Connection, bytes, float, Departure]] = []

    def send(self, line: Connection, data: bytes, ends_at: float, start: Departure) -> asyncio.Future[Answer]:
        """The answer to `data`, which is sent soon, unless the future is cancelled before. Raises what `start` does."""
        if not self._ready:
            self._loop.call_soon(self._send)
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._ready.append((answer, line, data, ends_at, start))
        return answer

    def _send(self) -> None:
        ready, self._ready = self._ready, []
        for answer, line, data, ends_at, start in ready:
            if answer.done():  # nobody waits for it any more
                continue
            try:
                if not line.may_be_asked:
                    raise LostBefore("closed before the request was sent")
                start.now()
                line.ask(answer, data, ends_at, start.sent)
            except BaseException as problem:  # of this one; the others are to be sent
                answer.set_exception(problem)
