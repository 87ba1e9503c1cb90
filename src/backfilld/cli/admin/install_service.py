"""`backfilld install-service`: the systemd unit for this very installation.

The unit is written once, for the usual paths (`units/backfilld.service`). Only where the program lies, where its
configuration is and who it runs as differ between machines; those lines are exchanged, all others are the same
everywhere.
"""

import os
import re
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import click

from backfilld.cli.output.error_output import Failure

FOLDER = Path("/etc/systemd/system")
UNIT = "backfilld.service"
DROP_IN = f"{UNIT}.d/embedded.conf"
CONFIG = Path("/etc/backfilld/backfilld.toml")
HIDDEN = tuple(Path(folder) for folder in ("/home", "/root", "/run/user", "/tmp", "/var/tmp"))  # noqa: S108  # from it


@click.command("install-service")
@click.option("--print", "only_print", is_flag=True, help="Print it, and change nothing.")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=CONFIG,
    show_default=True,
    help="The daemon's configuration file.",
)
@click.option("--user", help="An existing user to run as. Left out: systemd makes one whenever the daemon runs.")
@click.option("--embedded", is_flag=True, help="For the embedded database: no DSN is asked for.")
@click.option("--force", is_flag=True, help="Write over units that are there already and differ.")
def command(only_print: bool, config: Path, user: str | None, embedded: bool, force: bool) -> None:
    """Write the systemd unit that runs this installation as a service."""
    executable = this_program(sys.argv[0], Path(sys.executable))
    units = rendered(executable, config.absolute(), user=user, embedded=embedded)
    for path in (executable, config.absolute()):
        if warning := hidden(path):
            click.echo(f"warning: {warning}", err=True)
    if only_print:
        click.echo("\n".join(units.values()), nl=False)
        return
    if not embedded and (FOLDER / DROP_IN).exists():
        click.echo(f"warning: {FOLDER / DROP_IN} still makes the database embedded: remove it", err=True)
    write(FOLDER, units, force=force)
    click.echo("next: systemctl daemon-reload && systemctl enable --now backfilld")


def rendered(executable: Path, config: Path, *, user: str | None = None, embedded: bool = False) -> dict[str, str]:
    """Text by path below /etc/systemd/system. One after the other they are a valid unit as well."""
    folder = files("backfilld.cli") / "units"
    text = (folder / UNIT).read_text(encoding="utf-8")
    # In a command's own path systemd leaves $ alone.
    program, file = _word(str(executable)), _word(str(config).replace("$", "$$"))
    text = _exchanged(text, "ExecStart=", f"ExecStart={program} serve --config {file}")
    text = _exchanged(text, "ExecReload=", f"ExecReload=+{program} config check --config {file}")
    if user is not None:
        text = _exchanged(text, "DynamicUser=", f"User={_user(user)}")
    units = {UNIT: text}
    if embedded:
        units[DROP_IN] = (folder / "embedded.conf").read_text(encoding="utf-8")
    return units


def this_program(called: str, python: Path) -> Path:
    """The command that was called, symbolic links as they are: `current/bin/backfilld` is to stay `current`."""
    path = Path(os.path.abspath(called))  # and not Path.resolve, which follows links
    if path.name == "backfilld" and os.access(path, os.X_OK):
        return path
    beside = python.absolute().with_name("backfilld")
    if os.access(beside, os.X_OK):
        return beside
    raise Failure(f"there is no command `backfilld` beside {python}: install the package, and call it from there")


def hidden(path: Path) -> str | None:
    """What is wrong with a path that the service will not see; None if nothing is."""
    for real in (path, path.resolve()):
        for folder in HIDDEN:
            if real.is_relative_to(folder):
                return f"the service does not see {real}: {folder} is closed to it. Use /opt and /etc instead"
    return None


def write(folder: Path, units: Mapping[str, str], *, force: bool) -> None:
    """All or, if something else is there already, nothing."""
    for name, text in units.items():
        file = folder / name
        if not force and file.exists() and file.read_text(encoding="utf-8") != text:
            raise Failure(f"{file} is there already and differs: see `--print`, or write over it with --force")
    for name, text in units.items():
        file = folder / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_name(f".{file.name}.new")
            fresh.write_text(text, encoding="utf-8")
            fresh.chmod(0o644)
            fresh.replace(file)
        except OSError as problem:
            raise Failure(f"{file} cannot be written: {problem.strerror}; as root it can, or use --print") from problem
        click.echo(f"wrote {file}")


def _exchanged(text: str, key: str, line: str) -> str:
    before, _, rest = text.partition(f"\n{key}")
    return f"{before}\n{line}\n{rest.partition(chr(10))[2]}"


def _word(text: str) -> str:
    """One word of a command line; systemd reads %, quotes and backslashes in it."""
    if not text.isprintable():
        raise Failure(f"{text!r} cannot stand in a unit")
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if re.fullmatch(r"[\w./@:+,%$=-]+", text) else f'"{text}"'


def _user(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,30}|[0-9]{1,10}", name):
        raise Failure(f"{name!r} is no name of a user")
    return name
