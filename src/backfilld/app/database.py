"""Where the daemon's memory is: an embedded server that it runs itself, or one that it is told of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.embedded import DirectoryInUse, EmbeddedPostgres
from backfilld.store.pool import Pool, open_pool

ENGINE_CONNECTIONS = 5
ENGINE_PATIENCE_SECONDS = 45.0  # more than the server's own statement_timeout, which speaks first if it can
COMMAND_PATIENCE_SECONDS = 60.0  # what `keys create` and its like may take, with all who came to use its server
PAUSE_SECONDS = 0.1


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
    dsn = await _started(server, clock)
    try:
        yield Database(dsn, f"embedded, in {settings.state.postgres}", server)
    finally:
        await server.stop()


async def _started(server: EmbeddedPostgres, clock: Clock) -> str:
    # The state directory is ours alone among daemons, so whoever has the server is a command, and will be gone soon.
    deadline = clock.monotonic() + COMMAND_PATIENCE_SECONDS
    while True:
        try:
            return await server.start()
        except DirectoryInUse:
            if clock.monotonic() > deadline:
                raise
            await clock.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def pools_of(database: Database, size: int) -> AsyncIterator[Pools]:
    """Pools that connect when they are first used: the database may be late."""
    bounds = ((size, None), (ENGINE_CONNECTIONS, ENGINE_PATIENCE_SECONDS), (1, None), (1, None))
    pools = [await open_pool(database.dsn, size=n, ready=0, command_timeout=most) for n, most in bounds]
    try:
        yield Pools(*pools)
    finally:
        for pool in pools:
            pool.terminate()


def _name_of(dsn: str) -> str:
    parts = urlsplit(dsn)
    return f"{parts.hostname or 'local socket'}{f':{parts.port}' if parts.port else ''}{parts.path}"
