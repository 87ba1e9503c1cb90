"""How the schema grows.

Numbered SQL files are applied in order, each once, by one process at a time. A released file never
changes: its checksum is stored, and an edited one is refused, as is a database that is newer than this
program. So a schema is always one of those that were tested.

`NNNN_what.sql` runs in one transaction. `NNNN_what.notx.sql` runs statement by statement outside of any
(for CREATE INDEX CONCURRENTLY); a statement ends with a `;` at the end of a line, and must bear being repeated.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg

from backfilld.clock import Clock, SystemClock
from backfilld.store.connection.address import Address, Located
from backfilld.store.connection.pool import Connection, connection_to

_FILE = re.compile(r"^(\d{4})_([a-z0-9_]+?)(\.notx)?\.sql$")
LOCK = 0x6261_636B_6669_6C6C  # "backfill"; any number will do, as long as it stays the same
PAUSE_SECONDS = 0.1
PATIENT = {"statement_timeout": "0", "lock_timeout": "30s"}


class MigrationRefused(Exception):
    """The files and the database do not fit together; the message says how, and what to do."""


class MayNotMigrate(MigrationRefused):
    """The role has not the rights; its owner can give them, or migrate in our place."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    sql: str
    in_transaction: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"


def read(directory: Traversable | None = None) -> list[Migration]:
    """All migrations of `directory` (default: those of the program), in order; MigrationRefused for a gap."""
    return _read(directory) if directory else list(_ours())


@cache
def _ours() -> tuple[Migration, ...]:
    return tuple(_read(files("backfilld.store") / "migrations"))


def _read(directory: Traversable) -> list[Migration]:
    found = sorted((entry for entry in directory.iterdir() if entry.name.endswith(".sql")), key=lambda file: file.name)
    migrations = [_parse(file) for file in found]
    for expected, migration in enumerate(migrations, start=1):
        if migration.number != expected:
            raise MigrationRefused(f"migration {migration} stands where number {expected:04d} was expected")
    return migrations


def _parse(file: Traversable) -> Migration:
    match = _FILE.match(file.name)
    if match is None:
        raise MigrationRefused(f"{file.name} is not named like NNNN_what.sql or NNNN_what.notx.sql")
    return Migration(int(match[1]), match[2], file.read_text(encoding="utf-8"), in_transaction=match[3] is None)


async def migrate(
    database: Located | Connection, directory: Traversable | None = None, clock: Clock | None = None
) -> list[Migration]:
    """Bring `database` (its address, or a connection) up to date and return what was applied, which may be nothing.

    Waits for another process that is doing the same. MigrationRefused before anything is changed.
    """
    clock = clock or SystemClock()
    migrations = read(directory)
    schema = database.schema if isinstance(database, Address) else None
    try:
        async with connection_to(database, **PATIENT) as connection, _alone(connection, clock):
            todo = await _pending(connection, migrations)
            if todo:
                await _make_room(connection, schema)
            for migration in todo:
                await _apply(connection, migration, clock)
    except asyncpg.InsufficientPrivilegeError as problem:
        raise MayNotMigrate(
            f"{problem}: this role may not change the schema; let its owner run `backfilld migrate`, and set"
            " [database] migrate_on_start = false (docs/database.md)"
        ) from problem
    return todo


def tables() -> list[str]:
    """The tables that the migrations make."""
    return [name for migration in read() for name in re.findall(r"^CREATE TABLE (\w+)", migration.sql, re.MULTILINE)]


async def grant(database: Located, role: str) -> None:
    """Give `role` what a daemon needs that changes no schema; asked by the owner, after every migration."""
    async with connection_to(database, **PATIENT) as connection, connection.transaction():
        name = await connection.fetchval("SELECT quote_ident($1)", role)
        schema = await connection.fetchval("SELECT quote_ident(current_schema())")
        for statement in _GRANTS:
            await connection.execute(statement.format(schema=schema, role=name))


_GRANTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
)


