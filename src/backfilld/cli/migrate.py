"""`backfilld migrate`: the schema, apart from the daemon's start."""

from pathlib import Path

import click

from backfilld.cli.database import database_of
from backfilld.cli.options import config_option, json_option
from backfilld.cli.output import print_json
from backfilld.cli.running import run


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
@json_option
@config_option
def command(config: Path | None, as_json: bool, dry_run: bool) -> None:
    """Bring the database's schema up to date. Safe to repeat, and beside a running daemon."""
    from backfilld.config import load_settings
    from backfilld.store.migrate import migrate, pending

    settings = load_settings(config)

    async def work() -> list[str]:
        async with database_of(settings) as dsn:
            return [str(migration) for migration in await (pending(dsn) if dry_run else migrate(dsn))]

    names = run(work())
    if as_json:
        print_json({"pending" if dry_run else "applied": names})
        return
    for name in names:
        click.echo(f"{'would apply' if dry_run else 'applied'} {name}")
    if not names:
        click.echo("The schema is up to date.")
