"""How connections to PostgreSQL are made.

Every connection of the program comes from here, so that all of them agree on time zone, timeouts and
types. What a store may rely on: `timestamptz` is an aware datetime in UTC, `uuid` a `uuid.UUID`,
`interval` a `timedelta`; `json` and `jsonb` are **text** both ways (no codec: a document that is only passed
on is never parsed; a store that looks inside calls orjson itself).
"""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import asyncpg

from backfilld.clock import Clock
from backfilld.store.connection.address import Address, Located, address_of, each_alone
from backfilld.store.connection.connect_errors import refusal_of
from backfilld.store.connection.known_types import KnowingConnection
from backfilld.store.connection.pgbouncer import STARTUP, pooled_with

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
RELEASE_TIMEOUT_SECONDS = 5.0
MOST_CONNECTIONS_LIVE_SECONDS = 300.0
MOST_QUERIES = 50_000

# A server whose machine vanishes says no goodbye. By itself TCP notices after a quarter of an hour, or never on a
# connection that only listens; with these it takes 20 s.
VANISHED_AFTER_SECONDS = 20
_PROBES = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": VANISHED_AFTER_SECONDS * 1000}

# Time zone: asyncpg decodes instants by itself, but dates and texts made in SQL must not depend on the server.
# The timeouts are a net below the program's own: nothing of ours takes that long, and nobody may wait behind it.
SESSION = {
    "application_name": "backfilld",
    "timezone": "UTC",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",  # it costs more than any of our short statements
    # A page is read along its index. By a bitmap everything that is left would be read and sorted for each page, which
    # looks cheap wherever the statistics take a large backfill for a small one.
    "enable_bitmapscan": "off",
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
    asyncpg.TargetServerAttributeNotMatched,  # none of several takes changes: one of them is about to be promoted
)


class NoConnection(TimeoutError):
    """Nobody gave a connection back in time, and there may not be more; it passes by itself."""


class _BoundedPool(asyncpg.Pool):
    """Does not wait for ever: neither for a connection to be given back, nor (`patience_seconds`) for one to be had.

    After a statement was cancelled, giving back waits until the server has confirmed that; a server that hangs never
    does. The connection is broken off then, and the next one is new.
    """

    patience_seconds: float | None = None

    async def _acquire(self, timeout: float | None) -> Any:  # every way to a connection leads through here
        if timeout is None and not self.get_idle_size():  # whoever need not wait needs no timer
            timeout = self.patience_seconds
        try:
            return await super()._acquire(timeout)  # type: ignore[misc]  # the stubs leave it out
        except TimeoutError as problem:
            if self.get_idle_size() or self.get_size() < self.get_max_size():
                raise
            raise NoConnection(f"all {self.get_size()} connections of this daemon are in use") from problem

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:
        own = connection._con
        if own is None or _is_busy(own):
            await super().release(connection, timeout=RELEASE_TIMEOUT_SECONDS if timeout is None else timeout)
        else:  # what the pool does, too, but in a task of its own: two turns of a busy loop for whoever waits
            own._on_release()
            await connection._holder.release(None)


def _is_busy(connection: Any) -> bool:
    """True if something must happen before somebody else may use it."""
    return bool(connection.is_closed() or connection.is_in_transaction() or connection._protocol._is_cancelling())


class _TidyConnection(KnowingConnection):
    """Is given back to its pool as it is, which spares every use of it a second round trip.

    There is nothing to tidy up: an open transaction is rolled back all the same, and nothing of ours outlives one
    (settings are LOCAL, locks and temporary tables the transaction's own). What must last has a connection of its own.
    """

    def get_reset_query(self) -> str:
        return ""


