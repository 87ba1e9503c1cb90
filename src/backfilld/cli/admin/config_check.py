"""`backfilld config …`: is this file all right, before a daemon finds out?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backfilld.cli.options import config_option, json_option
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import number, print_json
from backfilld.cli.running import run
from backfilld.domain.texts import many

if TYPE_CHECKING:
    from backfilld.app.sources.check import Checked


@click.group("config")
def group() -> None:
    """Check a configuration file."""


@group.command("check")
@json_option
@click.option("--connect", is_flag=True, help="Also ask every database and API that entities come from.")
@config_option
def check(config: Path | None, as_json: bool, connect: bool) -> None:
    """Read the configuration as the daemon would (file, credentials, environment) and list everything that is wrong.

    Warnings are what should not stay so, and change nothing: the exit code is 0 with them.
    """
    from backfilld.clock import SystemClock
    from backfilld.config import ConfigError, cautions_of, load_settings

    faults: list[str] = []
    warnings: Sequence[str] = ()
    checked: Sequence[Checked] = ()
    try:
        settings = load_settings(config)
        warnings = cautions_of(settings, SystemClock().now())
        if connect:
            from backfilld.app.sources.check import check_sources

            checked = run(check_sources(settings))
            faults = [one.fault for one in checked if one.fault is not None]
    except ConfigError as error:
        faults = [str(fault) for fault in error.faults]
    for warning in () if as_json else warnings:
        click.echo(f"Warning: {warning}", err=True)
    for one in () if as_json else checked:
        if one.fault is None:
            click.echo(f"entity_types.{one.entity_type}: {_found(one)}")
    if as_json:
        asked = [{"entity_type": one.entity_type, "count": one.count, "requests": one.requests} for one in checked]
        print_json({"ok": not faults, "faults": faults, "warnings": warnings, **({"asked": asked} if connect else {})})
    elif faults:
        for fault in faults:
            click.echo(fault, err=True)
    else:
        click.echo(f"{config or 'The configuration'} is all right.")
    if faults:
        raise click.exceptions.Exit(exit_codes.USAGE)


def _found(one: "Checked") -> str:
    """What was found of a type that answers."""
    count = "answers" if one.count is None else "1 entity" if one.count == 1 else f"{number(one.count)} entities"
    if one.requests is None:
        return count
    return f"{count}, {many(one.requests, 'request', 'requests')}"
