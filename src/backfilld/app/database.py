"""Where the daemon's memory is: an embedded server that it runs itself, or one that it is told of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.embedded import EmbeddedPostgres
from backfilld.store.pool import Pool, open_pool

ENGINE_CONNECTIONS = 5


@dataclass(frozen=True, slots=True)
class Database:
    """`name` is what people are told of it: no password. `server` only if it is embedded."""

    dsn: str
    name: str
    server: EmbeddedPostgres | None = None


@dataclass(frozen=True, slots=True)
class Pools:
    """Nobody waits behind somebody of another kind: requests, the engine, the recorder, the leases."""

    requests: Pool
    engine: Pool
    recorder: Pool
    leases: Pool


@asynccontextmanager
async def database_of(settings: Settings, clock: Clock) -> AsyncIterator[Database]:
    """The database; an embedded one runs for the length of the block."""
    if not settings.database.is_embedded:
        dsn = settings.database.read_dsn()
        yield Database(dsn, _name_of(dsn))
        return
    server = EmbeddedPostgres(settings.state.postgres, clock=clock)
    dsn = await server.start()
    try:
        yield Database(dsn, f"embedded, in {settings.state.postgres}", server)
    finally:
        await server.stop()


@asynccontextmanager
async def pools_of(database: Database, size: int) -> AsyncIterator[Pools]:
    """Pools that connect when they are first used: the database may be late."""
    pools = [await open_pool(database.dsn, size=n, ready=0) for n in (size, ENGINE_CONNECTIONS, 1, 1)]
    try:
        yield Pools(*pools)
    finally:
        for pool in pools:
            pool.terminate()


def _name_of(dsn: str) -> str:
    parts = urlsplit(dsn)
    return f"{parts.hostname or 'local socket'}{f':{parts.port}' if parts.port else ''}{parts.path}"
