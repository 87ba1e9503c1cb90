"""The daemon's database, for the commands that go to it directly.

They work beside a running daemon, and before there is one. Each says on stderr which database it means, because a
key made in the wrong one is a key that nobody accepts.
"""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backfilld.cli.output import exit_codes
from backfilld.cli.output.error_output import Failure

if TYPE_CHECKING:
    from backfilld.config import Settings
    from backfilld.store.connection.address import Address
    from backfilld.store.connection.pool import Pool


@asynccontextmanager
async def database_of(settings: "Settings", *, quiet: bool = False) -> "AsyncIterator[Address]":
    """The database that a daemon with these settings uses, without a pooler in between if there is such a way.

    An embedded one is running meanwhile.
    """
    from backfilld.store.connection.address import Address

    if not settings.database.is_embedded:
        address = settings.database.read_direct_address() or settings.database.read_address()
        _name(address.name, quiet)
        await _reach(address)
        yield address
        return
    from backfilld.embedded import database_for_command

    _leave_stdout_alone()
    _name(f"embedded, in {settings.state.postgres}", quiet)
    async with database_for_command(settings.state.postgres) as dsn:
        yield Address(dsn, settings.database.schema_name)


@asynccontextmanager
async def migrated_pool(
    config: Path | None, environ: Mapping[str, str] | None = None, *, quiet: bool = False
) -> "AsyncIterator[tuple[Settings, Pool]]":
    """Connections to the database, its schema up to date. Failure if it is not, and the settings forbid to migrate."""
    from backfilld.config import load_settings
    from backfilld.store.connection.pool import open_pool
    from backfilld.store.migrate import migrate, pending

    settings = load_settings(config, environ)
    async with database_of(settings, quiet=quiet) as address:
        if settings.database.migrate_on_start:
            await migrate(address)
        elif waiting := await pending(address):
            names = ", ".join(str(migration) for migration in waiting)
            raise Failure(f"the database lacks {names}: run `backfilld migrate` first", exit_code=exit_codes.CONFLICT)
        pool = await open_pool(address, size=2)
        try:
            yield settings, pool
        finally:
            await pool.close()


async def _reach(address: "Address") -> None:
    """Find out now, and not in the middle, whether the database answers."""
    from backfilld.store.connection.connect_errors import refusal_of
    from backfilld.store.connection.pool import PASSING, connect

    try:
        connection = await connect(address)
    except Exception as problem:
        if (refusal := refusal_of(problem, address)) is not None:
            raise refusal from problem
        if not isinstance(problem, PASSING):
            raise
        why = str(problem) or type(problem).__name__
        message = f"the database does not answer: {why}"
        raise Failure(message, exit_code=exit_codes.UNAVAILABLE, code="unavailable") from problem
    await connection.close()


def _leave_stdout_alone() -> None:
    """stdout belongs to the result of the command; and what an embedded server warns of is the daemon's to tell."""
    import logging

    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _name(database: str, quiet: bool) -> None:
    if not quiet:
        click.echo(f"database: {database}", err=True)
