"""`backfilld db …`: the embedded database as a file, and back; directly on the database, beside the daemon or without.

A restored backup does not know what happened after it was made: it would run that again. So nothing starts in a
restored database until somebody has looked at it.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backfilld.cli.admin.database import database_of
from backfilld.cli.options import config_option
from backfilld.cli.output import exit_codes
from backfilld.cli.output.error_output import Failure
from backfilld.cli.running import run
from backfilld.cli.whole import WholeGroup

if TYPE_CHECKING:
    from backfilld.config import Settings

STDOUT = "-"


@click.group("db", cls=WholeGroup)
def group() -> None:
    """Back the embedded database up, and restore it."""


@group.command("dump")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@config_option
def dump(file: Path, config: Path | None) -> None:
    """Write the embedded database to FILE (- is stdout), as of this instant; the daemon may run meanwhile."""
    from backfilld.embedded import dumps

    settings = _embedded(config, "pg_dump --format=custom")

    async def work() -> None:
        async with database_of(settings) as address:
            await dumps.dump(address.dsn, None if str(file) == STDOUT else file)

    run(work())
    if str(file) != STDOUT:
        click.echo(f"{file}: {os.stat(file).st_size:,} bytes")


@group.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
def restore(file: Path, config: Path | None) -> None:
    """Fill a new embedded database from FILE. Then nothing starts until `backfilld start-all`."""
    from backfilld.clock import SystemClock
    from backfilld.embedded import dumps
    from backfilld.store.admin.stopping import holds_anything, stop_after_restore
    from backfilld.store.connection.pool import connect

    settings = _embedded(config, "pg_restore")

    async def work() -> None:
        async with database_of(settings) as address:
            connection = await connect(address)
            try:
                if await holds_anything(connection):
                    raise Failure(
                        f"the database in {settings.state.postgres} is not empty; name a new [state] directory",
                        exit_code=exit_codes.CONFLICT,
                        code="not_empty",
                    )
            finally:
                await connection.close()
            order = stop_after_restore(file.name, SystemClock().now())
            await dumps.restore(address.dsn, file, then=order)

    run(work())
    click.echo("restored; nothing starts until `backfilld start-all`")


def _embedded(config: Path | None, instead: str) -> "Settings":
    from backfilld.config import load_settings

    settings = load_settings(config)
    if not settings.database.is_embedded:
        raise Failure(
            f"the database is not embedded: use `{instead}` with its DSN (docs/database.md)", exit_code=exit_codes.USAGE
        )
    return settings
