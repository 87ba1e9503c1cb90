"""`backfilld doctor`: what is wrong here, and what to do about it, in one look."""

from collections.abc import Sequence
from pathlib import Path

import click

from backfilld.cli.doctor.findings import Finding, State, problem, unknown, worst
from backfilld.cli.options import config_option, json_option
from backfilld.cli.output import exit_codes
from backfilld.cli.output.printing import print_json, within
from backfilld.cli.running import run

MARKS: dict[State, tuple[str, str]] = {
    "ok": ("ok     ", "green"), "warning": ("warning", "yellow"), "problem": ("PROBLEM", "red"),
    "unknown": ("unknown", "yellow"),
}  # fmt: skip
WIDEST = 12
NAME_IT = "name the right file by --config or BACKFILLD_CONFIG"
REST = ("database", "disk", "state", "targets", "sources", "daemon")


@click.command("doctor")
@json_option
@config_option
def command(config: Path | None, as_json: bool) -> None:
    """Look at everything that a daemon needs, and say what is wrong and what to do about it.

    Configuration, file modes, state folder, disk, clock, time zones, database, address, daemon, targets, sources and
    versions. Run it as the user that the daemon runs as. Nothing is changed, and nothing is sent to a target.
    """
    findings = run(_look(config))
    if as_json:
        print_json({"ok": worst(findings) in ("ok", "warning"), "findings": [_plain(one) for one in findings]})
    else:
        for one in findings:
            _show(one)
    if code := exit_code(findings):
        raise click.exceptions.Exit(code)


def exit_code(findings: Sequence[Finding]) -> int:
    """0 with warnings, too; 10 where no daemon can work until somebody mends it, 1 for any other problem."""
    wrong = [one for one in findings if one.state == "problem"]
    if any(one.is_vital for one in wrong):
        return exit_codes.CANNOT_WORK
    return exit_codes.ERROR if wrong else exit_codes.OK


async def _look(config: Path | None) -> list[Finding]:
    from backfilld.cli.doctor import machine
    from backfilld.clock import SystemClock
    from backfilld.config import ConfigError, cautions_of, load_settings
    from backfilld.domain.windows.timezones import use_pinned_tzdata

    use_pinned_tzdata()
    now = SystemClock().now()
    found = [machine.versions(), machine.zones(now), machine.clock()]
    try:
        settings = load_settings(config)
    except ConfigError as error:
        found += [problem("config", str(fault), _mended(config), vital=True) for fault in error.faults]
        return [*found, *machine.config_file(config), *(unknown(name, "needs a configuration") for name in REST)]
    from backfilld.cli.doctor.surroundings import look_around

    cautions = cautions_of(settings, now)
    found += [Finding("config", "problem" if one.hurts else "warning", one.told, one.do) for one in cautions]
    found += [] if cautions else [Finding("config", "ok", f"{config or 'defaults and environment'}")]
    found += [*machine.config_file(config), *machine.state_folder(settings), machine.disk(settings)]
    return found + await look_around(settings)


def _mended(config: Path | None) -> str:
    """How a configuration with faults is."""
    return NAME_IT if config is not None and not config.exists() else "mend it, then `backfilld config check`"


def _plain(one: Finding) -> dict[str, object]:
    return {"what": one.what, "state": one.state, "found": one.told, "do": one.do}


def _show(one: Finding) -> None:
    mark, colour = MARKS[one.state]
    indent = len(mark) + WIDEST + 4
    first, *more = within(one.told, indent=indent)
    click.echo(f"{click.style(mark, fg=colour)}  {one.what.ljust(WIDEST)}  {first}")
    for line in [*more, *(within(f"-> {one.do}", indent=indent) if one.do else ())]:
        click.echo(" " * indent + line)
