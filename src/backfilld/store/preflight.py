"""A look at the database before it is used: what kind of one it is, and what is missing that would hurt later.

A pooler that shares sessions, a role without a right, a connection in the clear: each of them works for a while and
fails at night. So they are found at start, and told.
"""

import asyncio
import ipaddress
from dataclasses import dataclass

import asyncpg

from backfilld.store.connection.address import Address
from backfilld.store.connection.connect_errors import POOLED, DatabaseRefused
from backfilld.store.connection.pool import SESSION, Connection, connect, connection_to
from backfilld.store.connection.queries import load
from backfilld.store.migrate import tables

OLDEST = 14
PATIENCE_SECONDS = 2.0

_sql = load("preflight")


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found."""

    version: int
    role: str
    is_superuser: bool
    schema: str | None
    encrypted: bool
    may_upload: bool
    address: Address

    @property
    def warnings(self) -> list[str]:
        """What works now and should not stay like this."""
        found = []
        if self.is_superuser:
            found.append(f"the role {self.role} is a superuser, and need not be (docs/database.md)")
        if not self.may_upload:
            found.append(
                f"the role {self.role} may not make temporary tables, so entities cannot be uploaded:"
                f" GRANT TEMPORARY ON DATABASE … TO {self.role}"
            )
        if not self.encrypted and not self.address.pooled and not _is_near(self.address):
            found.append("the connection to the database is not encrypted; [database] ca_file makes it so")
        return found


async def look_over(address: Address, connection: Connection | None = None) -> Preflight:
    """Look, by a `connection` if there is one already; DatabaseRefused for what cannot work at all."""
    async with connection_to(connection or address) as asked:
        return await _look_over(address, asked)


async def _look_over(address: Address, connection: Connection) -> Preflight:
    row = await connection.fetchrow(_sql.survey)
    assert row is not None  # noqa: S101 - it has no FROM that could be empty
    if row["version"] < OLDEST * 10_000:
        raise DatabaseRefused(
            f"{address.name} is PostgreSQL {row['version'] // 10_000}; {OLDEST} is the oldest that will do"
        )
    if row["is_standby"]:
        advice = "name the primary, or all of them in one DSN: postgresql://user@one:5432,other:5432/database"
        raise DatabaseRefused(f"{address.name} is a standby, which takes no changes: {advice}", may_pass=True)
    if not address.pooled and (
        row["statement_timeout"] != SESSION["statement_timeout"] or await _shares(connection, address)
    ):
        raise DatabaseRefused(f"{address.name} is a pooler that does not keep a session for us: {POOLED}")
    return Preflight(
        version=row["version"] // 10_000,
        role=row["role"],
        is_superuser=row["is_superuser"],
        schema=row["schema"],
        encrypted=row["encrypted"],
        may_upload=row["may_upload"],
        address=address,
    )


async def list_lacking(database: Address | Connection) -> list[str]:
    """The tables of ours that the role may not read and write; once the schema is there."""
    async with connection_to(database) as connection:
        rows = await connection.fetch(_sql.list_lacking, tables())
    return [row["relname"] for row in rows]


async def _shares(one: Connection, address: Address) -> bool:
    """True if a connection changes its session while another one is busy; only a pooler does that."""
    other = await connect(address)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            before = await one.fetchval("SELECT pg_backend_pid()")
            async with other.transaction():
                await other.fetchval("SELECT 1")
                return bool(before != await one.fetchval("SELECT pg_backend_pid()"))
    except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError):
        return True  # what was prepared in one session is looked for in another
    except TimeoutError:
        one.terminate()  # it may never say that the question was taken back
        return False
    finally:
        other.terminate()


def _is_near(address: Address) -> bool:
    return all(_is_here(host) for host in address.hosts)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
