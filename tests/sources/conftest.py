"""A database that is not ours, and sources on it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from tests.sources.sql_asking import Foreign, Making
from tests.support.clock import FakeClock

from backfilld.sources.sql import SqlSource
from backfilld.sources.sql_connections import SqlConnections
from backfilld.sources.sql_session import SqlQuery


@pytest.fixture
async def foreign(empty_dsn: str) -> AsyncIterator[Foreign]:
    """A connection of those who own the other database."""
    connection = await asyncpg.connect(empty_dsn)
    yield connection
    await connection.close(timeout=5)


@pytest.fixture
async def source_of(empty_dsn: str, clock: FakeClock) -> AsyncIterator[Making]:
    """`source_of(query, key="id", …)`: a source on the other database; `dsn` may be another one."""
    made: list[SqlSource] = []

    def make(query: str, key: str = "id", *, dsn: str | Callable[[], str] = empty_dsn, **more: Any) -> SqlSource:
        connections = SqlConnections(dsn if callable(dsn) else lambda: dsn, longest_statement_seconds=60)
        made.append(SqlSource(SqlQuery(query, key, **more), connections, clock))
        return made[-1]

    yield make
    for source in made:
        await source.close()
