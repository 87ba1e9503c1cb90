"""`backfilld upgrade …`: to the version whose program is called, and back to the one before."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from backfilld.cli.output.error_output import Failure

if TYPE_CHECKING:
    from backfilld.cli.admin.upgrade.postgres import Postgres
    from backfilld.cli.admin.upgrade.steps import Upgrade
    from backfilld.config import Settings

DUMPS = Path("/var/backups")
Command = TypeVar("Command", bound=Callable[..., Any])


def _options(command: Command) -> Command:
    config = click.option(
        "--config",
        envvar="BACKFILLD_CONFIG",
        show_envvar=True,
        type=click.Path(dir_okay=False, path_type=Path),
        help="The daemon's configuration file. Left out: the one that the service's unit names.",
    )
    dumps = click.option(
        "--dumps",
        type=click.Path(file_okay=False, path_type=Path),
        default=DUMPS,
        show_default=True,
        help="Where dumps are.",
    )
    admin = click.option(
        "--admin-dsn-file",
        type=click.Path(dir_okay=False, exists=True, path_type=Path),
        help="A file with the DSN of somebody who may make databases; without it, root becomes the user `postgres`.",
    )
    return config(dumps(admin(command)))


@click.group("upgrade")
def group() -> None:
    """Go to the version whose program this is, and back to the one before. For root, on the VM."""


@group.command("check")
@_options
def check(config: Path | None, dumps: Path, admin_dsn_file: Path | None) -> None:
    """Say what `switch` would do, and whether anything stands in its way; changes nothing."""
    upgrade, settings = _prepared(config, dumps, admin_dsn_file)
    _look_ahead(upgrade, settings)
    click.echo("nothing stands in the way of `backfilld upgrade switch`")


@group.command("switch")
@_options
def switch(config: Path | None, dumps: Path, admin_dsn_file: Path | None) -> None:
    """Dump the database, let this version be the current one, and restart the service. Can be repeated."""
    upgrade, settings = _prepared(config, dumps, admin_dsn_file)
    _look_ahead(upgrade, settings)
    upgrade.switch(upgrade.installation.called)


@group.command("rollback")
@click.option("--paused", is_flag=True, help="In a restored database start nothing until `backfilld start-all`.")
@_options
def rollback(config: Path | None, dumps: Path, admin_dsn_file: Path | None, paused: bool) -> None:
    """Go back to the version before; where that does not know the database, with the dump. Can be repeated."""
    from backfilld.store.admin.stopping import stop_after_restore

    upgrade, _ = _prepared(config, dumps, admin_dsn_file)
    upgrade.roll_back(stop_after_restore("a dump, by `backfilld upgrade rollback`", upgrade.at) if paused else "")


@group.command("prune")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--databases", is_flag=True, help="Also the databases that rollbacks have put aside.")
@_options
def prune(config: Path | None, dumps: Path, admin_dsn_file: Path | None, dry_run: bool, databases: bool) -> None:
    """Remove the versions that are neither the current one nor the one before. Dumps stay."""
    from backfilld.cli.admin.upgrade.installation import Installation

    found = Installation.of(Path(sys.prefix))
    old = [name for name in found.versions() if name not in (found.current, found.previous, found.called)]
    for name in old:
        if not dry_run:
            found.remove(name)
        click.echo(f"{'would remove' if dry_run else 'removed'} {found.root / name}")
    kept: list[str] = []
    if databases:
        postgres = _prepared(config, dumps, admin_dsn_file)[0].postgres
        kept = postgres.replaced()
        for name in kept:
            if not dry_run:
                postgres.drop(name)
            click.echo(f"{'would drop' if dry_run else 'dropped'} the database {name}")
    if not old and not kept:
        click.echo("There is nothing to remove.")


def _prepared(config: Path | None, dumps: Path, admin_dsn_file: Path | None) -> "tuple[Upgrade, Settings]":
    from backfilld.cli.admin.upgrade.embedded import embedded_of
    from backfilld.cli.admin.upgrade.installation import Installation
    from backfilld.cli.admin.upgrade.postgres import postgres_of
    from backfilld.cli.admin.upgrade.service import Service
    from backfilld.cli.admin.upgrade.steps import Upgrade
    from backfilld.clock import SystemClock
    from backfilld.config import load_settings

    service = Service()
    settings = load_settings(config or service.config)
    if settings.database.is_embedded:
        postgres: Postgres = embedded_of(settings.state.postgres)
    else:
        address = settings.database.read_direct_address() or settings.database.read_address()
        admin_dsn = None if admin_dsn_file is None else admin_dsn_file.read_text(encoding="utf-8").strip()
        postgres = postgres_of(address.dsn, admin_dsn)
    upgrade = Upgrade(
        Installation.of(Path(sys.prefix)), service, postgres, dumps, settings.database.schema_name,
        SystemClock().now(), click.echo,
    )  # fmt: skip
    return upgrade, settings


def _look_ahead(upgrade: "Upgrade", settings: "Settings") -> None:
    """Failure for whatever can be known to fail; asks the database, and changes nothing."""
    from backfilld.cli.admin.database import database_of
    from backfilld.cli.running import run
    from backfilld.store.migrate import pending
    from backfilld.store.preflight import look_over

    async def look() -> list[str]:
        async with database_of(settings) as address:
            await look_over(address)
            return [str(migration) for migration in await pending(address)]

    found = upgrade.installation
    waiting = run(look())
    click.echo(f"from {found.current} to {found.called}; migrations: {', '.join(waiting) or 'none'}")
    if found.current == found.called:
        return
    if not upgrade.dumps.is_dir():
        raise Failure(f"{upgrade.dumps} is no folder: make it, or name another with --dumps")
    needed, free = upgrade.room_needed(), shutil.disk_usage(upgrade.dumps).free
    click.echo(f"a dump takes at most {needed / 1e6:,.0f} MB; {upgrade.dumps} has {free / 1e6:,.0f} MB free")
