"""A schema is one of those that were tested: whole files, in order, once, by one process at a time."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from backfilld.store.connection.pool import connect
from backfilld.store.migrate import MigrationRefused, migrate, pending, read

TABLE = "CREATE TABLE things (id integer PRIMARY KEY);"
INDEXES = """\
-- Concurrently: writers go on meanwhile.
DROP INDEX CONCURRENTLY IF EXISTS things_by_name;
CREATE INDEX CONCURRENTLY things_by_name ON things (name);
"""


@pytest.fixture
def directory(tmp_path) -> Path:
    """Three migrations, the last of which runs outside a transaction."""
    (tmp_path / "0001_things.sql").write_text(TABLE)
    (tmp_path / "0002_names.sql").write_text("ALTER TABLE things ADD name text;")
    (tmp_path / "0003_index.notx.sql").write_text(INDEXES)
    (tmp_path / "README.md").write_text("not a migration")
    return tmp_path


async def fetch(dsn: str, statement: str):
    connection = await connect(dsn)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def test_migrations_are_applied_in_order_and_once(empty_dsn, directory):
    first = await migrate(empty_dsn, directory)
    second = await migrate(empty_dsn, directory)

    assert ["0001_things", "0002_names", "0003_index"] == [str(migration) for migration in first]
    assert [] == second
    assert 1 == len(await fetch(empty_dsn, "SELECT FROM pg_indexes WHERE indexname = 'things_by_name'"))


async def test_it_is_written_down_what_was_applied_and_when(empty_dsn, directory, clock):
    await migrate(empty_dsn, directory, clock)
    rows = await fetch(empty_dsn, "SELECT * FROM schema_migration ORDER BY number")

    assert [1, 2, 3] == [row["number"] for row in rows]
    assert [migration.sha256 for migration in read(directory)] == [row["sha256"] for row in rows]
    assert {clock.now()} == {row["applied_at"] for row in rows}


async def test_pending_tells_what_would_be_done_and_does_nothing(empty_dsn, directory):
    assert 3 == len(await pending(empty_dsn, directory))

    await migrate(empty_dsn, directory)
    (directory / "0004_more.sql").write_text("CREATE TABLE more ();")

    assert ["0004_more"] == [str(migration) for migration in await pending(empty_dsn, directory)]


async def test_of_four_processes_at_once_one_does_the_work(empty_dsn, directory):
    done = await asyncio.gather(*(migrate(empty_dsn, directory) for _ in range(4)))

    assert [0, 0, 0, 3] == sorted(len(applied) for applied in done)


async def test_a_gap_in_the_numbers_is_refused(empty_dsn, directory):
    (directory / "0005_late.sql").write_text("SELECT 1;")

    with pytest.raises(MigrationRefused, match="0005_late stands where number 0004 was expected"):
        await migrate(empty_dsn, directory)


async def test_two_files_of_one_number_are_refused(empty_dsn, directory):
    (directory / "0003_other.sql").write_text("SELECT 1;")

    with pytest.raises(MigrationRefused, match="expected"):
        await migrate(empty_dsn, directory)


async def test_a_misnamed_file_is_refused(directory):
    (directory / "4_late.sql").write_text("SELECT 1;")

    with pytest.raises(MigrationRefused, match="not named like"):
        read(directory)


async def test_an_edited_file_is_refused(empty_dsn, directory):
    await migrate(empty_dsn, directory)
    (directory / "0002_names.sql").write_text("ALTER TABLE things ADD name varchar;")

    with pytest.raises(MigrationRefused, match="0002_names was edited"):
        await migrate(empty_dsn, directory)
    with pytest.raises(MigrationRefused, match="0002_names was edited"):
        await pending(empty_dsn, directory)


async def test_a_database_that_is_newer_than_the_program_is_refused(empty_dsn, directory):
    await migrate(empty_dsn, directory)
    (directory / "0003_index.notx.sql").unlink()

    with pytest.raises(MigrationRefused, match="newer than this program: it has migration 0003_index"):
        await migrate(empty_dsn, directory)


async def test_a_migration_that_fails_leaves_no_trace_and_names_itself(empty_dsn, directory):
    (directory / "0002_names.sql").write_text("ALTER TABLE things ADD name text; SELECT nonsense;")

    with pytest.raises(asyncpg.UndefinedColumnError) as caught:
        await migrate(empty_dsn, directory)

    assert ["while applying migration 0002_names"] == caught.value.__notes__
    assert ["id"] == [row[0] for row in await fetch(empty_dsn, "SELECT attname FROM pg_attribute"
        " WHERE attrelid = 'things'::regclass AND attnum > 0")]  # fmt: skip


async def test_a_failed_migration_lets_the_next_process_try(empty_dsn, directory):
    (directory / "0002_names.sql").write_text("SELECT nonsense;")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await migrate(empty_dsn, directory)
    (directory / "0002_names.sql").write_text("ALTER TABLE things ADD name text;")

    assert ["0002_names", "0003_index"] == [str(migration) for migration in await migrate(empty_dsn, directory)]


async def test_the_migrations_of_the_program_are_all_applied_to_the_database_of_a_test(dsn):
    assert [] == await pending(dsn)
    assert read()
