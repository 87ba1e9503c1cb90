"""A database that goes from one test to the next is like a new one to each."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from tests.support import lent_database
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.database import Databases
from tests.support.lent_database import LentDatabase, pool_of_its_own

from backfilld.store.admin.stopping import StopStore
from backfilld.store.connection.pool import Pool

Use = Callable[[Pool], Awaitable[Any]]
_TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') ORDER BY relname
"""
_SETTINGS = "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY name"
_LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


async def everything(pool: Pool) -> dict[str, str | None]:
    """What stands in each table, and where each sequence is."""
    names = [row["relname"] for row in await pool.fetch(_TABLES)]
    return {name: await pool.fetchval(f"SELECT json_agg(t)::text FROM (TABLE {name}) AS t") for name in names}  # noqa: S608


async def used_before(databases: Databases, use: Use) -> str:
    """The name of the database that `use` was made of, which waits for the next test then, or is no more."""
    async with databases.lent() as lent, lent.pool() as pool:
        await use(pool)
    return lent.name


def executing(statement: str) -> Use:
    return lambda pool: pool.execute(statement)


async def _work(pool: Pool) -> None:
    backfill = await make_backfill(pool)
    async with pool.acquire() as connection, connection.transaction():
        await StopStore(pool).change(stopped=True, by="a test", why="it can", at=NOON, on=connection)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("DELETE FROM backfills WHERE number = $1", backfill.number)
    await make_backfill(pool)


async def test_what_somebody_wrote_is_gone_and_numbers_begin_anew(databases):
    async with databases.database() as dsn, asyncpg.create_pool(dsn) as pool:
        new = await everything(pool)
    written: list[dict[str, str | None]] = []

    async def work(pool: Pool) -> None:
        await _work(pool)
        written.append(await everything(pool))

    before = await used_before(databases, work)
    async with databases.lent() as lent, lent.pool() as pool:
        found = await everything(pool)

    assert before == lent.name
    assert {"backfills", "backfills_no_seq", "stop_order", "workflows"} <= {n for n in new if new[n] != written[0][n]}
    assert new == found


@pytest.mark.parametrize("read", ["SELECT 1", "TABLE stop_order", "SELECT * FROM backfills FOR UPDATE"])
async def test_where_nobody_wrote_the_sessions_go_on_as_they_are(databases, read: str):
    async with databases.lent() as first, first.pool() as pool:
        session = await pool.fetchval("SELECT pg_backend_pid()")
        await pool.execute(read)
    async with databases.lent() as second, second.pool() as pool:
        assert first.name == second.name
        assert session == await pool.fetchval("SELECT pg_backend_pid()")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (n integer)",
        "CREATE TEMPORARY TABLE more (n integer)",
        "CREATE VIEW more AS TABLE entities",
        "CREATE FUNCTION more() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA more",
        "CREATE INDEX ON entities (id)",
        "ALTER TABLE entities SET (fillfactor = 50)",
        "ALTER TABLE backfills DISABLE TRIGGER ALL",
        "ALTER SEQUENCE workflow_ids INCREMENT BY 2",
        "COMMENT ON TABLE entities IS 'more'",
        "GRANT SELECT ON entities TO pg_monitor",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 64', current_database()); END $$",
        "ANALYZE entities",
        "VACUUM entities",
        "VACUUM FULL pg_class",
        "TRUNCATE entities",
        "SELECT lo_create(0)",
        "INSERT INTO entity_types (name) SELECT repeat(n::text, 50) FROM generate_series(1, 2000) AS n",
        "INSERT INTO entity_types (name) SELECT n::text FROM generate_series(1, 100000) AS n",
    ],
)
async def test_whoever_changes_more_than_a_few_rows_leaves_it_to_nobody(databases, statement: str):
    before = await used_before(databases, executing(statement))
    async with databases.lent() as lent, lent.pool() as pool:
        assert before != lent.name
        assert not await pool.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", before)


@pytest.mark.parametrize(
    "statement",
    [
        "SET statement_timeout = '1ms'",
        "SET SESSION AUTHORIZATION pg_monitor",
        "SET ROLE pg_monitor",
        "SELECT pg_advisory_lock(1)",
        "LISTEN backfilld",
        "SELECT nextval('workflow_ids')",
        "DECLARE more CURSOR WITH HOLD FOR SELECT 1",
    ],
)
async def test_sessions_are_as_new(databases, statement: str):
    asked = (
        _SETTINGS,
        _LOCKS,
        "SELECT current_user, session_user",
        "SELECT name FROM pg_cursors WHERE is_holdable",
        "SELECT pg_listening_channels()",
    )

    async def state(pool: Pool) -> list[Any]:
        return [await pool.fetch(query) for query in asked]

    async with databases.lent() as lent, lent.pool() as pool:
        session = await pool.fetchval("SELECT pg_backend_pid()")
        new = await state(pool)
        await pool.execute(statement)
    async with databases.lent() as lent, lent.pool() as pool:
        assert session == await pool.fetchval("SELECT pg_backend_pid()")
        assert new == await state(pool)
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await pool.fetchval("SELECT lastval()")


