"""Indexes of attributes: what there is, and how one is made or removed while everybody else goes on writing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from backfilld.store.connection.address import Address
from backfilld.store.connection.pool import Connection, Pool, connect
from backfilld.store.connection.queries import load
from backfilld.store.entities.keys import PREFIX, Path, index_name, key_of

LOCK = 0x656E_7469_7479_2020  # any number will do, as long as it stays the same

_sql = load("entities.indexes")
# Held by a session of its own, unlike anything in the files of statements. Not waited for: whoever waits for a lock has
# a snapshot, and what is made beside others waits for snapshots.
_LOCK = "SELECT pg_try_advisory_lock($1)"


@dataclass(frozen=True, slots=True)
class FoundIndex:
    """One that is in the database. `share` of it is made, 0 to 1, where that is known."""

    name: str
    is_ready: bool
    is_being_made: bool
    share: float | None


class EntityIndexStore:
    """`direct`: where each connection has a session of its own, without which nothing can be made; None: nowhere."""

    def __init__(self, pool: Pool, direct: Address | None) -> None:
        self._pool = pool
        self._direct = direct

    async def list_found(self) -> dict[str, FoundIndex]:
        """All of ours by name, whatever they are of."""
        rows = await self._pool.fetch(_sql.list_indexes, PREFIX)
        return {row["name"]: FoundIndex(*row) for row in rows}

    @property
    def can_be_made(self) -> bool:
        """False: there is only a way through a pooler."""
        return self._direct is not None

    @asynccontextmanager
    async def alone(self) -> AsyncIterator["IndexMaker | None"]:
        """For one who makes and removes, of all daemons; None: another is at it."""
        assert self._direct is not None  # noqa: S101 - asked before
        connection = await connect(self._direct, statement_timeout="0", lock_timeout="0")
        try:
            is_ours = await connection.fetchval(_LOCK, LOCK)
            yield IndexMaker(connection) if is_ours else None
        finally:
            await _closed(connection)


class IndexMaker:
    """What takes its time; nobody is kept from reading or writing meanwhile."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list_found(self) -> dict[str, FoundIndex]:
        """As the store's, now that nobody else is at it."""
        rows = await self._connection.fetch(_sql.list_indexes, PREFIX)
        return {row["name"]: FoundIndex(*row) for row in rows}

    async def make(self, entity_type: str, path: Path) -> None:
        """One that is not there. Whatever breaks it off leaves one that is not ready."""
        name, key = index_name(entity_type, path), key_of(path)
        await self._connection.execute(await self._connection.fetchval(_sql.write_create, name, key, entity_type))
        await self._connection.execute(_sql.analyze)

    async def remove(self, name: str) -> None:
        """Whether it is ready or not."""
        await self._connection.execute(await self._connection.fetchval(_sql.write_drop, name))


async def _closed(connection: Connection) -> None:
    try:
        await connection.close(timeout=5)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
