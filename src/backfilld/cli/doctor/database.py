"""The database: whether it answers, what kind of one it is, and whether its schema is that of this version."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import click

from backfilld.cli.admin.database import database_of
from backfilld.cli.doctor.findings import Finding, ok, problem, warning
from backfilld.cli.doctor.machine import compared
from backfilld.cli.output.error_output import Failure
from backfilld.clock import SystemClock
from backfilld.config import Settings
from backfilld.domain.errors import BackfilldError
from backfilld.embedded.directory import Directory
from backfilld.embedded.errors import EmbeddedError
from backfilld.store.admin.system import SystemStore
from backfilld.store.connection.address import Address
from backfilld.store.connection.connect_errors import DatabaseRefused
from backfilld.store.connection.pool import Pool, open_pool
from backfilld.store.migrate import MigrationRefused, pending
from backfilld.store.preflight import look_over

KNOWN = (
    Failure,
    BackfilldError,
    EmbeddedError,
    DatabaseRefused,
    OSError,
    click.ClickException,
)  # they say it themselves


@dataclass(slots=True)
class Looked:
    """`pool`: for whoever has more to ask; None: there is none to ask, or its schema is another."""

    findings: list[Finding] = field(default_factory=list)
    pool: Pool | None = None


@asynccontextmanager
async def looked_at(settings: Settings) -> AsyncIterator[Looked]:
    """An embedded database is started for it where no daemon runs, but never made."""
    looked = Looked()
    if settings.database.is_embedded and not Directory(settings.state.postgres).data.exists():
        looked.findings = [ok("database", "the embedded one, which the first `serve` makes")]
        yield looked
        return
    async with AsyncExitStack() as stack:
        try:
            looked.pool = await stack.enter_async_context(_opened(settings, looked))
        except Exception as fault:
            looked.findings.append(_unreachable(settings, fault))
        yield looked


@asynccontextmanager
async def _opened(settings: Settings, looked: Looked) -> AsyncIterator[Pool | None]:
    async with database_of(settings, quiet=True) as address:
        survey = await look_over(address)
        if not settings.database.is_embedded:
            looked.findings += [warning("database", told, "see docs/database.md") for told in survey.warnings]
        schema = await _schema(address)
        looked.findings += schema
        pool = await open_pool(address, size=2)
        try:
            looked.findings += await _figures(pool, address.name, embedded=settings.database.is_embedded)
            yield pool if all(one.state == "ok" for one in schema) else None
        finally:
            await pool.close()


async def _schema(address: Address) -> list[Finding]:
    try:
        waiting = await pending(address)
    except MigrationRefused as fault:
        do = "run the version that made it, or go on with `backfilld upgrade`"
        return [problem("schema", str(fault), do, vital=True)]
    if waiting:
        names = f"{len(waiting)} migrations are missing, from {waiting[0]}"
        return [warning("schema", names, "the next `serve` brings it up to date; `backfilld migrate` does it now")]
    return [ok("schema", "up to date")]


async def _figures(pool: Pool, name: str, *, embedded: bool) -> list[Finding]:
    clock = SystemClock()
    began = clock.monotonic()
    figures = await SystemStore(pool).figures()
    took = clock.monotonic() - began
    theirs: datetime = await pool.fetchval("SELECT clock_timestamp()")
    told = f"{name}: PostgreSQL {figures.version}, {figures.size_bytes / 1e6:,.0f} MB, answers in {took * 1000:.0f} ms"
    slow = warning("database", told, "it is slow to answer: the network, or its load")
    found = [slow if took > 0.25 else ok("database", told)]
    return found if embedded else [*found, compared("the database", theirs, clock.now())]


def _unreachable(settings: Settings, fault: Exception) -> Finding:
    known = isinstance(fault, KNOWN)
    told = str(getattr(fault, "message", fault)) or type(fault).__name__
    if settings.database.is_embedded:
        do = f"look at the log in {settings.state.postgres}; is the disk full, or the folder somebody else's?"
    else:
        do = "is it running, and are host, name, role and password in [database] right?"
    return problem("database", told if known else f"{type(fault).__name__}: {told}", do, vital=True)
