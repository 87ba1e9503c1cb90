"""Where a person's commands go, and as whom: kept by `backfilld login` in a file that nobody else may read."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from backfilld.cli.output import exit_codes
from backfilld.cli.output.error_output import Failure

DEFAULT = "default"
VARIABLE = "BACKFILLD_PROFILE"
PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Profile:
    """A daemon, and who asks it. `api_key` "": nobody yet."""

    url: str
    api_key: str


def file() -> Path:
    """$XDG_CONFIG_HOME/backfilld/profiles.toml, or below ~/.config."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "backfilld" / "profiles.toml"


def present() -> Profile | None:
    """The one that $BACKFILLD_PROFILE names, else `default`; None if there is none. Failure for a file that is open
    to others, for one that cannot be read, and for a name that is not in it."""
    name = os.environ.get(VARIABLE) or DEFAULT
    found = _read().get(name)
    if found is None:
        if name != DEFAULT:
            raise Failure(
                f"{file()} has no profile {name!r}: `backfilld login --profile {name}`", exit_code=exit_codes.USAGE
            )
        return None
    return found


def names() -> list[str]:
    """Of all that are kept."""
    return sorted(_read())


def keep(name: str, profile: Profile) -> Path:
    """Write it down beside the others; the file appears whole, and with its mode."""
    kept = {**_read(), name: profile}
    place = file()
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = place.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="utf-8") as out:
        for known, one in sorted(kept.items()):
            out.write(f"[{_quoted(known)}]\nurl = {_quoted(one.url)}\napi_key = {_quoted(one.api_key)}\n")
    new.replace(place)
    return place


def forget(name: str) -> bool:
    """Take it out of the file; False if it was not there."""
    kept = dict(_read())
    if kept.pop(name, None) is None:
        return False
    file().unlink()
    for known, one in kept.items():
        keep(known, one)
    return True


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _read() -> Mapping[str, Profile]:
    place = file()
    try:
        with place.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o077:
                raise Failure(
                    f"others may read {place}, which holds keys: chmod 600 {place}", exit_code=exit_codes.USAGE
                )
            document = tomllib.load(opened)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise Failure(f"{place} cannot be read: {problem}", exit_code=exit_codes.USAGE) from problem
    return {
        name: Profile(str(one.get("url", "")), str(one.get("api_key", "")))
        for name, one in document.items()
        if isinstance(one, dict)
    }
