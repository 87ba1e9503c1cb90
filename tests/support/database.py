"""A database per test: copied from a migrated template, or lent from one test to the next (`lent_database`)."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from tests.support.lent_database import Contents, LentDatabase, contents_of

from backfilld.embedded import EmbeddedPostgres
from backfilld.store.migrate import migrate

MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
ENOUGH_BYTES = 1 << 30
PREFIX = "backfilld-tests-"
TEMPLATE = "template_backfilld"
_END_SESSIONS = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1"


class Databases:
    """A server for tests, and the databases on it."""

    def __init__(self, server: EmbeddedPostgres, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.server = server
        self._admin = admin
        self._one_at_a_time = asyncio.Lock()
        self._numbers = count(1)
        self._unchanged: dict[str, str] = {}  # by template, one that nobody has written to
        self._back: list[LentDatabase] = []  # may be lent again
        self._contents: Contents | None = None  # of those

    def dsn_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self.server.dsn)._replace(path=f"/{name}"))

    async def make_template(self) -> None:
        await self._do(f"CREATE DATABASE {TEMPLATE}")
        await migrate(self.dsn_of(TEMPLATE))

    @asynccontextmanager
    async def database(self, template: str = TEMPLATE) -> AsyncIterator[str]:
        """The DSN of a copy of `template` (`template1`: an empty one) as it was made, which nobody else sees."""
        name = self._unchanged.pop(template, None) or await self._copied(template)
        before = await self._writes()
        try:
            yield self.dsn_of(name)
        finally:
            await self._admin.execute(_END_SESSIONS, name)
            if template not in self._unchanged and await self._writes() == before:
                self._unchanged[template] = name
            else:
                await self._do(f"DROP DATABASE {name} WITH (FORCE)")

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[LentDatabase]:
        """A migrated database that nobody else sees, with connections to it; others may have had both before."""
        lent = self._back.pop() if self._back else await self._one_to_lend()
        await lent.lend()
        try:
            yield lent
        finally:
            if await lent.take_back():
                self._back.append(lent)
            else:
                lent.close()
                await self._do(f"DROP DATABASE {lent.name} WITH (FORCE)")

    async def _one_to_lend(self) -> LentDatabase:
        if self._contents is None:
            await self._do("CREATE EXTENSION pg_walinspect")
            self._contents = await contents_of(self.dsn_of(TEMPLATE))
        name = await self._copied(TEMPLATE)
        return LentDatabase(name, self.dsn_of(name), self._admin, self._contents)

    async def _copied(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        await self._do(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def close(self) -> None:
        """Break off the connections that wait for the next test."""
        for lent in self._back:
            lent.close()

    async def _writes(self) -> str:
        """Another answer after any transaction on this server that wrote something, or tried to."""
        found: str = await self._admin.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        return found

    async def _do(self, statement: str) -> None:
        async with self._one_at_a_time:
            await self._admin.execute(statement)


@asynccontextmanager
async def running_server(**settings: str) -> AsyncIterator[Databases]:
    """A server that forgets everything when the machine crashes, in memory where there is some."""
    with scratch_folder() as folder:
        server = EmbeddedPostgres(folder / "postgres", durable=False, settings=settings)
        admin = await asyncpg.connect(await server.start(), server_settings={"synchronous_commit": "on"})
        databases = Databases(server, admin)
        try:
            yield databases
        finally:
            databases.close()
            await admin.close()
            await server.stop()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder with a short path, removed at the end; those that killed runs left behind are removed first."""
    base = MEMORY if _has_room(MEMORY) else Path(tempfile.gettempdir())
    for folder in base.glob(f"{PREFIX}*"):
        _remove_if_abandoned(folder)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    with (folder / "alive").open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _has_room(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return os.access(folder, os.W_OK) and found.f_bavail * found.f_frsize >= ENOUGH_BYTES


def _remove_if_abandoned(folder: Path) -> None:
    with suppress(OSError), (folder / "alive").open("r+") as alive:  # OSError: somebody lives there, or just moves in
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