async def open_pool(
    database: Located,
    *,
    size: int = 10,
    ready: int = 1,
    command_timeout: float | None = None,
    patience: float | None = None,
    **session: str,
) -> Pool:
    """A pool of at most `size` connections, `ready` of them made at once. The caller closes it.

    `session` overrides single settings of SESSION for every connection (`statement_timeout="0"`).
    `command_timeout`: seconds after which a statement is given up, though its server says nothing at all; otherwise
    the server's statement_timeout decides, and says so in its own words.
    `patience`: seconds after which waiting for one of the connections is given up, with NoConnection.
    Fails at once if the database is not there; see `wait_for_database`.
    """
    pool = _BoundedPool(
        min_size=min(ready, size),
        max_size=size,
        max_queries=MOST_QUERIES,
        max_inactive_connection_lifetime=MOST_CONNECTIONS_LIVE_SECONDS,
        init=_notice_when_it_vanishes,
        loop=None,
        record_class=asyncpg.Record,
        command_timeout=command_timeout,
        connect=cast(Any, _connected),
        **_way_to(address_of(database), session),
    )
    pool.patience_seconds = patience
    return await pool


async def connect(database: Located, **session: str) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection outside any pool (LISTEN, migrations), with the same settings. The caller closes it."""
    connection: asyncpg.Connection[asyncpg.Record] = await _connected(**_way_to(address_of(database), session))
    await _notice_when_it_vanishes(connection)
    return connection


@asynccontextmanager
async def connection_to(database: "Located | Connection", **session: str) -> AsyncIterator[Connection]:
    """`database` itself if it is a connection; else one as `connect` makes it, closed at the end."""
    if not isinstance(database, str | Address):
        yield database
        return
    connection = await connect(database, **session)
    try:
        yield connection
    finally:
        await connection.close()


async def _connected(dsn: str, *, timeout: float, **more: Any) -> Any:
    """One after the other of the servers, each in its share of the time: asyncpg itself would wait for the first."""
    servers = each_alone(dsn)
    problem: BaseException | None = None
    for server in servers:
        try:
            return await asyncpg.connect(server, timeout=timeout / len(servers), **more)
        except PASSING as one:
            if problem is None or isinstance(one, asyncpg.TargetServerAttributeNotMatched):
                problem = one
    assert problem is not None  # noqa: S101  # there is one server at least
    raise problem


def _way_to(address: Address, session: dict[str, str]) -> dict[str, Any]:
    """What asyncpg must be told to get there."""
    settings = SESSION | session
    if address.schema is not None:
        settings["search_path"] = address.schema
    way = {"dsn": address.dsn, "timeout": CONNECT_TIMEOUT_SECONDS, "connection_class": _TidyConnection}
    if not address.pooled:
        return way | {"server_settings": settings}
    return way | {
        "connection_class": pooled_with(settings),
        "server_settings": {name: settings[name] for name in STARTUP},
        "statement_cache_size": 0,
    }


async def _notice_when_it_vanishes(connection: Any) -> None:
    """asyncpg has no setting for it, and no public way to the socket."""
    link = connection._transport.get_extra_info("socket")
    if link is None or link.family == socket.AF_UNIX:
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        if hasattr(socket, name):  # Linux has them all
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def wait_for_database(database: Located, clock: Clock, report: Callable[[str], Any] = lambda _: None) -> None:
    """As `answering`, for whoever needs no connection."""
    async with answering(database, clock, report):
        pass


@asynccontextmanager
async def answering(
    database: Located, clock: Clock, report: Callable[[str], Any] = lambda _: None
) -> AsyncIterator[Connection]:
    """A connection once the database answers, however long that takes; `report` hears of every try in vain.

    A wrong password, an unknown database or a malformed DSN will not mend themselves: they are raised at once; and so
    is DatabaseRefused for a certificate that is not accepted, or a pooler that nobody has told us of.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            connection = await connect(database)
        except (*PASSING, asyncpg.PostgresError) as problem:
            if (refusal := refusal_of(problem, address_of(database))) is not None:
                raise refusal from problem
            if not isinstance(problem, PASSING):
                raise
            report(f"the database does not answer ({problem or type(problem).__name__}); next try in {pause:g} s")
            await clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            break
    try:
        yield connection
    finally:
        await connection.close()
