"""A database that lets a running daemon in no more is waited for: closed, renamed, without its role or its rights."""

import asyncpg
import pytest
from tests.crash.test_database_trouble import ENGINE, assert_all_done, begun, unready
from tests.support.daemon import Plan, daemon_process
from tests.support.waiting import eventually

CLOSED, OPENED = "ALTER DATABASE {name} ALLOW_CONNECTIONS false", "ALTER DATABASE {name} ALLOW_CONNECTIONS true"
# How the role {role} is kept out of the database {name} by somebody else, and how it is let in again.
SHUT_OUT = {
    "closed": ([CLOSED], [OPENED]),
    "renamed": (
        [CLOSED, "{end}", "ALTER DATABASE {name} RENAME TO elsewhere"],
        ["ALTER DATABASE elsewhere RENAME TO {name}", OPENED],
    ),
    "without its role": (["ALTER ROLE {role} NOLOGIN"], ["ALTER ROLE {role} LOGIN"]),
}
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"


@pytest.fixture
async def admin(databases):
    connection = await asyncpg.connect(databases.server.dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def dsn(databases):
    """Of a database that nobody else is connected to, or it could not be renamed."""
    async with databases.database() as dsn:
        yield dsn


@pytest.mark.parametrize(
    "how", ["closed", *(pytest.param(how, marks=pytest.mark.slow) for how in SHUT_OUT if how != "closed")]
)
async def test_a_running_daemon_waits_until_it_is_let_in_again(scratch, target, dsn, admin, how):
    name = dsn.partition("?")[0].rsplit("/", 1)[1]
    words = {"name": f'"{name}"', "role": f"only_{name}"}
    words["end"] = END.format(**words)
    shut, opened = SHUT_OUT[how]
    await admin.execute("CREATE ROLE {role} LOGIN SUPERUSER".format(**words))
    plan = Plan(target.url, dsn.replace("//backfilld@", f"//{words['role']}@"), ENGINE)
    async with daemon_process(scratch / "daemon", plan) as daemon:
        id = await begun(daemon, target)
        pid = daemon.pid
        for sql in [*shut, "{end}"]:
            await admin.execute(sql.format(**words))
        status, _ = await eventually(lambda: unready(daemon))
        alive, _ = await daemon.get("/healthz")
        for sql in opened:
            await admin.execute(sql.format(**words))
        await daemon.becomes_ready()
        await assert_all_done(daemon, target, dsn, id, most_repeats=0)

        assert pid == daemon.pid
    assert (503, 200) == (status, alive)
