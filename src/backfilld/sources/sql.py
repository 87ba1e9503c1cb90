"""Entities that are listed by a query on somebody's own PostgreSQL.

What cannot be an entity (a key that is null, or there twice, or no id, a value that cannot be read) is not skipped in
silence: the source is broken then, and says why and where; or, if so configured, goes on and tells what it left out.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import orjson

from backfilld.clock import Clock
from backfilld.domain.entities.records import Entity, FieldType
from backfilld.domain.filters import compile_predicate, forgiving
from backfilld.sources.base import EntityQuery, LeftOut, Order, Page, SourceBroken, SourceUnreachable
from backfilld.sources.sql_connections import Connection, SqlConnections
from backfilld.sources.sql_listing import SqlListing, most_rows, plan_of, read_rows, starts_late
from backfilld.sources.sql_records import Row, refuse_doubles
from backfilld.sources.sql_session import SqlQuery, SqlSession, is_of_data
from backfilld.sources.sql_shape import Shape
from backfilld.sources.sql_statements import Behind, Listed, is_exact

log = logging.getLogger(__name__)

_COUNT_PAGE = 5_000


class SqlSource:
    """`EntitySource` over one query. "source" order is by key, and all there is without `updated_at`."""

    can_be_read_again = True
    plans_early = False
    freshness_seconds = None

    def __init__(self, query: SqlQuery, connections: SqlConnections, clock: Clock) -> None:
        self._query = query
        self._session = SqlSession(query, connections, clock)

    @property
    def plans_outside_windows(self) -> bool:
        return self._query.plans_outside_windows

    async def known_fields(self) -> dict[str, FieldType]:
        """The types of the columns. What was known before will do while the database is away."""
        try:
            return await self._session.ask(_fields)
        except SourceUnreachable:
            if self._session.shape is None:
                raise
            return self._session.shape.fields

    async def look(self) -> dict[str, FieldType]:
        """The types of the columns, from the database as it is now."""
        self._session.forget()
        return await self._session.ask(_fields)

    async def remarks(self) -> list[str]:
        """What whoever makes a plan should know: what it will cost that database, and how numbers come."""
        remarks = []
        if await self._session.ask(self._sorts_everything):
            remarks.append(
                f"no index on the key '{self._query.key}' gives its order: a plan reads all rows and sorts them, in a"
                " transaction that stays open meanwhile"
            )
        remarks += [
            f"column '{name}' has numbers that JSON cannot hold exactly (more than 64 bits): they come as text"
            for name in sorted(self._session.spelled_out)
        ]
        return remarks

    async def count(self, query: EntityQuery, *, within_seconds: float) -> int | None:
        """How many match, exactly, and how many cannot be read; None if that takes longer."""
        try:
            async with asyncio.timeout(within_seconds) as deadline:
                return await self._count(query)
        except TimeoutError:
            if deadline.expired():
                return None
            raise

    async def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int) -> AsyncGenerator[Page, None]:
        """Pages of up to `page_size`, or the configured size if that is less; none of them is empty."""
        size = min(page_size, self._query.page_size)
        behind = None if cursor is None else _read_cursor(cursor, query.order)
        if behind is None:
            await self._session.ask(self._see_to_null_keys)
        shape = await self._session.ask(_shape)
        exact = is_exact(query.tree)
        for listed in Listed.in_order(query.order, shape):
            if behind is not None and listed.timed and behind.time is None:
                continue  # that list has been read to its end
            listing = SqlListing(self._session, query.tree, listed, size, query.with_attributes or not exact)
            async with aclosing(listing.pages(behind)) as pages:
                async for rows in pages:
                    yield self._page(query, rows, exact=exact)
            behind = None

    def _page(self, query: EntityQuery, rows: Sequence[Row], *, exact: bool) -> Page:
        left_out = [row.found for row in rows if isinstance(row.found, LeftOut)]
        if left_out:
            first = left_out[0].why
            log.warning("%s of %s cannot be read and are left out; %s", len(left_out), query.entity_type, first)
        entities = [row.found for row in rows if isinstance(row.found, Entity)]
        return Page(entities, _written_cursor(rows[-1].place, query.order), exact, left_out)

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
        """Those of `ids` that there are."""
        found = [row.found for row in await read_rows(self._session, ids) if isinstance(row.found, Entity)]
        refuse_doubles(sorted(entity.id for entity in found), self._query.key)
        return {entity.id: entity for entity in found}

    async def close(self) -> None:
        """Let go of connections."""
        await self._session.connections.close()

    async def _count(self, query: EntityQuery) -> int:
        if is_exact(query.tree):

            async def work(connection: Connection, shape: Shape) -> int:
                statement = self._session.statement(shape)
                if self._session.skips:
                    statement.leave_out_null_keys()
                sql = statement.count(query.tree)
                return int(await connection.fetchval(sql, *statement.parameters))

            try:
                return await self._session.ask(work)
            except SourceBroken as problem:
                if not is_of_data(problem):
                    raise  # else the row is found by looking at each
        matches = forgiving(compile_predicate(query.tree), otherwise=True)  # as the plan counts
        found = 0
        every = EntityQuery(query.entity_type, query.tree)
        async with aclosing(self.pages(every, cursor=None, page_size=_COUNT_PAGE)) as pages:
            async for page in pages:
                found += sum(page.exact or matches(entity.attributes) for entity in page.entities)
                found += sum(one.id is not None for one in page.left_out)
        return found

    async def _see_to_null_keys(self, connection: Connection, shape: Shape) -> None:
        if await connection.fetchval(self._session.statement(shape).null_keys()) is None:
            return
        message = f"the key '{self._query.key}' is null in some rows; leave them out of the query"
        if not self._session.skips:
            raise SourceBroken(message)
        log.warning("%s (now they are left out)", message)

    async def _sorts_everything(self, connection: Connection, shape: Shape) -> bool:
        statement = self._session.statement(shape)
        rows = statement.rows(None, Listed(), attributes=False)
        plan = await plan_of(connection, statement, f"{rows} LIMIT {self._query.page_size + 1}")
        return starts_late(plan) and most_rows(plan) > self._query.page_size


async def _fields(_: Connection, shape: Shape) -> dict[str, FieldType]:
    return shape.fields


async def _shape(_: Connection, shape: Shape) -> Shape:
    return shape


def _written_cursor(place: Behind, order: Order) -> str:
    return orjson.dumps([order, place.key, place.time]).decode()


def _read_cursor(cursor: str, order: Order) -> Behind:
    """ValueError for a cursor of another order."""
    written, key, time = orjson.loads(cursor)
    if written != order:
        raise ValueError(f"this cursor belongs to the order {written}, not {order}")
    return Behind(key, time)
