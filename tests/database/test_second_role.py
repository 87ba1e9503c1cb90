"""The owner migrates, the daemon works: a real daemon under a role that owns nothing, in a schema of another."""

import asyncpg
import pytest
from tests.support.daemon import Plan, daemon_process
from tests.support.logging_target import Reply
from tests.support.waiting import eventually

from backfilld.clock import SystemClock
from backfilld.domain.access.callers import Actor
from backfilld.operations.keys import create_key
from backfilld.store.connection.address import Address
from backfilld.store.connection.pool import open_pool

pytestmark = pytest.mark.slow

ENTITIES = [f"T{number:03}" for number in range(60)]
SETTINGS = {"schema_name": "neo", "migrate_on_start": False}


@pytest.fixture
async def dsns(empty_dsn):
    """Of the owner of the schema, and of the daemon's role; everybody else's rights are taken away."""
    admin = await asyncpg.connect(empty_dsn)
    database = await admin.fetchval("SELECT current_database()")
    owner, app = f"owner_{database}", f"app_{database}"
    await admin.execute(f"CREATE ROLE {owner} LOGIN; CREATE ROLE {app} LOGIN; CREATE SCHEMA neo AUTHORIZATION {owner}")
    await admin.execute(f"REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    await admin.execute(f"GRANT CONNECT ON DATABASE {database} TO {owner}, {app}")
    await admin.execute(f"GRANT TEMPORARY ON DATABASE {database} TO {app}")
    yield [empty_dsn.replace("//backfilld@", f"//{name}@") for name in (owner, app)]
    for name in (owner, app):
        await admin.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
    await admin.close()


async def test_a_daemon_without_rights_waits_for_the_owner_and_then_does_everything(dsns, scratch, target):
    owner, app = dsns
    target.script = lambda _: Reply()
    async with daemon_process(scratch / "daemon", Plan(target.url, app, database=SETTINGS)) as daemon:
        await daemon.launch()
        await daemon.serving()
        waiting = await eventually(lambda: says(daemon, "backfilld migrate"))
        code, output, errors = await migrate_as(daemon, owner)
        await daemon.becomes_ready()
        await make_key(daemon, app)
        await daemon.upload(ENTITIES)
        id = await daemon.create()
        ended = await daemon.ends(id)
        rows = await asyncpg_fetchval(app, "SELECT count(*) FROM neo.outcomes")
        warned = [line["event"] for line in daemon.events() if line.get("level") == "warning"]

    assert "0001" in waiting
    assert 0 == code, errors
    assert "may work with it" in output
    assert "completed" == ended["status"]
    assert len(ENTITIES) == rows
    assert [] == [line for line in warned if "role" in line]


async def says(daemon, words: str) -> str:
    _, ready = await daemon.get("/readyz")
    message = (ready or {}).get("checks", {}).get("migrations", {}).get("message") or ""
    return message if words in message else ""


async def migrate_as(daemon, dsn: str) -> tuple[int, str, str]:
    role = dsn_role(daemon.plan.dsn)
    file = daemon.folder / "owner.toml"
    file.touch(mode=0o600)
    file.write_text(Plan(daemon.plan.target, dsn, database=SETTINGS).text(daemon.folder / "other-state"))
    return await daemon.run_command("migrate", "--grant-to", role, "--config", str(file))


def dsn_role(dsn: str) -> str:
    return dsn.split("//")[1].split("@")[0]


async def make_key(daemon, dsn: str) -> None:
    pool = await open_pool(Address(dsn, "neo"), size=1)
    daemon.api_key = (await create_key(pool, SystemClock(), name="test", role="admin", actor=Actor.local("test"))).key
    await pool.close()


async def asyncpg_fetchval(dsn: str, query: str):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
