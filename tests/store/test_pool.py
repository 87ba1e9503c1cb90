"""What every connection agrees on."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.support.clock import FakeClock, settle

from backfilld.clock import SystemClock
from backfilld.store.pool import open_pool, wait_for_database


async def test_instants_come_back_aware_and_in_utc(pool):
    instant = datetime(2027, 3, 14, 7, 30, tzinfo=UTC)
    found = await pool.fetchval("SELECT $1::timestamptz", instant)

    assert instant == found
    assert timedelta(0) == found.utcoffset()
    assert "UTC" == await pool.fetchval("SHOW timezone")


async def test_documents_are_text_both_ways(pool):
    assert '{"a": 1}' == await pool.fetchval("SELECT $1::jsonb", '{"a":1}')
    assert '{"a":1}' == await pool.fetchval("SELECT $1::json", '{"a":1}')


async def test_uuids_are_native(pool):
    identity = uuid4()
    found = await pool.fetchval("SELECT $1::uuid", identity)

    assert identity == found
    assert isinstance(found, UUID)


async def test_a_statement_that_takes_too_long_is_cut_off(dsn):
    pool = await open_pool(dsn, size=1, statement_timeout="20ms")
    try:
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("SELECT pg_sleep(5)")
    finally:
        await pool.close()


async def test_an_absent_database_is_waited_for_with_pauses_that_grow_to_five_seconds(tmp_path):
    clock, said = FakeClock(), []
    pauses = []
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(wait_for_database(f"postgresql://x@/x?host={tmp_path}", clock, said.append))
        for _ in range(9):
            await settle()
            pauses.append(round(clock.next_wake, 3))
            await clock.advance(clock.next_wake)
        waiting.cancel()

    assert [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5] == pauses
    assert "next try in 0.1 s" in said[0]


async def test_a_database_that_answers_is_not_waited_for(dsn):
    said = []
    await wait_for_database(dsn, SystemClock(), said.append)

    assert [] == said


async def test_an_unknown_database_is_told_at_once(databases):
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await wait_for_database(databases.dsn_of("nowhere"), SystemClock())
