"""The connections of a daemon: whoever meets a lock keeps nobody of another kind waiting."""

import asyncio
from typing import Any

import asyncpg
import pytest
from tests.support.attempts import make_attempts
from tests.support.backfills import make_backfill
from tests.support.clock import FakeClock

from backfilld.app import database
from backfilld.app.database import Database, pools_of
from backfilld.bus import Bus
from backfilld.engine.attempts.leases import LiveLeases
from backfilld.engine.backfills.leases import LeaseKeeper
from backfilld.engine.starting.stop_switch import StopSwitch
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.address import address_of
from backfilld.store.sessions.live_attempts import LiveAttemptStore


async def test_leases_of_backfills_are_renewed_while_those_of_attempts_cannot_be(dsn: Any, pool: Any, clock: FakeClock):
    backfill = await make_backfill(pool)
    await make_attempts(pool)
    address = address_of(dsn)
    connection = await asyncpg.connect(dsn)
    async with pools_of(Database(address, address, "here"), 1) as pools:
        keeper = LeaseKeeper(LeaseStore(pools.leases, instance="a", process="1"), clock, Bus())
        store = LiveAttemptStore(pools.engine, pools.leases, instance="a", process="1")
        attempts = LiveLeases(store, clock, Bus(), StopSwitch())
        lease = await keeper.take(backfill.number)
        await attempts.take(last_round=2)
        async with connection.transaction():
            await connection.execute("LOCK TABLE attempts IN ACCESS EXCLUSIVE MODE")
            stuck = asyncio.create_task(attempts.renew())
            await asyncio.sleep(0)
            await clock.advance(1)
            await asyncio.wait_for(keeper.renew(), 3)
            was_stuck = not stuck.done()
        await stuck
    await connection.close()

    assert was_stuck
    assert clock.boottime() == lease.renewed_at


@pytest.mark.parametrize("whose", ["requests", "engine"])
async def test_a_server_that_says_nothing_in_a_statement_is_waited_for_no_longer_than_so_long(dsn, monkeypatch, whose):
    monkeypatch.setattr(database, "SILENCE_SECONDS", 0.2)
    address = address_of(dsn)
    async with pools_of(Database(address, address, "here"), 1) as pools, asyncio.timeout(20):
        with pytest.raises(TimeoutError):
            async with getattr(pools, whose).acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_sleep(25)")
        found = await getattr(pools, whose).fetchval("SELECT 1")

    assert 1 == found
