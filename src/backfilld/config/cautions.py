"""What is no fault, and still should not stay so: certificates that run out, secrets that everybody may read."""

import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from backfilld.config.certificate_dates import Validity, validities_in
from backfilld.config.model import Settings

SOON = timedelta(days=14)
RENEW = "put the renewed one there, then SIGHUP (`systemctl reload backfilld`)"
SET_THE_CLOCK = "look at the clock of this machine, and at the certificate"


class Caution(str):
    """A line for people. `told`: what is so, `do`: what to do about it. `hurts`: already, and not only some day."""

    told: str
    do: str
    hurts: bool

    def __new__(cls, told: str, do: str, *, line: str | None = None, hurts: bool = False) -> "Caution":
        made = super().__new__(cls, told if line is None else line)
        made.told, made.do, made.hurts = told, do, hurts
        return made


def cautions_of(settings: Settings, now: datetime) -> list[Caution]:
    """A line each: the key, and what somebody should do before it hurts."""
    return [*_of_certificates(settings, now), *_of_open_files(settings)]


def _of_certificates(settings: Settings, now: datetime) -> Iterator[Caution]:
    file = settings.server.tls_certificate_file
    for number, validity in enumerate(validities_in(file) if file else (), start=1):
        what = "the certificate" if number == 1 else f"certificate {number} of its chain"
        if words := _dated(validity, now):
            has_begun, is_over = validity.begins <= now, validity.ends <= now
            told = f"server.tls_certificate_file: {what} in {file} {words}"
            yield Caution(told, RENEW if has_begun else SET_THE_CLOCK, hurts=is_over or not has_begun)
    trusted = settings.database.ca_file
    known = validities_in(trusted) if trusted else ()
    if known and all(validity.ends <= now for validity in known):
        latest = max(validity.ends for validity in known)
        told = f"database.ca_file: every certificate in {trusted} has expired, the last one on {_day(latest)}"
        yield Caution(told, "put that of the authority there which vouches for the database now", hurts=True)


def _dated(validity: Validity, now: datetime) -> str:
    if validity.ends <= now:
        return f"has expired on {_day(validity.ends)}: nobody who checks it connects"
    if validity.begins > now:
        return f"is not valid before {_day(validity.begins)}; does this machine's clock go right?"
    if validity.ends - now < SOON:
        return f"expires on {_day(validity.ends)}"
    return ""


def _day(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _of_open_files(settings: Settings) -> Iterator[Caution]:
    server = settings.server
    key = server.tls_key_file or server.tls_certificate_file
    kept: list[tuple[str, Path | None]] = [
        ("server.tls_key_file" if server.tls_key_file else "server.tls_certificate_file", key),
        ("database.dsn_file", settings.database.dsn_file),
        *((f"secrets.{name}.file", secret.file) for name, secret in settings.secrets.items()),
    ]
    for where, file in kept:
        if file is not None and _is_open(file):
            told, do = f"{where}: everybody on this machine may read {file}", f"chmod o-r {file}"
            yield Caution(told, do, line=f"{told}: `{do}`")


def _is_open(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False  # that it cannot be read is told as a fault
