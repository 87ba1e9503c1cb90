"""How a start ends, or does not: each trouble with whether somebody has to mend it here first."""

import socket
from collections.abc import AsyncIterator

import asyncpg
import pytest
import structlog
from tests.support.daemon import Plan, daemon_process
from tests.support.daemon_within import daemon_within
from tests.support.database import Databases, scratch_folder
from tests.support.waiting import eventually

from backfilld.app.process.cannot_work import in_vain, is_refused_for_now
from backfilld.store.admin.workflows import WorkflowStore
from backfilld.store.connection.connect_errors import DatabaseRefused
from backfilld.store.migrate import MayNotMigrate, MigrationRefused, migrate, pending

WORKFLOW = '[[workflows]]\nname = "a"\nexecutor = { type = "echo", message = "hello" }\n'
REFUSED, ENDS, BUG = "refused for now", "ends", "bug"


@pytest.mark.parametrize(
    ("problem", "what"),
    [
        (asyncpg.InvalidPasswordError("password authentication failed"), REFUSED),
        (asyncpg.InvalidAuthorizationSpecificationError("no pg_hba.conf entry"), REFUSED),
        (asyncpg.InvalidCatalogNameError('database "x" does not exist'), REFUSED),
        (asyncpg.InsufficientPrivilegeError("permission denied for table"), REFUSED),
        (asyncpg.ObjectNotInPrerequisiteStateError("is not currently accepting connections"), REFUSED),
        (MayNotMigrate("permission denied for schema public"), REFUSED),
        (DatabaseRefused("shows a certificate that is not accepted", may_pass=True), REFUSED),
        (DatabaseRefused("is a pooler that takes no settings"), ENDS),
        (MigrationRefused("the database is newer than this program"), ENDS),
        (asyncpg.DivisionByZeroError("division by zero"), ENDS),
        (asyncpg.exceptions.ClientConfigurationError("invalid DSN"), ENDS),
        (ValueError("ours"), BUG),
        (KeyError("ours"), BUG),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_trouble_of_a_start_is_waited_for_or_ends_it_or_is_a_bug(problem, what):
    found = REFUSED if is_refused_for_now(problem) else ENDS if in_vain(problem) else BUG

    assert what == found


@pytest.fixture
async def latin1(databases: Databases) -> AsyncIterator[str]:
    admin = await asyncpg.connect(databases.server.dsn)
    await admin.execute("CREATE DATABASE in_latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    yield databases.dsn_of("in_latin1")
    await admin.execute("DROP DATABASE in_latin1 WITH (FORCE)")
    await admin.close()


@pytest.mark.parametrize("ask", [migrate, pending])
async def test_a_database_that_cannot_hold_every_character_is_refused_with_the_one_that_can(latin1, ask):
    with pytest.raises(MigrationRefused, match=r"LATIN1.*CREATE DATABASE in_latin1 .* ENCODING 'UTF8'"):
        await ask(latin1)


@pytest.fixture
async def daemon():
    with scratch_folder() as folder:
        async with daemon_process(folder / "daemon", Plan("http://127.0.0.1:9", None)) as daemon:
            yield daemon


async def test_a_taken_port_ends_the_start_before_a_database_is_made(daemon):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        daemon.environment["BACKFILLD_SERVER__PORT"] = str(taken.getsockname()[1])
        await daemon.launch()
        code = await daemon.ended()

    assert 10 == code
    assert "[server] host and port: cannot listen on 127.0.0.1" in daemon.tail()
    assert "Traceback" not in daemon.tail()
    assert not (daemon.state / "postgres").exists()


async def test_a_state_directory_that_cannot_be_made_ends_the_start_and_is_named(daemon, tmp_path):
    (tmp_path / "file").write_text("")
    daemon.environment["BACKFILLD_STATE__DIRECTORY"] = str(tmp_path / "file/state")
    await daemon.launch()
    code = await daemon.ended()

    assert 10 == code
    assert f"[state] directory: {tmp_path}/file/state cannot be used" in daemon.tail()


async def test_a_database_that_is_missing_is_waited_for_and_found(daemon, databases):
    daemon.configure(Plan("http://127.0.0.1:9", databases.dsn_of("comes_later")))
    await daemon.launch()
    (told,) = await eventually(lambda: daemon.events("not ready"))
    admin = await asyncpg.connect(databases.server.dsn)
    await admin.execute("CREATE DATABASE comes_later")
    await daemon.becomes_ready()
    code = await daemon.stop()
    await admin.execute("DROP DATABASE comes_later WITH (FORCE)")
    await admin.close()

    assert 'refuses us: database "comes_later" does not exist' in told["why"]
    assert 0 == code


async def test_a_database_of_a_newer_version_ends_the_start(daemon, dsn):
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO schema_migration SELECT max(number) + 1, 'later', 'x', now() FROM schema_migration"
    )
    await connection.close()
    daemon.configure(Plan("http://127.0.0.1:9", dsn))
    await daemon.launch()
    code = await daemon.ended()

    assert 10 == code
    assert "the database is newer than this program" in daemon.tail()
    assert "Traceback" not in daemon.tail()


async def test_an_error_of_our_own_ends_the_reload_alone(dsn, tmp_path, monkeypatch):
    async def broken(*_):
        raise KeyError("ours")

    text = f'[server]\nport = 0\n[state]\ndirectory = "state"\n[database]\ndsn = "{dsn}"\n{WORKFLOW}'
    async with daemon_within(tmp_path, text) as daemon:
        connection = await asyncpg.connect(dsn)
        with monkeypatch.context() as patched, structlog.testing.capture_logs() as lines:
            patched.setattr(WorkflowStore, "list_managed_by_config", broken)
            daemon.reload()
            await eventually(lambda: lines)
        (tmp_path / "backfilld.toml").write_text(text + WORKFLOW.replace('"a"', '"b"'))
        daemon.reload()
        await eventually(lambda: connection.fetchval("SELECT count(*) FROM workflows WHERE name = 'b'"))
        await connection.close()

    assert [("configuration not reloaded", True)] == [(line["event"], line.get("exc_info")) for line in lines]
