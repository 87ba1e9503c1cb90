"""The daemon's database, for the commands that go to it directly.

They work beside a running daemon, and before there is one. Each says on stderr which database it means, because a
key made in the wrong one is a key that nobody accepts.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backfilld.cli import exit_codes
from backfilld.cli.failures import Failure

if TYPE_CHECKING:
    from backfilld.config import Settings
    from backfilld.store.pool import Pool


@asynccontextmanager
async def database_of(settings: "Settings") -> AsyncIterator[str]:
    """The DSN of the database that a daemon with these settings uses; an embedded one is running meanwhile."""
    if not settings.database.is_embedded:
        dsn = settings.database.read_dsn()
        click.echo(f"database: {_shown(dsn)}", err=True)
        yield dsn
        return
    from backfilld.embedded import database_for_command

    click.echo(f"database: embedded, in {settings.state.postgres}", err=True)
    async with database_for_command(settings.state.postgres) as dsn:
        yield dsn


@asynccontextmanager
async def migrated_pool(config: Path | None) -> "AsyncIterator[tuple[Settings, Pool]]":
    """Connections to the database, its schema up to date. Failure if it is not, and the settings forbid to migrate."""
    from backfilld.config import load_settings
    from backfilld.store.migrate import migrate, pending
    from backfilld.store.pool import open_pool

    settings = load_settings(config)
    async with database_of(settings) as dsn:
        if settings.database.migrate_on_start:
            await migrate(dsn)
        elif waiting := await pending(dsn):
            names = ", ".join(str(migration) for migration in waiting)
            raise Failure(f"the database lacks {names}: run `backfilld migrate` first", exit_code=exit_codes.CONFLICT)
        pool = await open_pool(dsn, size=2)
        try:
            yield settings, pool
        finally:
            await pool.close()


def _shown(dsn: str) -> str:
    """Host and database, without user and password."""
    from urllib.parse import urlsplit

    parts = urlsplit(dsn)
    return f"{parts.hostname or 'local socket'}{f':{parts.port}' if parts.port else ''}{parts.path}"
