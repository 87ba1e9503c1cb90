"""How long something may take: a connection that must not take longer, statements that may.

Cancelling a statement is not enough: asyncpg then asks the server to stop and waits until it has, which is
for ever when the network swallows every packet. So the connection is broken off, and the next one is new.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from backfilld.store.connection.known_types import KnowingConnection
from backfilld.store.connection.pool import Connection, Pool

RESET_TIMEOUT_SECONDS = 5.0
SERVER_SPEAKS_FIRST_SECONDS = 15.0  # by so much we are more patient than its statement_timeout, if it can speak at all


async def allow(connection: Connection, seconds: float) -> None:
    """Let each statement of the present transaction take that long; the session's limit is for short ones."""
    cast(KnowingConnection, connection).wait_at_least(seconds + SERVER_SPEAKS_FIRST_SECONDS)
    await connection.execute("SELECT set_config('statement_timeout', $1, true)", str(round(seconds * 1000)))


@asynccontextmanager
async def connection_within(pool: Pool, seconds: float) -> AsyncIterator[Connection]:
    """A connection for the length of the block, which raises TimeoutError after `seconds`, waiting included."""
    async with asyncio.timeout(seconds):
        connection = await pool.acquire()
        try:
            yield connection
        except asyncio.CancelledError:
            connection.terminate()
            raise
        finally:
            await pool.release(connection, timeout=RESET_TIMEOUT_SECONDS)
