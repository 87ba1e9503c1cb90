"""`backfilld config …`: is this file all right, before a daemon finds out?"""

from pathlib import Path

import click

from backfilld.cli.options import config_option, json_option
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import print_json
from backfilld.cli.running import run


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
    warnings: list[str] = []
    try:
        settings = load_settings(config)
        warnings = cautions_of(settings, SystemClock().now())
        if connect:
            from backfilld.app.sources.check import source_faults

            faults = run(source_faults(settings))
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
