"""Asking the database of an SQL source: what is known of the query, and rows as entities or as what they lack."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import asyncpg

from backfilld.clock import Clock
from backfilld.domain.entities.records import Entity
from backfilld.sources.base import LeftOut, SourceBroken
from backfilld.sources.sql_connections import Connection, SqlConnections
from backfilld.sources.sql_records import Row, refuse_doubles, rows_of
from backfilld.sources.sql_shape import Shape, look_at
from backfilld.sources.sql_statements import Statement

T = TypeVar("T")
Work = Callable[[Connection, Shape], Awaitable[T]]

SHAPE_SECONDS = 60.0  # a query is looked at again after this, and whenever it fails


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """What the configuration says of one entity type. `zone` is where times without a zone are."""

    query: str
    key: str
    updated_at: str | None = None
    zone: str = "UTC"
    statement_timeout_seconds: float = 60.0
    plans_outside_windows: bool = True
    page_size: int = 5_000
    on_bad_row: Literal["fail", "skip"] = "fail"


class SqlSession:
    """One query on one database."""

    def __init__(self, query: SqlQuery, connections: SqlConnections, clock: Clock) -> None:
        self.query = query
        self.connections = connections
        self.clock = clock
        self.shape: Shape | None = None
        self.spelled_out: set[str] = set()  # columns with numbers that came as text
        self._shape_until = 0.0

    @property
    def skips(self) -> bool:
        """True if a row that cannot be read is left out, and told."""
        return self.query.on_bad_row == "skip"

    def forget(self) -> None:
        """Look at the query anew next time."""
        self._shape_until = 0.0

    async def ask(self, work: Work[T]) -> T:
        """Do it in a transaction, with what is known of the query; if that may be out of date, then with what is so."""
        while True:
            known = self.shape if self.clock.monotonic() < self._shape_until else None
            try:
                async with self.connections.transaction(self.query.statement_timeout_seconds) as connection:
                    return await work(connection, known or await self.look(connection))
            except SourceBroken as problem:
                self.forget()
                if known is None or is_of_data(problem):
                    raise

    async def look(self, connection: Connection) -> Shape:
        """What the query gives, from the database as it is now."""
        self.shape = await look_at(connection, self.query.query, self.query.key, self.query.updated_at)
        self._shape_until = self.clock.monotonic() + SHAPE_SECONDS
        return self.shape

    def statement(self, shape: Shape) -> Statement:
        return Statement(self.query.query, shape, self.query.zone)

    async def fetch(self, connection: Connection, statement: Statement, sql: str) -> list[Row]:
        """The rows of a statement, in its order."""
        return self.rows(await connection.fetch(sql, *statement.parameters), statement.shape)

    def rows(self, records: Sequence[Any], shape: Shape) -> list[Row]:
        """SourceBroken for a key that is there twice, and for a row without an id unless such are skipped."""
        rows = rows_of(records, shape, self.clock.now())
        refuse_doubles([row.place.key for row in rows if isinstance(row.found, Entity)], shape.key.name)
        for row in rows:
            if isinstance(row.found, LeftOut) and not self.skips:
                raise SourceBroken(row.found.why)
            if isinstance(row.found, Entity) and len(self.spelled_out) < len(shape.numerics):
                self.spelled_out.update(
                    name for name in shape.numerics if isinstance(row.found.attributes.get(name), str)
                )
        return rows


def is_of_data(problem: SourceBroken) -> bool:
    """True if a value could not be read or computed, so that other rows may be fine."""
    return isinstance(problem.__cause__, asyncpg.DataError)
