"""What every connection agrees on."""

import asyncio
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.support.clock import FakeClock, settle
from tests.support.waiting import eventually

from backfilld import store
from backfilld.clock import SystemClock
from backfilld.store.connection import transient_errors
from backfilld.store.connection.deadlines import allow
from backfilld.store.connection.pool import NoConnection, open_pool, wait_for_database
from backfilld.store.connection.queries import load


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


async def test_whoever_waits_too_long_for_a_connection_is_told_so_and_the_next_one_gets_it(dsn):
    pool = await open_pool(dsn, size=1, patience=0.05)
    async with pool.acquire():
        with pytest.raises(NoConnection, match="all 1 connections of this daemon are in use") as caught:
            await pool.fetchval("SELECT 1")
    found = await pool.fetchval("SELECT 2")
    await pool.close()

    assert 2 == found
    assert transient_errors.is_transient(caught.value)


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


async def test_a_server_that_vanishes_from_the_network_is_noticed_soon(databases, dsn):
    """Over TCP; the test server itself is behind a Unix socket."""
    folder = dsn.partition("host=")[2].partition("&")[0]
    database = dsn.partition("?")[0].rpartition("/")[2]
    bridged = set()

    async def bridge(reader, writer):
        ours, theirs = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        bridged.update({asyncio.create_task(pump(reader, theirs)), asyncio.create_task(pump(ours, writer))})

    async def pump(reader, writer):
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(bridge, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        pool = await open_pool(f"postgresql://backfilld@127.0.0.1:{port}/{database}?sslmode=disable", size=1)
        async with pool.acquire() as connection:
            link = connection._transport.get_extra_info("socket")
            probed = link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            patience = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        await pool.close()
        await asyncio.wait(bridged, timeout=5)

    assert 1 == probed
    assert 20_000 == patience


async def test_a_setting_of_a_transaction_is_gone_when_its_connection_is_given_back(dsn):
    pool = await open_pool(dsn, size=1)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('statement_timeout', '7s', true)")
    after = await pool.fetchval("SHOW statement_timeout")
    await pool.close()

    assert "30s" == after


async def test_a_transaction_that_was_left_open_is_rolled_back_when_its_connection_is_given_back(dsn):
    pool = await open_pool(dsn, size=1)
    async with pool.acquire() as connection:
        await connection.execute("BEGIN; CREATE TABLE left_open (n integer)")
    found = await pool.fetchval("SELECT to_regclass('left_open')")
    await pool.close()

    assert found is None


# A connection is given back as it is: whatever belongs to a session would be found by who takes it next.
LASTING = re.compile(
    r"^(?:SET|LISTEN|PREPARE|DECLARE)\s|advisory_lock\(|set_config\([^)]*, *false\)"
    r"|TEMPORARY TABLE(?![^;]*ON COMMIT DROP)",
    re.MULTILINE,
)


STORE = Path(store.__file__).parent
QUERIES = sorted(file for file in STORE.rglob("*.sql") if "migrations" not in file.parts)


@pytest.mark.parametrize("file", QUERIES, ids=lambda file: str(file.relative_to(STORE)))
def test_no_statement_leaves_anything_behind_in_its_session(file):
    queries = load(".".join(file.relative_to(STORE).with_suffix("").parts))

    assert [] == [name for name in queries.names() if LASTING.search(getattr(queries, name))]


@pytest.mark.parametrize(
    "sql",
    ["SET work_mem = '1MB'", "SELECT pg_advisory_lock(1)", "SELECT set_config('a', 'b', false)",
     "CREATE TEMPORARY TABLE t (n integer)"],
)  # fmt: skip
def test_what_would_be_left_behind_is_known_when_it_is_seen(sql):
    assert LASTING.search(sql)


async def test_whoever_gives_up_in_the_middle_leaves_a_connection_that_others_can_use(dsn):
    pool = await open_pool(dsn, size=1)
    for _ in range(20):
        asking = asyncio.ensure_future(pool.execute("SELECT pg_sleep(10)"))
        await eventually(lambda: pool.get_size() == 1 and pool.get_idle_size() == 0)
        asking.cancel()
        await asyncio.wait([asking])
    found = await pool.fetchval("SELECT 1")
    await pool.close()

    assert 1 == found


async def test_a_transaction_that_may_take_longer_is_waited_for_and_the_next_user_of_its_connection_is_as_before(dsn):
    pool = await open_pool(dsn, size=1, command_timeout=0.3)
    async with pool.acquire() as connection, connection.transaction():
        await allow(connection, 20)
        await allow(connection, 10)
        await connection.execute("SELECT pg_sleep(0.5)")
    with pytest.raises(TimeoutError):
        await pool.execute("SELECT pg_sleep(5)")
    await pool.close()


async def test_what_belonged_to_the_last_user_of_a_connection_is_of_no_use_afterwards(dsn):
    pool = await open_pool(dsn, size=1)
    async with pool.acquire() as connection:
        statement = await connection.prepare("SELECT 1")
    with pytest.raises(asyncpg.InterfaceError):
        await statement.fetchval()
    await pool.close()


async def test_a_pool_outlives_its_connections(dsn):
    pool = await open_pool(dsn, size=1)
    async with pool.acquire() as connection:
        connection.terminate()
    await pool.expire_connections()
    found = await pool.fetchval("SELECT 1")
    await pool.close()

    assert 1 == found
