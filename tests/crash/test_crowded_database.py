"""The database has no connection left for the daemon, or the daemon none for its callers: told of, and waited for."""

import asyncio
import contextlib
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest
from tests.crash.test_database_network import LONGER_THAN_A_LEASE_SECONDS
from tests.crash.test_database_trouble import ENGINE, ENTITIES, assert_all_done, begun, unready
from tests.crash.test_full_disk import nothing_starts
from tests.support.daemon import Plan, daemon_process
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

from backfilld.embedded import EmbeddedPostgres

MOST = 30  # connections of the server; a daemon has at most 18
TOO_FEW = 3  # a daemon needs five: for requests, work, outcomes, leases, and to listen
REQUESTS = 10  # connections for requests
CALLERS = 3 * REQUESTS
FULL = "the database has no connection left for this daemon"


@pytest.fixture
async def server(scratch):
    settings = {"max_connections": str(MOST), "superuser_reserved_connections": "0"}
    server = EmbeddedPostgres(scratch / "postgres", durable=False, settings=settings)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def admin(server):
    """Is there before anybody else. `worker` and `keeper` are no superusers: how many sessions they have is limited."""
    connection = await asyncpg.connect(server.dsn)
    await connection.execute("CREATE ROLE worker LOGIN; CREATE ROLE keeper LOGIN IN ROLE worker")
    await connection.execute("ALTER ROLE keeper SET role = worker; GRANT ALL ON SCHEMA public TO worker")
    yield connection
    await connection.close()


def dsn_of(server, role):
    return urlunsplit(urlsplit(server.dsn)._replace(netloc=f"{role}@"))


@pytest.fixture
async def external(scratch, target, server, admin):
    async with daemon_process(scratch / "daemon", Plan(target.url, dsn_of(server, "worker"), ENGINE)) as daemon:
        yield daemon


@contextlib.asynccontextmanager
async def crowd(server):
    """Others hold every connection that there is."""
    others = []
    try:
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                others.append(await asyncpg.connect(server.dsn))
        yield
    finally:
        for other in others:
            await other.close()


@contextlib.asynccontextmanager
async def limited(admin, role, most):
    """It may have so many connections, and those that it has are gone."""
    await admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT {most}")
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)
    try:
        yield
    finally:
        await admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")


async def answer_to(daemon, path):
    """Status, after how many seconds to ask again, and what it says."""
    headers = {"Authorization": f"Bearer {daemon.api_key}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(daemon.url + path) as answer:
        return answer.status, answer.headers.get("Retry-After"), await answer.text()


@pytest.mark.slow
async def test_a_server_without_a_free_connection_is_waited_for_at_start(external, server, target):
    target.script = lambda _: Reply(seconds=0.01)
    await external.make_key()
    async with crowd(server):
        await external.launch()
        await external.serving()
        status, document = await external.get("/readyz")
        refused, retry_after, said = await answer_to(external, "/public-api/backfills")
        alive, _ = await external.get("/healthz")
        told = await eventually(lambda: external.events("not ready"))
    await external.becomes_ready()
    await external.upload(ENTITIES)
    id = await external.create()

    assert (503, 200) == (status, alive)
    assert "has no connection left for us: sorry, too many clients already" in str(document)
    assert (503, "2", True) == (refused, retry_after, FULL in said)
    assert "too many clients already" in told[0]["why"]
    await assert_all_done(external, target, server.dsn, id, most_repeats=0)


@pytest.mark.slow
@pytest.mark.parametrize("most", [0, pytest.param(TOO_FEW, marks=pytest.mark.slow)])
async def test_a_role_without_connections_in_the_middle_is_waited_for(external, server, admin, target, most):
    id = await begun(external, target)
    target.script = lambda _: Reply(seconds=0.1)  # some shall be left by the time that it is noticed
    async with limited(admin, "worker", most):
        await eventually(lambda: unready(external))
        started = await nothing_starts(target)
        await asyncio.sleep(LONGER_THAN_A_LEASE_SECONDS)
        status, _ = await external.get("/readyz")
        answered, retry_after, said = await answer_to(external, f"/public-api/backfills/{id}")
        started_later = len(target.calls) - started
    await external.becomes_ready()

    assert (503, True) == (status, FULL in said)
    assert (503, "2") == (answered, retry_after) or most  # or there is a connection to tell it by
    assert started < 800
    assert 0 == started_later
    await assert_all_done(external, target, server.dsn, id, most_repeats=0)


@pytest.mark.slow
async def test_nothing_starts_under_a_lease_that_cannot_be_renewed(external, server, admin, target):
    external.plan.database = {"pooled": True, "direct_dsn": dsn_of(server, "keeper")}  # by which leases are renewed
    external.configure(external.plan)
    id = await begun(external, target)
    target.script = lambda _: Reply(seconds=0.1)  # some shall be left by the time that the lease is not safe any more
    async with limited(admin, "keeper", 0):
        status, document = await eventually(lambda: unready(external))
        started = await nothing_starts(target)
        reason = (await external.backfill(id))["status_reason"]
        told = await eventually(lambda: external.events("database lost"))
    await external.becomes_ready()

    assert (503, True) == (status, "does not renew our leases: TooManyConnectionsError" in str(document))
    assert ("waiting_for_capacity", f"The right to run it cannot be renewed: {FULL}.") == (
        reason["code"], reason["message"],
    )  # fmt: skip
    assert told
    assert started < 800
    await assert_all_done(external, target, server.dsn, id, most_repeats=0)


@pytest.mark.slow
async def test_more_callers_than_connections_are_not_left_waiting(external, server, admin, target):
    id = await begun(external, target)
    async with admin.transaction():
        await admin.execute("LOCK TABLE backfills IN ACCESS EXCLUSIVE MODE")
        asking = [asyncio.create_task(answer_to(external, f"/public-api/backfills/{id}")) for _ in range(CALLERS)]
        status, document = await eventually(lambda: unready(external))
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*asking)
    await external.becomes_ready()

    assert {(503, "2")} == {answer[:2] for answer in answers}
    assert any(f"all {REQUESTS} connections of this daemon are in use" in said for *_, said in answers)
    assert (503, True) == (status, f"all {REQUESTS} connections for requests are in use" in str(document))
    await assert_all_done(external, target, server.dsn, id, most_repeats=0)
