"""The upgrade and the way back with the embedded database: on the server that runs, or on one for the step."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest
from tests.cli.test_upgrade import AT, Machine
from tests.support.database import scratch_folder
from tests.support.embedded_copies import copy

from backfilld.cli.admin.upgrade.embedded import embedded_of
from backfilld.cli.output.error_output import Failure
from backfilld.embedded import EmbeddedPostgres
from backfilld.store.admin.stopping import stop_after_restore
from backfilld.store.connection.address import Address
from backfilld.store.migrate import migrate


@pytest.fixture(scope="module")
async def migrated():
    """The folder of a server that has run once."""
    with scratch_folder() as folder:
        server = EmbeddedPostgres(folder / "postgres", durable=False)
        await server.start()
        await migrate(Address(server.dsn))
        await server.stop()
        yield folder / "postgres"


@pytest.fixture
def folder(migrated):
    with scratch_folder() as folder:
        yield copy(migrated, folder / "postgres")


@pytest.fixture
async def server(folder):
    """The daemon's, while it runs."""
    server = EmbeddedPostgres(folder, durable=False)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def machine(tmp_path, server, folder, monkeypatch):
    made = Machine(tmp_path, server.dsn, server.dsn)
    made.upgrade = replace(made.upgrade, postgres=embedded_of(folder))
    monkeypatch.setenv("PATH", f"{made.bin}:/usr/bin:/bin")
    return made


def in_thread(call, *arguments):
    """The commands have an event loop of their own."""
    return asyncio.to_thread(call, *arguments)


async def test_it_is_dumped_and_put_back_beside_itself(machine, server):
    await in_thread(machine.upgrade.switch, "2.0")
    switched = machine.state
    await machine.migrate_to_the_next()
    await in_thread(machine.later().roll_back, stop_after_restore("a dump", AT))
    kept = await in_thread(machine.upgrade.postgres.replaced)
    tables = await machine.sql("SELECT to_regclass('later'), (SELECT stopped FROM stop_order)")
    await in_thread(machine.upgrade.postgres.drop, kept[0])

    assert ("2.0", "1.0") == switched
    assert ["backfilld-1.0-before-2.0-20270301T120000Z.dump"] == machine.files
    assert "1.0" == machine.state[0]
    assert [(None, True)] == tables
    assert ["postgres_replaced_20270301t120100z"] == kept
    assert [] == await in_thread(machine.upgrade.postgres.replaced)


async def test_a_step_starts_a_server_where_none_runs_and_leaves_none(machine, server, folder):
    await server.stop()
    size = await in_thread(machine.upgrade.room_needed)

    assert size > 1_000_000
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await asyncpg.connect(machine.dsn)
    assert not (folder / "pg/postmaster.pid").exists()


def test_another_major_version_is_refused_before_anything_is_touched(tmp_path):
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg/PG_VERSION").write_text("9\n")
    with pytest.raises(Failure, match=r"is of PostgreSQL 9, and this version brings 1\d: dump it with the old version"):
        embedded_of(tmp_path)
    with pytest.raises(Failure, match="there is no embedded database"):
        embedded_of(tmp_path / "elsewhere")
