"""A database that is not the plain one: another schema, another role, a pooler in between."""

import asyncio

import asyncpg
import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.states import Status
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.engine.news import Lookout
from backfilld.executors.base import Work
from backfilld.store.connection.address import Address
from backfilld.store.connection.pool import connect, open_pool
from backfilld.store.entities.uploads import EntityUploads, UploadTerms
from backfilld.store.migrate import MigrationRefused, grant, migrate, pending, tables
from backfilld.store.preflight import list_lacking, look_over


async def one_batch(*batch):
    yield batch


# Another schema


async def test_everything_lives_in_the_schema_that_is_named(empty_dsn):
    address = Address(empty_dsn, "neo")
    await migrate(address)
    again = await migrate(address)
    pool = await open_pool(address)
    backfill = await make_backfill(pool)
    schemas = await pool.fetch(
        "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = ANY ($1)", [*tables(), "schema_migration"]
    )
    await pool.close()

    assert Status.PLANNING is backfill.status
    assert ["neo"] == [row["schemaname"] for row in schemas]
    assert [] == again == await pending(address)


async def test_two_schemas_of_a_database_know_nothing_of_each_other(dsn):
    assert [] == await pending(dsn)
    assert [] != await pending(Address(dsn, "elsewhere"))


# Another role


@pytest.fixture
async def app_dsn(dsn):
    """The same database for a role that may do nothing with it yet."""
    admin = await asyncpg.connect(dsn)
    database = await admin.fetchval("SELECT current_database()")
    name = f"app_{database}"
    await admin.execute(f"CREATE ROLE {name} LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await admin.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC")
    yield dsn.replace("//backfilld@", f"//{name}@")
    await admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
    await admin.close()


def role_of(dsn: str) -> str:
    return dsn.split("//")[1].split("@")[0]


async def test_a_role_without_rights_is_told_what_it_lacks(dsn, app_dsn):
    admin = await asyncpg.connect(dsn)
    await admin.execute(f"GRANT USAGE ON SCHEMA public TO {role_of(app_dsn)}")
    await admin.close()
    lacking = await list_lacking(Address(app_dsn))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pending(app_dsn)

    assert sorted(set(tables())) == lacking


async def test_after_a_grant_a_role_can_do_all_a_daemon_does_and_cannot_change_the_schema(dsn, app_dsn):
    await grant(dsn, role_of(app_dsn))
    pool = await open_pool(app_dsn, size=4)
    backfill = await make_backfill(pool)
    async with engine_on(app_dsn, pool, ScriptedExecutor(), ListSource(entities(20))) as engine:
        await engine.until(backfill, "completed")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("CREATE TABLE mine ()")
    await pool.close()

    assert [] == await list_lacking(Address(app_dsn))
    assert [] == await pending(app_dsn) == await migrate(app_dsn)


async def test_a_role_that_may_not_change_the_schema_is_told_who_must(empty_dsn, databases, app_dsn):
    with pytest.raises(MigrationRefused, match="migrate_on_start = false"):
        await migrate(Address(app_dsn, "neo"))


async def test_uploads_need_temporary_tables_and_the_survey_says_so(dsn, app_dsn):
    await grant(dsn, role_of(app_dsn))
    found = await look_over(Address(app_dsn))
    admin = await asyncpg.connect(dsn)
    database = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"GRANT TEMPORARY ON DATABASE {database} TO {role_of(app_dsn)}")
    await admin.close()
    pool = await open_pool(app_dsn, size=2)
    rows = one_batch((1, "e1", "{}", None))
    counts = (await EntityUploads(pool).store(rows, UploadTerms("ticket", NOON))).counts
    await pool.close()
    then = await look_over(Address(app_dsn))

    assert (False, False) == (found.is_superuser, found.may_upload)
    assert "GRANT TEMPORARY" in found.warnings[0]
    assert 1 == counts.inserted
    assert [] == then.warnings


# Behind a pooler


async def test_behind_a_pooler_every_statement_brings_its_settings_in_a_transaction_of_its_own(dsn):
    connection = await connect(Address(dsn, "public", pooled=True), lock_timeout="7s")
    settings = "SELECT current_setting('lock_timeout'), current_setting('search_path'), pg_current_xact_id()::text"
    one, other = await connection.fetchrow(settings), await connection.fetchrow(settings)
    async with connection.transaction():
        inside = [await connection.fetchrow(settings) for _ in range(2)]
    await connection.execute("SET SESSION lock_timeout = '9s'")
    prepared = await connection.fetchval("SELECT count(*) FROM pg_prepared_statements")
    await connection.close()

    assert ("7s", "public") == tuple(one)[:2] == tuple(inside[0])[:2]
    assert one[2] != other[2]
    assert inside[0][2] == inside[1][2]
    assert 1 >= prepared  # the unnamed one at most


async def test_behind_a_pooler_a_failure_leaves_nothing_behind(dsn):
    connection = await connect(Address(dsn, pooled=True))
    with pytest.raises(asyncpg.DivisionByZeroError):
        await connection.fetchval("SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with connection.transaction():
            await connection.execute("SELECT 1 / 0")
    answer = await connection.fetchval("SELECT $1::int", 7)
    await connection.close()

    assert 7 == answer


async def test_an_engine_works_without_sessions_and_without_hearing_anything(dsn):
    async def slow(_: Work) -> Verdict:
        await asyncio.sleep(0.005)
        return SUCCEEDED

    address = Address(dsn, pooled=True)
    pool = await open_pool(address, size=5)
    executor = ScriptedExecutor(slow)
    async with engine_on(address, pool, executor, ListSource(entities(300)), listens=False) as engine:
        backfill = await make_backfill(pool, max_in_flight=10)
        engine.scheduler.nudge()
        await eventually(lambda: len(executor.starts) > 20)
        await engine.pause(backfill)
        held = len(executor.starts)
        await asyncio.sleep(0.02)
        still = len(executor.starts)
        await engine.resume(backfill)
        await engine.until(backfill, "completed")
    await pool.close()

    assert held == still
    assert 300 == len(executor.starts)


async def test_where_nobody_can_listen_one_looks_every_second(clock):
    heard: list[int | None] = []
    task = asyncio.create_task(Lookout(clock, heard.append).serve())
    await clock.advance(2.5)
    task.cancel()

    assert [None, None, None] == heard
