"""Where the daemon's memory is: an embedded server that it runs itself, or one that it is told of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.embedded import DirectoryInUse, EmbeddedPostgres
from backfilld.store.connection.address import Address
from backfilld.store.connection.pool import Pool, open_pool

ENGINE_CONNECTIONS = 5
LEASE_CONNECTIONS = 3  # two kinds of renewals, and whoever takes leases: none waits for a lock that another met
REQUEST_PATIENCE_SECONDS = 8.0  # for a connection: ends before a lock is given up by whoever has one
SILENCE_SECONDS = 45.0  # of a server in a statement: more than its own statement_timeout, which speaks first if it can
COMMAND_PATIENCE_SECONDS = 60.0  # what `keys create` and its like may take, with all who came to use its server
PAUSE_SECONDS = 0.1
ANY_VALUES = "force_generic_plan"  # the recorder's statements have one plan, whatever they carry: it is made once


@dataclass(frozen=True, slots=True)
class Database:
    """`name` is what people are told of it: no password. `server` only if it is embedded.

    `direct` is the way on which each connection has a session of its own; None if there is none.
    """

    address: Address
    direct: Address | None
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
        address = settings.database.read_address()
        yield Database(address, settings.database.read_direct_address(), address.name)
        return
    server = EmbeddedPostgres(settings.state.postgres, clock=clock)
    address = Address(await _started(server, clock), settings.database.schema_name)
    try:
        yield Database(address, address, f"embedded, in {settings.state.postgres}", server)
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
    address = database.address
    pools = [
        await open_pool(
            address, size=size, ready=0, patience=REQUEST_PATIENCE_SECONDS, command_timeout=SILENCE_SECONDS
        ),
        await open_pool(address, size=ENGINE_CONNECTIONS, ready=0, command_timeout=SILENCE_SECONDS),
        await open_pool(address, size=1, ready=0, plan_cache_mode=ANY_VALUES),
        await open_pool(database.direct or address, size=LEASE_CONNECTIONS, ready=0),  # a renewal waits for no pooler
    ]
    try:
        yield Pools(*pools)
    finally:
        for pool in pools:
            pool.terminate()
