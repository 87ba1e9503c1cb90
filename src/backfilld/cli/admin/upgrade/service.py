"""The service, as systemd knows it: its unit, and how it is started again."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from backfilld.cli.admin.install_service import DROP_IN, FOLDER, UNIT
from backfilld.cli.admin.upgrade import programs

CONFIG = Path("/etc/backfilld/backfilld.toml")


@dataclass(frozen=True, slots=True)
class Service:
    """The unit in `folder`, and what of it an upgrade keeps."""

    folder: Path = FOLDER

    @property
    def config(self) -> Path:
        """The configuration that the unit names; the usual one without a unit."""
        words = shlex.split(self._line("ExecStart").replace("$$", "$").replace("%%", "%"))
        return Path(words[words.index("--config") + 1]) if "--config" in words[:-1] else CONFIG

    def write_unit(self, program: Path) -> None:
        """Write the unit of `program`'s version, with the configuration, user and database of the present one."""
        options = ["--force", "--config", str(self.config)]
        if user := self._line("User"):
            options += ["--user", user]
        if (self.folder / DROP_IN).exists():
            options.append("--embedded")
        programs.run([str(program), "install-service", *options])
        programs.run(["systemctl", "daemon-reload"])

    def restart(self) -> None:
        """Return when it is ready. Failure if it does not become so."""
        programs.run(["systemctl", "restart", UNIT])

    def stop(self) -> None:
        """Return when its process is gone."""
        programs.run(["systemctl", "stop", UNIT])

    def _line(self, key: str) -> str:
        file = self.folder / UNIT
        found = re.search(rf"^{key}=(.*)$", file.read_text(encoding="utf-8"), re.MULTILINE) if file.exists() else None
        return found[1] if found else ""
