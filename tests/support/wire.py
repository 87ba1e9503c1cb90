"""The way to a database, which can be cut: for one process alone, while the others go on."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

SOCKET = ".s.PGSQL.5432"


class Way(Enum):
    """What goes from us to the server, and what comes back."""

    QUESTIONS = "questions"
    ANSWERS = "answers"


class Wire:
    """Carries connections to the server of a DSN. `cut` breaks them and refuses new ones until `mend`."""

    def __init__(self, dsn: str, folder: Path) -> None:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
        self._to = Path(query["host"][0]) / f".s.PGSQL.{query.get('port', ['5432'])[0]}"
        self._path = folder / SOCKET
        self.dsn = urlunsplit(parts._replace(query=urlencode({"host": str(folder)})))
        self._is_cut = False
        self._moves = {way: asyncio.Event() for way in Way}
        self.mend()
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def cut(self) -> None:
        """Break whatever there is; nobody gets through."""
        self._is_cut = True
        for end in list(self._ends):
            end.transport.abort()

    def mend(self) -> None:
        """Let everything through again."""
        self._is_cut = False
        for moves in self._moves.values():
            moves.set()

    def stall(self, *ways: Way) -> None:
        """Carry nothing (that way), and break nothing: a network that swallows packets."""
        for way in ways or Way:
            self._moves[way].clear()

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """Those that carry."""
        return set(self._tasks)

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, self._path)

    async def stop(self) -> None:
        self.cut()
        await asyncio.sleep(0.01)  # a connection that comes in as the server closes would never be closed
        if self._server is not None:
            self._server.close()
        self.mend()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._keep(asyncio.current_task())
        self._ends.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_unix_connection(self._to)
        except BaseException:
            writer.transport.abort()
            raise
        if self._is_cut:
            writer.transport.abort()
            there_writer.transport.abort()
            return
        for way, one, other in ((Way.QUESTIONS, reader, there_writer), (Way.ANSWERS, there_reader, writer)):
            self._ends.add(other)
            self._keep(asyncio.create_task(self._carry(way, one, other)))

    def _keep(self, task: asyncio.Task[None] | None) -> None:
        assert task is not None

        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await self._copy(way, reader, writer)
        self._ends.discard(writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _copy(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65_536):
            await self._moves[way].wait()
            writer.write(some)
            await writer.drain()


W = TypeVar("W", bound=Wire)


@asynccontextmanager
async def wire_to(dsn: str, kind: type[W] = Wire) -> AsyncIterator[W]:
    """A wire to the server of `dsn` (on a Unix socket, as that of the tests is)."""
    with tempfile.TemporaryDirectory(prefix="wire-") as folder:
        wire = kind(dsn, Path(folder))
        await wire.start()
        try:
            yield wire
        finally:
            await wire.stop()
