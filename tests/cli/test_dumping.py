"""`backfilld db`: the embedded database goes into a file and comes back whole, with nothing starting by itself."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import structlog
from tests.support.backfills import make_backfill
from tests.support.database import scratch_folder
from tests.support.embedded_copies import copy

from backfilld.embedded import database_for_command, dumps
from backfilld.store.admin.stopping import StopStore
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.pool import open_pool
from backfilld.store.migrate import migrate


@dataclass(frozen=True)
class Made:
    """What tests take copies of: two stopped servers, and a dump of the one that is filled."""

    empty: Path
    filled: Path
    dump: bytes


@pytest.fixture(scope="module")
async def made():
    with scratch_folder() as folder:
        empty, filled, dump = folder / "empty", folder / "filled", folder / "dump"
        async with database_for_command(empty):
            pass
        async with database_for_command(copy(empty, filled)) as dsn:
            await fill(dsn)
            await dumps.dump(dsn, dump)
        yield Made(empty, filled, dump.read_bytes())


@pytest.fixture
def folder():
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(autouse=True)
def logging_as_before():
    """A command quiets the server's log for the process that it is."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def at(folder, monkeypatch):
    """Makes commands use the state directory of that name; its postgres folder."""

    def use(name: str):
        monkeypatch.setenv("BACKFILLD_STATE__DIRECTORY", str(folder / name))
        return folder / name / "postgres"

    return use


async def fill(dsn: str) -> None:
    """With a backfill that is under way."""
    await migrate(dsn)
    pool = await open_pool(dsn, size=2)
    backfill = await make_backfill(pool)
    await LeaseStore(pool, instance="gone", process="1").acquire(backfill.number)
    await pool.close()


async def test_a_dump_comes_back_whole_and_nothing_starts_by_itself(backfilld, folder, at, made):
    """Into a folder that is not there yet."""
    dump = folder / "it's a backup.dump"
    copy(made.filled, at("old"))
    dumped = await backfilld("db", "dump", str(dump))
    place = at("new")
    restored = await backfilld("db", "restore", str(dump))
    async with database_for_command(place) as dsn:
        pool = await open_pool(dsn, size=2)
        backfills = await pool.fetchval("SELECT count(*) FROM backfills")
        order = await StopStore(pool).get()
        applied = await migrate(dsn)
        await pool.close()

    assert (0, 0) == (dumped.code, restored.code), dumped.err + restored.err
    assert "bytes" in dumped.out
    assert "start-all" in restored.out
    assert 0o600 == stat.S_IMODE(dump.stat().st_mode)
    assert [dump] == list(folder.glob("*.dump*"))
    assert (1, []) == (backfills, applied)
    assert (True, "backfilld db restore", "restored from it's a backup.dump") == (order.stopped, order.by, order.why)


async def test_what_is_there_is_not_overwritten(backfilld, folder, at, made):
    dump = folder / "backup.dump"
    dump.write_bytes(made.dump)
    place = copy(made.filled, at("old"))
    again = await backfilld("db", "restore", str(dump))
    async with database_for_command(place) as dsn:
        connection = await asyncpg.connect(dsn)
        stopped = await connection.fetchval("SELECT stopped FROM stop_order")
        await connection.close()

    assert 4 == again.code
    assert "not empty" in again.err
    assert not stopped


@pytest.mark.parametrize("damage", ["cut", "other"])
async def test_a_damaged_file_leaves_an_empty_database(backfilld, folder, at, made, damage):
    dump = folder / "backup.dump"
    dump.write_bytes(made.dump[: len(made.dump) * 2 // 3] if damage == "cut" else b"no dump at all" * 100)
    place = copy(made.empty, at("new"))
    refused = await backfilld("db", "restore", str(dump))
    async with database_for_command(place) as dsn:
        connection = await asyncpg.connect(dsn)
        tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        await connection.close()

    assert 7 == refused.code
    assert "pg_restore" in refused.err
    assert "Traceback" not in refused.err
    assert 0 == tables


async def test_a_dump_that_cannot_be_written_leaves_nothing(backfilld, folder, at, made):
    copy(made.empty, at("old"))
    ended = await backfilld("db", "dump", str(folder / "nowhere" / "backup.dump"))

    assert 1 == ended.code
    assert "nowhere" in ended.err


@pytest.mark.parametrize("command", ["dump", "restore"])
async def test_another_database_is_left_to_its_own_tools(backfilld, folder, monkeypatch, command):
    file = folder / "backup.dump"
    file.touch()
    monkeypatch.setenv("BACKFILLD_DATABASE__DSN", "postgresql://u@127.0.0.1:9/x")
    ended = await backfilld("db", command, str(file))

    assert 2 == ended.code
    assert f"pg_{command}" in ended.err


async def test_a_device_is_written_to_and_not_replaced(backfilld, folder, at, made):
    copy(made.filled, at("old"))
    ended = await backfilld("db", "dump", "/dev/full")

    assert 7 == ended.code
    assert "No space left" in ended.err
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


async def test_a_folder_that_is_missing_is_named(backfilld, folder, at, made):
    copy(made.filled, at("old"))
    ended = await backfilld("db", "dump", str(folder / "none/x.dump"))

    assert f"there is no folder: '{folder}/none'" in ended.err
