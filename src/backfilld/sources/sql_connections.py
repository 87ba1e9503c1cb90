"""Connections to a database that is not ours: few, read-only, and never waited for without end.

Nothing is asked of a connection when it is made and nothing stays behind on it, so a pooler in between does no harm.
Whatever goes wrong is one of two things: the database cannot be asked now, which is waited out, or what it is asked
makes no sense, which somebody has to mend.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from backfilld.sources.base import SourceBroken, SourceUnreachable
from backfilld.store.connection.transient_errors import is_transient

if TYPE_CHECKING:  # asyncpg's classes take no brackets at run time
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = Any
    Pool = Any

MOST_CONNECTIONS = 3
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 60.0
# The server ends a statement; this much later nobody believes any more that it is still there.
SILENCE_SECONDS = 10.0

_SETTINGS = (
    " SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '60s';"
    " SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL extra_float_digits = 1;"
    # A page is a small part of a table, to be found by the key's index. The server may believe that to be dearer than
    # to read the whole table and sort it, for each page anew: where it thinks of disks with a needle, and of no memory.
    " SET LOCAL random_page_cost = 1.1; SET LOCAL effective_cache_size = '1TB'"
)


class SqlConnections:
    """A small pool for one DSN, made when it is first needed. `dsn` is asked anew, so a rotated password is used."""

    def __init__(self, dsn: Callable[[], str], *, longest_statement_seconds: float) -> None:
        self._dsn = dsn
        self._silence = longest_statement_seconds + SILENCE_SECONDS
        self._made_for: str | None = None
        self._pool: Pool | None = None
        self._making = asyncio.Lock()
        self.pass_turn = asyncio.Lock()  # held while a long transaction is open: one at a time

    @asynccontextmanager
    async def transaction(self, seconds: float) -> AsyncIterator[Connection]:
        """A read-only transaction in UTC whose statements may take `seconds` each.

        Any error of the database in the block comes out as SourceUnreachable or SourceBroken.
        """
        let_in = False
        try:
            pool = await self._present_pool()
            waiting = CONNECT_SECONDS + seconds
            async with pool.acquire(timeout=waiting) as connection, connection.transaction(readonly=True):
                # One round trip, and only for this transaction. The number is ours.
                await connection.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)};{_SETTINGS}")
                let_in = True
                yield connection
        except Exception as problem:
            translated = _translated(problem, seconds, let_in=let_in)
            if translated is None:
                raise
            raise translated from problem

    async def close(self) -> None:
        """Let go of every connection; another `transaction` would open new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _present_pool(self) -> Pool:
        dsn = self._dsn()
        async with self._making:
            if self._pool is not None and dsn != self._made_for:
                self._pool.set_connect_args(dsn)
                await self._pool.expire_connections()
            elif self._pool is None:
                self._pool = await asyncpg.create_pool(
                    dsn,
                    min_size=0,
                    max_size=MOST_CONNECTIONS,
                    timeout=CONNECT_SECONDS,
                    max_inactive_connection_lifetime=IDLE_SECONDS,
                    command_timeout=self._silence,
                    statement_cache_size=0,  # a pooler in between may give us another server each time
                    server_settings={"application_name": "backfilld"},
                )
            self._made_for = dsn
            return self._pool


# What a connection ends with in the middle of something: words of asyncpg for us, and numbers of the system.
LOST = (
    asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError,
)  # fmt: skip


def _translated(problem: Exception, seconds: float, *, let_in: bool) -> Exception | None:
    """None for what is no error of the database. Somebody has to let us in; then everything goes on as it was."""
    if isinstance(problem, SourceUnreachable | SourceBroken):
        return None
    if isinstance(problem, asyncpg.QueryCanceledError):
        why = f"a query was cancelled, or took longer than {seconds:g} s (statement_timeout_seconds)"
        return SourceUnreachable(why)
    if isinstance(problem, asyncpg.ReadOnlySQLTransactionError):  # elsewhere a standby's; here it is what we ask for
        return SourceBroken(_words(problem))
    refused = isinstance(problem, asyncpg.PostgresError) and not let_in
    if refused or isinstance(problem, asyncpg.InsufficientPrivilegeError) or is_transient(problem):
        return SourceUnreachable(_words(problem))
    if isinstance(problem, asyncpg.PostgresError):
        return SourceBroken(_words(problem))
    if isinstance(problem, asyncpg.InterfaceError):  # its text may hold the DSN
        return SourceBroken("its DSN cannot be used; see https://www.postgresql.org/docs/current/libpq-connect.html")
    return None


def _words(problem: Exception) -> str:
    """In one line; a detail and a hint are worth repeating, the context is not."""
    if isinstance(problem, TimeoutError) and not str(problem):
        return "no answer in time"
    if isinstance(problem, LOST) or (isinstance(problem, asyncpg.PostgresConnectionError) and not _said(problem)):
        return "the connection was lost"
    if not isinstance(problem, asyncpg.PostgresError):
        return str(problem) or type(problem).__name__
    more = [text for text in (getattr(problem, "detail", None), getattr(problem, "hint", None)) if text]
    return " ".join([_said(problem) or type(problem).__name__, *(f"({text})" for text in more)])


def _said(problem: asyncpg.PostgresError) -> str | None:
    """The server's own words; None of what asyncpg has found out by itself."""
    return getattr(problem, "message", None)
