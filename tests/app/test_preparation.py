"""What a start costs the database before anything runs."""

from types import SimpleNamespace

import asyncpg

from backfilld.app.database import Database
from backfilld.app.preparation import Preparation
from backfilld.clock import SystemClock
from backfilld.store.connection.address import Address


async def test_a_migrated_database_is_found_fit_by_four_connections(dsn, monkeypatch):
    """One looks it over, one tells a pooler beside it, one migrates, and one sees that nothing is lacking."""
    connect, made = asyncpg.connect, []

    async def counted(*where, **how):
        made.append(await connect(*where, **how))
        return made[-1]

    async def sync_config(definitions):
        assert [] == list(definitions)

    monkeypatch.setattr(asyncpg, "connect", counted)
    address = Address(dsn)
    preparation = Preparation(
        SimpleNamespace(database=SimpleNamespace(migrate_on_start=True), workflows=[]),
        Database(address, address, address.name),
        SimpleNamespace(workflows=SimpleNamespace(sync_config=sync_config)),
        SimpleNamespace(report=print),
        SystemClock(),
        paused=False,
    )
    await preparation.run()

    assert [True] * 4 == [connection.is_closed() for connection in made]
