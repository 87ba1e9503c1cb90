"""What of the machine a daemon needs: a folder of its own, room on the disk, a right clock, zones, an address."""

import os
import pwd
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from backfilld import __version__
from backfilld.cli.doctor.findings import Finding, ok, problem, warning
from backfilld.config import Settings
from backfilld.domain.windows.timezones import tzdata_version

LEAST_BYTES, FEW_BYTES = 200_000_000, 2_000_000_000
OLD_MONTHS = 15  # zones change several times a year
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
SYSTEMD = Path("/run/systemd/system")
TIMESYNC = Path("/run/systemd/timesync")


def versions() -> Finding:
    """What is installed."""
    return ok("versions", f"backfilld {__version__}, Python {sys.version.split()[0]}")


def zones(now: datetime) -> Finding:
    """How old the rules of time zones are."""
    version = tzdata_version()
    year, _, number = version.partition(".")
    months = (now.year - int(year)) * 12 + now.month - min(12, 2 * int(number or 1)) if year.isdigit() else 0
    if months > OLD_MONTHS:
        return warning(
            "time zones",
            f"the rules are of {version}, more than a year old",
            "install a newer `tzdata` beside backfilld",
        )
    return ok("time zones", f"rules of {version}")


def state_folder(settings: Settings) -> Iterator[Finding]:
    """Whether the daemon may write where it keeps what it keeps, and nobody else."""
    folder = settings.state.directory
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if not os.access(above, os.W_OK | os.X_OK):
            yield problem(
                "state", f"{folder} is not there, and {above} lets nobody like you make it",
                f"sudo install -d -m 700 -o {_user()} {folder}", vital=True,
            )  # fmt: skip
        else:
            yield ok("state", f"{folder} is not there yet; `serve` makes it")
        return
    if not folder.is_dir():
        yield problem("state", f"{folder} is not a folder", "name another one as [state] directory", vital=True)
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield problem(
            "state", f"{folder} may not be written by {_user()}", f"sudo chown -R {_user()} {folder}", vital=True
        )
    elif (mode := stat.S_IMODE(folder.stat().st_mode)) & 0o077:
        yield warning("state", f"others may look into {folder} (mode {mode:o})", f"chmod 700 {folder}")
    else:
        yield ok("state", f"{folder}, for {_user()} alone")


def disk(settings: Settings) -> Finding:
    """Room where the state is kept, which the embedded database is part of."""
    folder = next(one for one in (settings.state.directory, *settings.state.directory.parents) if one.exists())
    free = shutil.disk_usage(folder).free
    told = f"{free / 1e9:.1f} GB free at {folder}"
    if free < LEAST_BYTES:
        return problem("disk", told, "make room: a full disk stops all work", vital=True)
    if free < FEW_BYTES and settings.database.is_embedded:
        return warning("disk", told, "make room: the embedded database grows there, by about 1 GB for 5 million items")
    return ok("disk", told)


def config_file(config: Path | None) -> Iterator[Finding]:
    """Who may read and change the file."""
    if config is None or not config.exists():
        return
    status = config.stat()
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o002:
        yield problem("file modes", f"everybody may change {config} (mode {mode:o})", f"chmod o-w {config}")
    elif mode & 0o020:
        yield warning("file modes", f"its group may change {config} (mode {mode:o})", f"chmod g-w {config}")
    else:
        yield ok("file modes", f"{config} has mode {mode:o}")


def clock() -> Finding:
    """Whether somebody keeps the clock right."""
    if not SYSTEMD.exists() or not TIMESYNC.exists():
        return ok("clock", "nobody here says whether it is kept right; see below how it compares")
    if SYNCHRONISED.exists():
        return ok("clock", "kept right by systemd-timesyncd")
    return warning("clock", "systemd-timesyncd has not reached a time server", "look at `timedatectl timesync-status`")


def compared(what: str, theirs: datetime, ours: datetime) -> Finding:
    """Our clock beside another."""
    apart = abs((ours - theirs).total_seconds())
    told = f"{apart:.1f} s apart from {what}'s"
    if apart >= 30:
        return problem("clock", told, "set the clock: windows and schedules go by it")
    if apart >= 2:
        return warning("clock", told, "let a time server keep both clocks")
    return ok("clock", told)


def address(settings: Settings, *, running: str) -> Finding:
    """Whether the daemon's address is free, or taken by the daemon itself."""
    server = settings.server
    if running:
        return ok("address", f"served by the daemon at {running}")
    if server.port == 0:
        return ok("address", f"any free port of {server.host}")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(place)
    except OSError as fault:
        return problem(
            "address", f"{server.host}:{server.port} cannot be used: {fault.strerror or fault}",
            "end what listens there (`ss -ltnp` names it), or name another [server] port", vital=True,
        )  # fmt: skip
    return ok("address", f"{server.host}:{server.port} is free")


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
