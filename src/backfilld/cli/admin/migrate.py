"""`backfilld migrate`: the schema, apart from the daemon's start."""

from pathlib import Path

import click

from backfilld.cli.admin.database import database_of
from backfilld.cli.options import config_option, json_option
from backfilld.cli.output.error_output import Failure
from backfilld.cli.output.printing import print_json
from backfilld.cli.running import run


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
@click.option("--grant-to", metavar="ROLE", help="Then give the role of a daemon the rights that it needs.")
@json_option
@config_option
def command(config: Path | None, as_json: bool, dry_run: bool, grant_to: str | None) -> None:
    """Bring the database's schema up to date. Safe to repeat, and beside a running daemon.

    To do it as another role than the daemon's, name its DSN in BACKFILLD_DATABASE__DSN.
    """
    from backfilld.config import load_settings
    from backfilld.store.migrate import grant, migrate, pending

    settings = load_settings(config)

    async def work() -> list[str]:
        async with database_of(settings) as address:
            if address.pooled:
                raise Failure("migrations need a way around the pooler: set [database] direct_dsn", code="pooled")
            if dry_run:
                return [str(migration) for migration in await pending(address)]
            applied = await migrate(address)
            if grant_to is not None:
                await grant(address, grant_to)
            return [str(migration) for migration in applied]

    names = run(work())
    if as_json:
        print_json({"pending" if dry_run else "applied": names})
        return
    for name in names:
        click.echo(f"{'would apply' if dry_run else 'applied'} {name}")
    if not names:
        click.echo("The schema is up to date.")
    if grant_to is not None and not dry_run:
        click.echo(f"{grant_to} may work with it.")
