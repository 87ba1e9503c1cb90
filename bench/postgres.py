"""The one PostgreSQL of a comparison: the embedded binaries and settings, durable, a fresh database for each run."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from backfilld.embedded import EmbeddedPostgres
from backfilld.embedded.binaries import VARIABLE
from bench.machine import children, cpu_seconds, reaped_seconds

# A fragment of the statement that the recorder commits outcomes with; nothing else says this.
RECORDING = "%-- name: record_outcomes%"
WATCH_SECONDS, FIRST_LOOKS_SECONDS = 1.0, 0.005
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


class Postgres:
    """A running server. What is measured of it is measured of all its processes together."""

    def __init__(self, server: EmbeddedPostgres, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._server = server
        self._admin = admin
        self._number = 0
        self._one_at_a_time = asyncio.Lock()

    @property
    def pids(self) -> list[int]:
        """Postmaster, backends and everything that runs in the background."""
        assert self._server.pid is not None
        return [self._server.pid, *children(self._server.pid)]

    def cpu_seconds(self) -> float:
        """Of the whole server, backends that have ended included."""
        assert self._server.pid is not None
        return cpu_seconds(self.pids) + reaped_seconds(self._server.pid)

    def dsn_of(self, database: str) -> str:
        return urlunsplit(urlsplit(self._server.dsn)._replace(path=f"/{database}"))

    @asynccontextmanager
    async def database(self, template: str = "template1") -> AsyncIterator[str]:
        """A new database, a copy of `template`; dropped at the end. Yields its DSN."""
        self._number += 1
        name = f"run_{self._number}"
        await self.create(name, template)
        try:
            yield self.dsn_of(name)
        finally:
            async with self._one_at_a_time:
                await self._admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def create(self, name: str, template: str = "template1") -> None:
        """A checkpoint comes with it, so that every run begins equally far from the last one."""
        assert IDENTIFIER.fullmatch(name) and IDENTIFIER.fullmatch(template), (name, template)
        async with self._one_at_a_time:
            await self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
            await self._admin.execute("CHECKPOINT")

    async def exists(self, name: str) -> bool:
        return bool(await self._admin.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name))

    async def wal_position(self) -> int:
        """Bytes of write-ahead log since the server was made."""
        return int(await self._admin.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    @asynccontextmanager
    async def watched_recorders(self) -> AsyncIterator[set[int]]:
        """The backends that were seen recording outcomes during the block; afterwards they show other statements."""
        seen: set[int] = set()
        watching = asyncio.create_task(self._watch(seen))
        try:
            yield seen
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self, seen: set[int]) -> None:
        connection = await asyncpg.connect(self._server.dsn)
        try:
            while True:
                rows = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE query LIKE $1", RECORDING)
                seen.update(row["pid"] for row in rows if row["pid"] != connection.get_server_pid())
                await asyncio.sleep(WATCH_SECONDS if seen else FIRST_LOOKS_SECONDS)
        finally:
            connection.terminate()


@asynccontextmanager
async def running_postgres(folder: Path, binaries: Path | None = None) -> AsyncIterator[Postgres]:
    """A server with its data in `folder`; `binaries`: others than those that the daemon would find."""
    server = EmbeddedPostgres(folder / "postgres")
    with _chosen(binaries):
        await server.start()
    try:
        admin = await asyncpg.connect(server.dsn)
        try:
            yield Postgres(server, admin)
        finally:
            await admin.close()
    finally:
        await server.stop()


@contextmanager
def _chosen(binaries: Path | None) -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    if binaries is not None:
        os.environ[VARIABLE] = str(binaries)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
