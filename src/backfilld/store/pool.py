"""How connections to PostgreSQL are made.

Every connection of the program comes from here, so that all of them agree on time zone, timeouts and
types. What a store may rely on: `timestamptz` is an aware datetime in UTC, `uuid` a `uuid.UUID`,
`interval` a `timedelta`; `json` and `jsonb` are **text** both ways (no codec: a document that is only passed
on is never parsed; a store that looks inside calls orjson itself).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from backfilld.clock import Clock

if TYPE_CHECKING:  # asyncpg's classes take no brackets at run time
    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 10.0

# Time zone: asyncpg decodes instants by itself, but dates and texts made in SQL must not depend on the server.
# The timeouts are a net below the program's own: nothing of ours takes that long, and nobody may wait behind it.
SESSION = {
    "application_name": "backfilld",
    "timezone": "UTC",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",  # it costs more than any of our short statements
}

# Refusals that pass by themselves: the server starts, stops, recovers, or is full.
PASSING = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ConnectionDoesNotExistError,
)


async def open_pool(dsn: str, *, size: int = 10, ready: int = 1, **session: str) -> Pool:
    """A pool of at most `size` connections, `ready` of them made at once. The caller closes it.

    `session` overrides single settings of SESSION for every connection (`statement_timeout="0"`).
    Fails at once if the database is not there; see `wait_for_database`.
    """
    pool: Pool = await asyncpg.create_pool(
        dsn,
        min_size=min(ready, size),
        max_size=size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=None,  # the server's statement_timeout decides, and says so in its own words
        server_settings=SESSION | session,
    )
    return pool


async def connect(dsn: str, **session: str) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection outside any pool (LISTEN, migrations), with the same settings. The caller closes it."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT_SECONDS, server_settings=SESSION | session
    )
    return connection


async def wait_for_database(dsn: str, clock: Clock, report: Callable[[str], Any] = lambda _: None) -> None:
    """Return once the database answers, however long that takes; `report` hears of every try in vain.

    A wrong password, an unknown database or a malformed DSN will not mend themselves: they are raised at once.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            connection = await connect(dsn)
        except PASSING as problem:
            report(f"the database does not answer ({problem or type(problem).__name__}); next try in {pause:g} s")
            await clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            await connection.close()
            return
