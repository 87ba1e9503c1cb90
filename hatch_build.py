"""What is made while the package is built: manual pages, and what teaches shells to complete words of the program."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildHook(BuildHookInterface):
    """Puts them where man and the shells look below the prefix of an installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or version == "editable":
            return
        sys.path.insert(0, str(Path(self.root) / "src"))
        from backfilld.cli.manual.shared_files import shared_files

        self._made = TemporaryDirectory(prefix="backfilld-share-")  # there until the wheel is written
        for place, text in shared_files().items():
            file = Path(self._made.name) / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            build_data["shared_data"][str(file)] = f"share/{place}"
