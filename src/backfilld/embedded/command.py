"""The embedded database, for a command that is run beside the daemon, or without one.

`backfilld keys create` must work in both cases. Whoever holds the folder's lock runs the server: if that
is a daemon, its server is used; if nobody is there, the command runs one for as long as it needs it, and as long as
other commands do that have come to use it meanwhile.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from backfilld.clock import Clock, SystemClock
from backfilld.embedded.directory import Directory
from backfilld.embedded.errors import DirectoryInUse
from backfilld.embedded.server import EmbeddedPostgres

PATIENCE_SECONDS = 90.0  # whoever has just taken the lock still has to start its server, or lets its guests finish
PAUSE_SECONDS = 0.1
GUESTS_GET_SECONDS = 60.0


@asynccontextmanager
async def database_for_command(directory: Path, *, clock: Clock | None = None) -> AsyncIterator[str]:
    """The DSN of the server of `directory`; one that had to be started is stopped afterwards."""
    clock = clock or SystemClock()
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while True:
        server = EmbeddedPostgres(directory, clock=clock)
        try:
            dsn = await server.start()
        except DirectoryInUse:
            with Directory(directory).guest() as found:
                if found is not None and await _answers(found):
                    yield found
                    return
            if clock.monotonic() > deadline:
                raise
            await clock.sleep(PAUSE_SECONDS)
        else:
            try:
                yield dsn
            finally:
                await server.stop(guests_get_seconds=GUESTS_GET_SECONDS)
            return


async def _answers(dsn: str) -> bool:
    """False for an address whose owner was killed a moment ago, or whose server is being started again."""
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True
