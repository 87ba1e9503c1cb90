"""A way to a database that breaks at one chosen request: before it gets through, or before its answer does.

With the second, the server has done what it was asked for (has committed, say), and nobody hears of it.
"""

import asyncio

from tests.support.wire import Way, Wire

ENDS_A_REQUEST = frozenset({b"S", b"Q", b"H"})  # Sync, Query, Flush: whoever sends one waits for an answer
STARTUP = b""  # the first message of a connection has no letter


class BreakingWire(Wire):
    """`requests` counts from `break_at` on. `broke` says whether it came to that; a request breaks once."""

    requests = 0
    broke = False
    _at: int | None = None
    _answer_is_lost = False

    def break_at(self, number: int, *, answer_is_lost: bool) -> None:
        """Break all connections at the `number`-th request from now on, on whichever connection it comes."""
        self.requests, self.broke = 0, False
        self._at, self._answer_is_lost = number, answer_is_lost

    async def _copy(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if way is Way.ANSWERS:
            while some := await reader.read(65_536):
                if self.broke and self._at is not None:
                    self._break()  # the answer that must not arrive
                    return
                writer.write(some)
                await writer.drain()
            return
        letter = STARTUP
        while True:
            try:
                message, letter = await _next_message(reader, first=letter is STARTUP)
            except asyncio.IncompleteReadError:
                return
            if letter in ENDS_A_REQUEST and self._is_due() and not self._answer_is_lost:
                self._break()
                return
            writer.write(message)
            await writer.drain()

    def _is_due(self) -> bool:
        self.requests += 1
        self.broke = self.broke or self.requests == self._at
        return self.requests == self._at

    def _break(self) -> None:
        self._at = None
        self.cut()
        self.mend()


async def _next_message(reader: asyncio.StreamReader, *, first: bool) -> tuple[bytes, bytes]:
    """A whole message of the client, and its letter."""
    letter = b"" if first else await reader.readexactly(1)
    length = await reader.readexactly(4)
    body = await reader.readexactly(int.from_bytes(length) - 4)
    return letter + length + body, letter or b"startup"
