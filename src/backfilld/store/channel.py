"""Hears of changes that other sessions commit, whichever daemon or command made them.

The connection is its own: LISTEN belongs to a session, so it does not go through a pool or a pooler. A
lost connection may have missed anything; after it is back, everything is looked at once.
"""

import asyncio
from collections.abc import Callable

from backfilld.clock import Clock
from backfilld.store import outages
from backfilld.store.address import Located
from backfilld.store.backfills import CHANNEL
from backfilld.store.pool import connect

LONGEST_PAUSE_SECONDS = 5.0
LOOKS_EVERY_SECONDS = 1.0


LIVE = "live"  # in place of a number: schedules, or attempts outside of backfills


class Channel:
    """`heard` is called with the number of a changed backfill, or with None when any may have been; `live` when a
    schedule or an attempt outside of backfills was changed, or may have been."""

    def __init__(
        self,
        database: Located,
        clock: Clock,
        heard: Callable[[int | None], None],
        live: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._heard = heard
        self._live = live

    async def serve(self) -> None:
        """Listen until cancelled, patiently."""
        pause = 0.1
        while True:
            try:
                await self._listen()
                pause = 0.1
            except Exception as problem:
                if not outages.passes(problem):
                    raise
                await self._clock.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _listen(self) -> None:
        connection = await connect(self._database)
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        try:
            await connection.add_listener(CHANNEL, self._received)
            self._heard(None)
            self._live()
            await closed.wait()
        finally:
            connection.terminate()

    def _received(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        number = str(payload).split(" ", 1)[0]
        if number == LIVE:
            self._live()
        else:
            self._heard(int(number) if number.isdigit() else None)


class Lookout:
    """In place of a Channel where nobody can listen, behind a pooler: says every second that anything may be new."""

    def __init__(
        self, clock: Clock, heard: Callable[[int | None], None], live: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._heard = heard
        self._live = live

    async def serve(self) -> None:
        """Go on until cancelled."""
        while True:
            self._heard(None)
            self._live()
            await self._clock.sleep(LOOKS_EVERY_SECONDS)
