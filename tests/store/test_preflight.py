"""The look at the database before it is used leaves nothing behind there."""

from typing import Any

import asyncpg
import pytest

from backfilld.store import preflight
from backfilld.store.connection import pool
from backfilld.store.connection.address import address_of
from backfilld.store.preflight import look_over


async def test_a_database_that_is_full_by_its_last_connection_gets_the_others_back(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    connect = preflight.connect

    async def is_full_then(database: Any) -> Any:
        if len(made) == 1:
            raise asyncpg.TooManyConnectionsError("sorry, too many clients already")
        made.append(await connect(database))
        return made[-1]

    monkeypatch.setattr(pool, "connect", is_full_then)
    monkeypatch.setattr(preflight, "connect", is_full_then)
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await look_over(address_of(dsn))

    assert [True] == [connection.is_closed() for connection in made]
