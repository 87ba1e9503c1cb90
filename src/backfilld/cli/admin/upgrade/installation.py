"""The folder with a virtual environment per version, the link `current` to the one that runs, and `previous`.

Each change is one rename, so whoever looks finds the state before or the state after.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from backfilld.cli.output.error_output import Failure

CURRENT, PREVIOUS = "current", "previous"


@dataclass(frozen=True, slots=True)
class Installation:
    """`root` (/opt/backfilld), and the version whose program was called."""

    root: Path
    called: str

    @classmethod
    def of(cls, prefix: Path) -> "Installation":
        """The installation that a virtual environment belongs to. Failure if it does not lie beside a `current`."""
        folder = prefix.resolve()
        found = cls(folder.parent, folder.name)
        if not (found.root / CURRENT).is_symlink():
            raise Failure(f"{folder} is not one of the versions beside a link `{CURRENT}` (docs/install.md)")
        return found

    @property
    def current(self) -> str:
        """The version that `current` leads to."""
        return (self.root / CURRENT).resolve().name

    @property
    def previous(self) -> str | None:
        """The version that ran before; None if none is noted."""
        file = self.root / PREVIOUS
        return (file.read_text(encoding="utf-8").strip() or None) if file.exists() else None

    def program(self, version: str) -> Path:
        """The command `backfilld` of a version."""
        return self.root / version / "bin/backfilld"

    def migrations(self, version: str) -> frozenset[str]:
        """The migrations that a version knows, as `0001_what`. Failure if it is not installed."""
        files = (self.root / version).glob("lib*/python3*/site-packages/backfilld/store/migrations/*.sql")
        names = frozenset(file.name.split(".", 1)[0] for file in files)
        if not names or not self.program(version).exists():
            raise Failure(f"version {version} is not installed in {self.root / version}")
        return names

    def versions(self) -> list[str]:
        """All that are installed."""
        return sorted(file.parent.name for file in self.root.glob("*/pyvenv.cfg") if not file.parent.is_symlink())

    def switch(self, version: str) -> None:
        """Let `current` lead to `version`, and note where it led before; nothing if it leads there."""
        before = self.current
        if before == version:
            return
        noted = self.root / f".{PREVIOUS}.new"
        noted.write_text(before + "\n", encoding="utf-8")
        noted.replace(self.root / PREVIOUS)
        self._link(version)

    def switch_back(self, version: str) -> None:
        """Let `current` lead to `version`; what is noted stays, so that this can be repeated."""
        if self.current != version:
            self._link(version)

    def remove(self, version: str) -> None:
        """Remove a version that neither runs nor ran before."""
        if version in (self.current, self.previous):
            raise Failure(f"{version} is in use")
        shutil.rmtree(self.root / version)

    def _link(self, version: str) -> None:
        link = self.root / f".{CURRENT}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(version)
        link.replace(self.root / CURRENT)
