"""Entities that are listed by a query on somebody's own PostgreSQL.

Every page is a read-only transaction of its own, found by keyset: nothing is held open between pages, and rows that
come or go meanwhile shift nobody. What cannot be an entity (a key that is null, or there twice, or no id) is not
skipped in silence: the source is broken then, and says why.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import orjson

from backfilld.clock import Clock
from backfilld.domain.entities.records import Entity, FieldType
from backfilld.domain.filters import compile_predicate, forgiving
from backfilld.sources.base import EntityQuery, Order, Page, SourceBroken, SourceUnreachable
from backfilld.sources.sql_connections import Connection, SqlConnections
from backfilld.sources.sql_records import entities_of, refuse_doubles
from backfilld.sources.sql_shape import Shape, look_at
from backfilld.sources.sql_statements import Behind, Statement, is_exact

T = TypeVar("T")
Work = Callable[[Connection, Shape], Awaitable[T]]

SHAPE_SECONDS = 60.0  # a query is looked at again after this, and whenever it fails
_COUNT_PAGE = 5_000


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


class SqlSource:
    """`EntitySource` over one query. "source" order is by key, and all there is without `updated_at`."""

    can_be_read_again = True

    def __init__(self, query: SqlQuery, connections: SqlConnections, clock: Clock) -> None:
        self._query = query
        self._connections = connections
        self._clock = clock
        self._shape: Shape | None = None
        self._shape_until = 0.0

    @property
    def plans_outside_windows(self) -> bool:
        return self._query.plans_outside_windows

    async def known_fields(self) -> dict[str, FieldType]:
        """The types of the columns. What was known before will do while the database is away."""
        try:
            return await self._ask(_fields)
        except SourceUnreachable:
            if self._shape is None:
                raise
            return self._shape.fields

    async def look(self) -> dict[str, FieldType]:
        """The types of the columns, from the database as it is now."""
        self._shape_until = 0.0
        return await self._ask(_fields)

    async def count(self, query: EntityQuery, *, within_seconds: float) -> int | None:
        """How many match, exactly; None if that takes longer."""
        try:
            async with asyncio.timeout(within_seconds) as deadline:
                return await self._count(query)
        except TimeoutError:
            if deadline.expired():
                return None
            raise

    async def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int) -> AsyncIterator[Page]:
        """Pages of up to `page_size`, or the configured size if that is less; none of them is empty."""
        size = min(page_size, self._query.page_size)
        behind = None if cursor is None else _read_cursor(cursor, query.order)
        if behind is None:
            await self._ask(self._refuse_null_keys)
        exact, is_last = is_exact(query.tree), False
        while not is_last:
            found = await self._ask(self._listing(query, behind, size, attributes=query.with_attributes or not exact))
            entities, is_last = found[:size], len(found) <= size
            if entities:
                behind = Behind(entities[-1].id, entities[-1].updated_at)
                yield Page(entities, _written_cursor(behind, query.order), exact)

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
        """Those of `ids` that there are."""

        async def work(connection: Connection, shape: Shape) -> list[Entity]:
            possible = [id for id in ids if shape.key_kind.can_be(id)]
            if not possible:
                return []
            statement = self._statement(shape)
            statement.take_only(possible)
            return await self._fetch(connection, statement, statement.rows(None))

        found = await self._ask(work)
        refuse_doubles(sorted(entity.id for entity in found), self._query.key)
        return {entity.id: entity for entity in found}

    async def close(self) -> None:
        """Let go of connections."""
        await self._connections.close()

    async def _ask(self, work: Work[T]) -> T:
        """Do it in a transaction, with what is known of the query; if that may be out of date, then with what is so."""
        while True:
            now = self._clock.monotonic()
            known = self._shape if now < self._shape_until else None
            try:
                async with self._connections.transaction(self._query.statement_timeout_seconds) as connection:
                    if known is None:
                        self._shape = await look_at(
                            connection, self._query.query, self._query.key, self._query.updated_at
                        )
                        self._shape_until = now + SHAPE_SECONDS
                    assert self._shape is not None  # noqa: S101 - looked at just now, or before
                    return await work(connection, known or self._shape)
            except SourceBroken:
                self._shape_until = 0.0
                if known is None:
                    raise

    def _listing(self, query: EntityQuery, behind: Behind | None, size: int, *, attributes: bool) -> Work[list[Entity]]:
        """A page and, if there is one, the entity that the next page begins with."""

        async def work(connection: Connection, shape: Shape) -> list[Entity]:
            order: Order = query.order if shape.updated_at is not None else "source"
            statement = self._statement(shape)
            if behind is not None:
                statement.start_behind(order, behind)
            rows = statement.rows(query.tree, order, attributes=attributes)
            sql = f"{rows} LIMIT {size + 1}"  # our own number, which the server shall plan with
            found = await self._fetch(connection, statement, sql)
            refuse_doubles([entity.id for entity in found], self._query.key)
            return found

        return work

    async def _count(self, query: EntityQuery) -> int:
        if is_exact(query.tree):

            async def work(connection: Connection, shape: Shape) -> int:
                statement = self._statement(shape)
                sql = statement.count(query.tree)
                return int(await connection.fetchval(sql, *statement.parameters))

            return await self._ask(work)
        matches = forgiving(compile_predicate(query.tree), otherwise=True)  # as the plan counts
        pages = self.pages(EntityQuery(query.entity_type, query.tree), cursor=None, page_size=_COUNT_PAGE)
        return sum([sum(matches(entity.attributes) for entity in page.entities) async for page in pages])

    async def _refuse_null_keys(self, connection: Connection, shape: Shape) -> None:
        if await connection.fetchval(self._statement(shape).null_keys()) is not None:
            raise SourceBroken(f"the key '{self._query.key}' is null in some rows; leave them out of the query")

    def _statement(self, shape: Shape) -> Statement:
        return Statement(self._query.query, shape, self._query.zone)

    async def _fetch(self, connection: Connection, statement: Statement, sql: str) -> list[Entity]:
        records = await connection.fetch(sql, *statement.parameters)
        return entities_of(records, plain=statement.shape.is_plain, key=self._query.key, as_of=self._clock.now())


async def _fields(_: Connection, shape: Shape) -> dict[str, FieldType]:
    return shape.fields


def _written_cursor(place: Behind, order: Order) -> str:
    at = place.updated_at.isoformat() if place.updated_at else None
    return orjson.dumps([order, place.key, at]).decode()


def _read_cursor(cursor: str, order: Order) -> Behind:
    """ValueError for a cursor of another order."""
    written, key, at = orjson.loads(cursor)
    if written != order:
        raise ValueError(f"this cursor belongs to the order {written}, not {order}")
    return Behind(key, datetime.fromisoformat(at) if at else None)
