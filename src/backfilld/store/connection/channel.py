"""Hears of changes that other sessions commit, whichever daemon or command made them.

The connection is its own: LISTEN belongs to a session, so it does not go through a pool or a pooler. A
lost connection may have missed anything; after it is back, everything is looked at once.
"""

import asyncio
from collections.abc import Callable

import asyncpg

from backfilld.store.connection.address import Located
from backfilld.store.connection.pool import connect

CHANNEL = "backfilld"  # the name that each NOTIFY of the statements gives
LIVE = "live"  # in place of a number: schedules, or attempts outside of backfills


class Channel:
    """`heard` is called with the number of a changed backfill, or with None when any may have been; `live` when a
    schedule or an attempt outside of backfills was changed, or may have been."""

    def __init__(
        self, database: Located, heard: Callable[[int | None], None], live: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._heard = heard
        self._live = live
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self.lost = asyncio.Event()  # set when the connection is; whatever is said from then on is missed

    async def open(self) -> None:
        """Listen, if that is not the case yet."""
        if self._connection is not None and not self._connection.is_closed():
            return
        connection = await connect(self._database)
        connection.add_termination_listener(lambda _: self.lost.set())
        try:
            await connection.add_listener(CHANNEL, self._received)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        self._heard(None)
        self._live()

    def close(self) -> None:
        """Listen no more."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _received(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        number = str(payload).split(" ", 1)[0]
        if number == LIVE:
            self._live()
        else:
            self._heard(int(number) if number.isdigit() else None)
