"""`backfilld config …`: is this file all right, before a daemon finds out?"""

from pathlib import Path

import click

from backfilld.cli.options import config_option, json_option
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import print_json


@click.group("config")
def group() -> None:
    """Check a configuration file."""


@group.command("check")
@json_option
@config_option
def check(config: Path | None, as_json: bool) -> None:
    """Read the configuration as the daemon would (file, credentials, environment) and list everything that is wrong.

    Warnings are what should not stay so, and change nothing: the exit code is 0 with them.
    """
    from backfilld.clock import SystemClock
    from backfilld.config import ConfigError, cautions_of, load_settings

    faults: list[str] = []
    warnings: list[str] = []
    try:
        warnings = cautions_of(load_settings(config), SystemClock().now())
    except ConfigError as error:
        faults = [str(fault) for fault in error.faults]
    for warning in () if as_json else warnings:
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        print_json({"ok": not faults, "faults": faults, "warnings": warnings})
    elif faults:
        for fault in faults:
            click.echo(fault, err=True)
    else:
        click.echo(f"{config or 'The configuration'} is all right.")
    if faults:
        raise click.exceptions.Exit(exit_codes.USAGE)