async def _make_room(connection: Connection, schema: str | None) -> None:
    """The schema, if one is configured and missing; and the table that remembers what was applied."""
    if schema is not None and await connection.fetchval("SELECT to_regnamespace($1) IS NULL", schema):
        await connection.execute(f'CREATE SCHEMA "{schema}"')
    await connection.execute(_TABLE)


async def pending(database: Located | Connection, directory: Traversable | None = None) -> list[Migration]:
    """What `migrate` would apply now. Changes nothing; MigrationRefused as there."""
    async with connection_to(database, **PATIENT) as connection:
        return await _pending(connection, read(directory))


_TABLE = """
-- name: create_schema_migration
CREATE TABLE IF NOT EXISTS schema_migration (
    number     integer PRIMARY KEY CHECK (number > 0),
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL
)"""


@asynccontextmanager
async def _alone(connection: Connection, clock: Clock) -> AsyncIterator[None]:
    # Not the blocking pg_advisory_lock: its waiters hold a snapshot, CREATE INDEX CONCURRENTLY waits for
    # snapshots, and PostgreSQL calls that a deadlock and ends the waiters.
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
        await clock.sleep(PAUSE_SECONDS)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.fetchval("SELECT pg_advisory_unlock($1)", LOCK)


async def _pending(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    await _refuse_other_encodings(connection)
    exists = await connection.fetchval("SELECT to_regclass('schema_migration') IS NOT NULL")
    rows = await connection.fetch("SELECT number, name, sha256 FROM schema_migration ORDER BY number") if exists else []
    for expected, row in enumerate(rows, start=1):
        if row["number"] != expected:
            raise MigrationRefused(f"the database lacks migration {expected:04d}, though later ones are applied")
        if expected > len(migrations):
            raise MigrationRefused(
                f"the database is newer than this program: it has migration {expected:04d}_{row['name']}, the program"
                f" knows {len(migrations)}; run the newer program, or restore a backup from before its first start"
            )
        if row["sha256"] != migrations[expected - 1].sha256:
            raise MigrationRefused(
                f"migration {migrations[expected - 1]} was edited after it had been applied;"
                " restore the file, and put the change into a new migration"
            )
    return list(migrations[len(rows) :])


async def _refuse_other_encodings(connection: Connection) -> None:
    """What another encoding cannot hold would be refused later, record by record."""
    row = await connection.fetchrow(_DATABASE)
    if row is not None and row["encoding"] != "UTF8":
        raise MigrationRefused(
            f"the database {row['name']} is in {row['encoding']}, which holds some characters only; make one that holds"
            f" all of them: CREATE DATABASE {row['quoted']} OWNER {row['owner']} TEMPLATE template0 ENCODING 'UTF8'"
            " LOCALE 'C.UTF-8' (under another name, or once this one is renamed), and move the data by pg_dump"
        )


_DATABASE = """
-- name: find_encoding
SELECT datname AS name,
       pg_encoding_to_char(encoding) AS encoding,
       quote_ident(datname) AS quoted,
       quote_ident(pg_get_userbyid(datdba)) AS owner
  FROM pg_database
 WHERE datname = current_database()"""


async def _apply(connection: Connection, migration: Migration, clock: Clock) -> None:
    row = (migration.number, migration.name, migration.sha256, clock.now())
    try:
        if migration.in_transaction:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(_APPLIED, *row)
        else:
            for statement in _statements(migration.sql):
                await connection.execute(statement)
            await connection.execute(_APPLIED, *row)
    except asyncpg.PostgresError as problem:
        problem.add_note(f"while applying migration {migration}")
        raise


_APPLIED = """
-- name: record_migration
INSERT INTO schema_migration (number, name, sha256, applied_at)
VALUES ($1, $2, $3, $4)"""


def _statements(sql: str) -> list[str]:
    pieces = re.split(r";[ \t]*$", sql, flags=re.MULTILINE)
    return [piece.strip() for piece in pieces if re.sub(r"--.*", "", piece).strip()]
