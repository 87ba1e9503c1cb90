"""Of arrays of PostgreSQL's own types nothing is asked, and they are what the server says they are."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import asyncpg
import pytest

from backfilld.store.connection.known_types import ARRAYS, KnowingConnection

VALUES = {
    "bool": [True, False],
    "bytea": [b"\0a"],
    "int8": [1 << 40],
    "int2": [7],
    "int4": [-7],
    "json": ['{"a": [1, "b,c"]}'],
    "float8": [0.5],
    "varchar": ["a,b", '"'],
    "date": [date(2027, 3, 1)],
    "time": [time(12, 30)],
    "timestamptz": [datetime(2027, 3, 1, 12, tzinfo=UTC)],
    "interval": [timedelta(hours=1)],
    "numeric": [Decimal("1.50")],
    "uuid": [uuid.UUID(int=7)],
    "jsonb": ['{"a": "b,c"}'],
}


@pytest.fixture
async def asked(monkeypatch):
    """The types that a server was asked about, so far."""
    seen = []
    ask = asyncpg.Connection._introspect_types

    async def listened(self, oids, timeout):
        seen.extend(oids)
        return await ask(self, oids, timeout)

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", listened)
    return seen


async def test_the_numbers_are_those_of_the_server(pool):
    rows = await pool.fetch(
        "SELECT typname::text, oid::int8, typarray::int8 FROM pg_type WHERE typname = ANY($1::text[])"
        " AND typnamespace = 'pg_catalog'::regnamespace",
        [name for name, _, _ in ARRAYS],
    )

    assert sorted(ARRAYS) == sorted(tuple(row) for row in rows)


@pytest.mark.parametrize("name", [name for name, _, _ in ARRAYS])
async def test_an_array_goes_there_and_comes_back_and_nothing_is_asked(dsn, asked, name):
    connection = await asyncpg.connect(dsn, connection_class=KnowingConnection)
    values = [*VALUES[name], None]
    try:
        both_ways = [await connection.fetchval(f"SELECT $1::{name}[]", given) for given in (values, [], None)]
    finally:
        await connection.close()

    assert [values, [], None] == both_ways
    assert [] == asked


async def test_types_of_users_are_asked_about(dsn, asked):
    connection = await asyncpg.connect(dsn, connection_class=KnowingConnection)
    try:
        await connection.execute("CREATE TYPE colour AS ENUM ('red', 'green')")
        both = await connection.fetchrow("SELECT ARRAY['red']::colour[] AS colours, $1::int4[] AS numbers", [1, 2])
    finally:
        await connection.close()

    assert (["red"], [1, 2]) == (both["colours"], both["numbers"])
    assert asked
