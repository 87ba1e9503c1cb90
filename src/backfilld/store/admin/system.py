"""The database itself, and which daemons work on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

_sql = load("admin.system")


@dataclass(frozen=True, slots=True)
class DatabaseFigures:
    """What PostgreSQL says of itself."""

    version: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Holder:
    """A daemon that holds leases: `<instance>/<process>`, of how many backfills and attempts, with what in flight."""

    name: str
    backfills: int
    attempts: int
    in_flight: int


class SystemStore:
    """Reads only."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def figures(self) -> DatabaseFigures:
        """Version and size."""
        row = await self._pool.fetchrow(_sql.read_database)
        assert row is not None  # noqa: S101 - a SELECT without FROM has a row
        return DatabaseFigures(row["version"], row["size_bytes"])

    async def holders(self, limit: int) -> Sequence[Holder]:
        """Those that hold something at this moment, by name."""
        return [Holder(*row) for row in await self._pool.fetch(_sql.list_holders, limit)]