async def _close(pool: Pool) -> None:
    await pool.close()


async def _keep_one(pool: Pool) -> None:
    await pool.acquire()


async def _cut(pool: Pool) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await pool.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def _cut_all(pool: Pool) -> None:
    one, other = await pool.acquire(), await pool.acquire()
    await pool.release(one)
    await pool.release(other)
    await pool.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                       " AND datname = current_database()")  # fmt: skip


async def _leave_open(pool: Pool) -> None:
    await (await pool.acquire()).execute("BEGIN; LOCK TABLE entities")


@pytest.mark.parametrize("use", [_close, _keep_one, _cut, _cut_all, _leave_open])
async def test_a_pool_that_was_broken_is_followed_by_a_whole_one(databases, monkeypatch, use: Use):
    monkeypatch.setattr(lent_database, "CLOSING_SECONDS", 0.05)
    await used_before(databases, use)
    async with databases.lent() as lent, lent.pool() as pool:
        async with asyncio.timeout(5):
            connections = [await pool.acquire() for _ in range(10)]
            found = [await connection.fetchval("SELECT count(*) FROM entities") for connection in connections]
            for connection in connections:
                await pool.release(connection)

    assert [0] * 10 == found


async def test_nothing_is_counted_yet(databases):
    count = "SELECT sum(seq_scan)::integer FROM pg_stat_user_tables"
    async with databases.lent() as lent, lent.pool() as pool:
        await pool.execute("TABLE entities; SELECT pg_stat_force_next_flush()")
        counted = await pool.fetchval(count)
        await pool.execute("TABLE entities")
    async with databases.lent() as again, again.pool() as pool:
        await pool.execute("SELECT pg_stat_force_next_flush()")

        assert 0 < counted
        assert 0 == await pool.fetchval(count)
        assert lent.name == again.name


async def test_sessions_of_others_end(databases):
    async with databases.lent() as lent:
        other = await asyncpg.connect(lent.dsn)
        await other.execute("BEGIN; LOCK TABLE entities")
    with pytest.raises((asyncpg.AdminShutdownError, asyncpg.InterfaceError, OSError)):
        await other.execute("SELECT 1")
    async with databases.lent() as again, again.pool() as pool:
        assert lent.name == again.name
        assert 0 == await pool.fetchval("SELECT count(*) FROM entities")


async def test_pools_of_one_test_share_nothing_and_go_on_in_the_next(databases):
    who = "SELECT pg_backend_pid()"
    async with (
        databases.lent() as lent, lent.pool() as pool, pool_of_its_own(lent.dsn, 3) as one,
        pool_of_its_own(lent.dsn, 3) as other,
    ):  # fmt: skip
        found = [await each.fetchval(who) for each in (pool, one, other)]
        sizes = [each.get_max_size() for each in (pool, one, other)]
    async with databases.lent() as again, pool_of_its_own(again.dsn, 3) as one, pool_of_its_own(again.dsn, 3) as other:
        later = {await one.fetchval(who), await other.fetchval(who)}
    async with databases.lent() as again, pool_of_its_own(again.dsn, 3, lock_timeout="7s") as special:
        settings = await special.fetchval("SHOW lock_timeout"), await special.fetchval(who)

    assert ([10, 3, 3], 3) == (sizes, len(set(found)))
    assert set(found[1:]) == later
    assert "7s" == settings[0]
    assert settings[1] not in found


async def test_two_at_once_are_two(databases):
    async with databases.lent() as one, databases.lent() as other:
        names = {one.name, other.name}

    assert 2 == len(names)


async def test_all_that_is_written_stands_in_the_log(pool):
    """Tables that are not logged would be found full by the next test."""
    unlogged = await pool.fetch("SELECT relname FROM pg_class WHERE relpersistence <> 'p'")

    assert [] == unlogged
    assert "minimal" != await pool.fetchval("SHOW wal_level")


def test_the_fixtures_are_of_one_database(lent: LentDatabase, dsn: str):
    assert lent.dsn == dsn
