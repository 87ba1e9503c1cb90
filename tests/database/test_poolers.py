"""A real PgBouncer in transaction mode: what nobody told us of is found out, what we were told of works."""

import asyncio

import pytest
from tests.crash.accounts import assert_exact
from tests.support.daemon import Plan, daemon_process
from tests.support.logging_target import Reply
from tests.support.system_postgres import running_pgbouncer, system_postgres

from backfilld.clock import SystemClock
from backfilld.store.connection.address import Address
from backfilld.store.connection.connect_errors import DatabaseRefused
from backfilld.store.connection.pool import SESSION, open_pool, wait_for_database
from backfilld.store.migrate import migrate
from backfilld.store.preflight import look_over

pytestmark = pytest.mark.slow

ENTITIES = [f"T{number:03}" for number in range(300)]
IGNORED = ",".join([*SESSION, "search_path"])


def dsn_at(port: int) -> str:
    return f"postgresql://backfilld@127.0.0.1:{port}/postgres"


@pytest.fixture
async def server(scratch):
    async with system_postgres(scratch) as port:
        yield port


@pytest.fixture
async def pooler(scratch, server):
    async with running_pgbouncer(scratch, server) as port:
        yield port


async def test_a_pooler_that_takes_no_settings_is_named_with_the_setting_that_helps(pooler):
    with pytest.raises(DatabaseRefused, match="pooled = true"):
        await wait_for_database(dsn_at(pooler), SystemClock())


async def test_a_pooler_that_swallows_settings_is_found_out(scratch, server):
    async with running_pgbouncer(scratch, server, ignore_startup_parameters=IGNORED) as port:
        with pytest.raises(DatabaseRefused, match="does not keep a session"):
            await look_over(Address(dsn_at(port)))


async def test_a_pooler_that_has_our_settings_from_the_role_is_found_out_all_the_same(scratch, server):
    pool = await open_pool(dsn_at(server), size=1)
    await pool.execute("ALTER ROLE backfilld SET statement_timeout = '30s'")
    await pool.close()
    async with running_pgbouncer(scratch, server, ignore_startup_parameters=IGNORED) as port:
        with pytest.raises(DatabaseRefused, match="does not keep a session"):
            await look_over(Address(dsn_at(port)))


async def test_statements_of_many_clients_keep_apart_on_few_sessions(pooler, server):
    address = Address(dsn_at(pooler), "neo", pooled=True)
    await migrate(Address(dsn_at(server), "neo"))
    pool = await open_pool(address, size=20)

    async def ask(number: int) -> bool:
        row = await pool.fetchrow(
            "SELECT $1::int AS number, current_setting('statement_timeout') AS most, current_schema()::text AS schema",
            number,
        )
        return (number, SESSION["statement_timeout"], "neo") == tuple(row)

    right = await asyncio.gather(*(ask(number) for number in range(1000)))
    pids = {
        row["pid"]
        for row in await asyncio.gather(*(pool.fetchrow("SELECT pg_backend_pid() AS pid") for _ in range(99)))
    }
    await pool.close()

    assert all(right)
    assert 4 >= len(set(pids))


@pytest.mark.parametrize("direct", [True, False])
async def test_a_daemon_works_through_it_to_the_exact_account(scratch, server, pooler, target, direct):
    """With a way around it for what needs a session, and without one."""
    await migrate(dsn_at(server))
    settings = {"pooled": True} | ({"direct_dsn": dsn_at(server)} if direct else {"migrate_on_start": False})
    target.script = lambda _: Reply(seconds=0.01)
    async with daemon_process(scratch / "daemon", Plan(target.url, dsn_at(pooler), database=settings)) as daemon:
        await daemon.start()
        await make_key(daemon, dsn_at(server))
        await daemon.upload(ENTITIES)
        id = await daemon.create()
        while len(target.calls) < 30:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
        await daemon.client.pause_backfill(id)
        paused = len(target.calls)
        await asyncio.sleep(0.1)
        still = len(target.calls)
        await daemon.client.stop_all()
        await daemon.client.resume_backfill(id)
        await asyncio.sleep(1.2)
        stopped = len(target.calls)
        await daemon.client.start_all()
        ended = await daemon.ends(id)
        warned = [line for line in daemon.events() if "direct_dsn" in line["event"]]
        (told,) = daemon.events("database")
        await assert_exact(daemon, dsn_at(server), id, planned=len(ENTITIES))

    assert "completed" == ended["status"]
    assert paused == still == stopped
    assert direct is not bool(warned)
    assert told["pooled"]


async def make_key(daemon, dsn: str) -> None:
    """On the way around the pooler, where the daemon's own settings may have none."""
    plan = daemon.plan
    daemon.plan = Plan(plan.target, dsn)
    await daemon.make_key()
    daemon.plan = plan
