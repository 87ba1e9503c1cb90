"""The pages of an SQL source.

By keyset: every page is a read-only transaction of its own, nothing is held open between pages, and rows that come or
go meanwhile shift nobody. Where no index gives the order, each page would read and sort everything. Then the rest comes
in one pass: a cursor in a transaction that stays open, for a bounded time, and goes on behind the last row when that is
over or the connection breaks.
A row that cannot be read is found among its page, and named; where such are to be left out, the others go on.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from backfilld.domain.filters import Tree
from backfilld.sources.base import LeftOut, SourceBroken
from backfilld.sources.sql_connections import Connection
from backfilld.sources.sql_records import Row, refuse_doubles
from backfilld.sources.sql_session import SqlSession, Work, is_of_data
from backfilld.sources.sql_shape import Shape
from backfilld.sources.sql_statements import Behind, Listed, Statement

Plan = dict[str, Any]  # a node of it, as PostgreSQL explains it

LONGEST_PASS_SECONDS = 600.0
CHEAP = 1_000.0  # in PostgreSQL's units: some ten milliseconds, which may be spent again for each page
LOOKED_THROUGH = 500  # keys, where a page holds a row that cannot be read
SHOWN = 60


@dataclass(frozen=True, slots=True)
class SqlListing:
    """One listing. `attributes`: whether they are read."""

    session: SqlSession
    tree: Tree | None
    listed: Listed
    size: int
    attributes: bool

    async def pages(self, behind: Behind | None) -> AsyncGenerator[list[Row], None]:
        """Rows behind a place (None: all), up to `size` at a time; none of them is empty."""
        rows = await self._page(behind)
        while rows:
            page, is_last = rows[: self.size], len(rows) <= self.size
            yield page
            behind = page[-1].place
            if is_last:
                return
            if await self.session.ask(self._starts_late(behind)):
                break
            rows = await self._page(behind)
        else:
            return
        async with aclosing(self._in_one_pass(behind)) as rest:
            async for page in rest:
                yield page

    async def _page(self, behind: Behind | None) -> list[Row]:
        """A page and, if there is one, the row that the next page begins with."""

        async def work(connection: Connection, shape: Shape) -> list[Row]:
            statement = self._statement(shape, behind)
            rows = statement.rows(self.tree, self.listed, attributes=self.attributes)
            return await self.session.fetch(connection, statement, f"{rows} LIMIT {self.size + 1}")

        try:
            return await self.session.ask(work)
        except SourceBroken as problem:
            if not is_of_data(problem):
                raise
            return await self._looked_through(behind, problem)

    def _starts_late(self, behind: Behind) -> Work[bool]:
        """Whether the server has to read (and sort) all that is left before it can give the first row of a page."""

        async def work(connection: Connection, shape: Shape) -> bool:
            statement = self._statement(shape, behind)
            sql = f"{statement.rows(self.tree, self.listed, attributes=self.attributes)} LIMIT {self.size + 1}"
            return starts_late(await plan_of(connection, statement, sql))

        return work

    async def _in_one_pass(self, behind: Behind) -> AsyncGenerator[list[Row], None]:
        """The rest. One at a time on a database, so that connections are left for what runs."""
        async with self.session.connections.pass_turn:
            is_over = False
            while not is_over:
                try:
                    async with aclosing(self._pass(behind)) as pages:
                        is_over = True
                        async for page in pages:
                            if not page:
                                is_over = False  # for now
                                break
                            behind = page[-1].place
                            yield page
                except SourceBroken as problem:
                    if not is_of_data(problem):
                        raise
                    rows = await self._looked_through(behind, problem)
                    is_over = len(rows) <= self.size
                    if rows:
                        behind = rows[: self.size][-1].place
                        yield rows[: self.size]

    async def _pass(self, behind: Behind) -> AsyncGenerator[list[Row], None]:
        """Pages from one transaction; an empty one says that it has been open for long enough."""
        session = self.session
        began = session.clock.monotonic()
        async with session.connections.transaction(session.query.statement_timeout_seconds) as connection:
            shape = await session.look(connection)
            statement = self._statement(shape, behind)
            sql = statement.rows(self.tree, self.listed, attributes=self.attributes)
            cursor = await connection.cursor(sql, *statement.parameters)
            while records := await cursor.fetch(self.size):
                page = session.rows(records, shape)
                refuse_doubles([behind.key, page[0].place.key], shape.key.name)
                behind = page[-1].place
                yield page
                if session.clock.monotonic() - began > LONGEST_PASS_SECONDS:
                    yield []
                    return

    async def _looked_through(self, behind: Behind | None, problem: SourceBroken) -> list[Row]:
        """As `_page`, by looking at rows in ever smaller groups until those stand alone that cannot be read."""
        rows: list[Row] = []
        while len(rows) <= self.size:
            candidates = await self._candidates(behind, problem)
            if not candidates:
                break
            readable = [row for row in candidates if not isinstance(row.found, LeftOut)]
            sifted = {row.place.key: row for row in await self.sifted([row.place.key for row in readable])}
            for row in candidates:  # in their order
                found = row if isinstance(row.found, LeftOut) else sifted.get(row.place.key)
                rows += [] if found is None else [Row(row.place, found.found)]
            behind = candidates[-1].place
        return rows

    async def _candidates(self, behind: Behind | None, problem: SourceBroken) -> list[Row]:
        """The next rows that may match, of which nothing is read but the key."""

        async def work(connection: Connection, shape: Shape) -> list[Row]:
            statement = self._statement(shape, behind)
            rows = statement.rows(self.tree, self.listed, attributes=False, tested=False)
            return await self.session.fetch(connection, statement, f"{rows} LIMIT {LOOKED_THROUGH}")

        try:
            return await self.session.ask(work)
        except SourceBroken as other:
            if not is_of_data(other):
                raise
            raise problem from other  # it is the query itself that fails, and no row of it can be named

    async def sifted(self, keys: Sequence[str]) -> list[Row]:
        """The rows of these keys, those among them that cannot be read as what is left out."""
        if not keys:
            return []
        try:
            return await self.session.ask(self.among(keys))
        except SourceBroken as problem:
            if not is_of_data(problem):
                raise
            if len(keys) > 1:
                half = len(keys) // 2
                return await self.sifted(keys[:half]) + await self.sifted(keys[half:])
            return [Row(Behind(keys[0]), await left_out(self.session, keys[0], problem))]

    def among(self, keys: Sequence[str]) -> Work[list[Row]]:
        """The rows of these keys, all at once."""

        async def work(connection: Connection, shape: Shape) -> list[Row]:
            statement = self._statement(shape, None)
            statement.take_only(keys)
            rows = statement.rows(self.tree, self.listed, attributes=self.attributes)
            return await self.session.fetch(connection, statement, rows)

        return work

    def _statement(self, shape: Shape, behind: Behind | None) -> Statement:
        statement = self.session.statement(shape)
        statement.take_list(self.listed)
        if behind is not None:
            statement.start_behind(self.listed, behind)
        if self.session.skips:
            statement.leave_out_null_keys()
        return statement


async def read_rows(session: SqlSession, keys: Sequence[str]) -> list[Row]:
    """Rows by their keys, in no order; those that cannot be read are left out, or SourceBroken names the first."""
    listing = SqlListing(session, None, Listed(), len(keys), attributes=True)

    possible: list[str] = []

    async def work(connection: Connection, shape: Shape) -> list[Row]:
        possible[:] = [key for key in keys if shape.key_kind.can_be(key)]
        return await listing.among(possible)(connection, shape) if possible else []

    try:
        return await session.ask(work)
    except SourceBroken as problem:
        if not is_of_data(problem):
            raise
    return await listing.sifted(possible)


async def left_out(session: SqlSession, key: str, problem: SourceBroken) -> LeftOut:
    """A row that stands alone and cannot be read. SourceBroken that names it, unless such are skipped."""
    why = f"the row '{key[:SHOWN]}' cannot be read: {problem}"
    assert session.shape is not None  # noqa: S101 - it was asked for a moment ago
    for column in session.shape.attributes:

        async def work(connection: Connection, shape: Shape, name: str = column.name) -> None:
            statement = session.statement(shape)
            statement.take_only([key])
            value = statement.value(next(one for one in shape.columns if one.name == name))
            await connection.fetch(value, *statement.parameters)

        try:
            await session.ask(work)
        except SourceBroken as of_column:
            why = f"column '{column.name}' of the row '{key[:SHOWN]}' cannot be read: {of_column}"
            break
    if not session.skips:
        raise SourceBroken(why) from problem.__cause__
    return LeftOut(key, why)


async def plan_of(connection: Connection, statement: Statement, sql: str) -> Plan:
    """What the server means to do for a page."""
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *statement.parameters)
    found: Plan = orjson.loads(plan)[0]["Plan"]
    return found


def starts_late(plan: Plan) -> bool:
    """True if the first row of a page costs about as much as all of it, and that is worth a word."""
    return bool(plan["Startup Cost"] >= plan["Total Cost"] / 2 and plan["Total Cost"] > CHEAP)


def most_rows(plan: Plan) -> float:
    """Of how many rows at most a step of it means to be."""
    return max([float(plan["Plan Rows"]), *(most_rows(below) for below in plan.get("Plans", ()))])
