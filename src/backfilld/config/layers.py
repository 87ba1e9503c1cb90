"""Where settings are written: the file, then credentials, then the environment; the later ones win.

Each layer is read into one tree of plain values, which remembers where each value came from, so that a
fault can name the file, the credential or the variable.
"""

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from backfilld.config.faults import ConfigFault
from backfilld.config.toml_words import syntax_fault
from backfilld.config.tree import Path as KeyPath
from backfilld.config.tree import annotation_at, is_text, model_at
from backfilld.domain.errors import did_you_mean

PREFIX = "BACKFILLD_"
SEPARATOR = "__"
DSN = ("database", "dsn")
DSN_FILE = ("database", "dsn_file")


class Layers:
    """The settings as found so far: a tree, the origin of each value, and what could not be read."""

    def __init__(self, root: type[BaseModel]) -> None:
        self._root = root
        self.tree: dict[str, Any] = {}
        self.origins: dict[KeyPath, str] = {}
        self.faults: list[ConfigFault] = []
        self.text = ""  # of the file

    def read_defaults(self, environ: Mapping[str, str]) -> None:
        """The one default that depends on where we run: the state directory."""
        if given := environ.get("STATE_DIRECTORY"):
            self._put(("state", "directory"), given.split(":")[0], "STATE_DIRECTORY")
        elif given := environ.get("XDG_STATE_HOME"):
            self._put(("state", "directory"), f"{given}/backfilld", "XDG_STATE_HOME")

    def read_file(self, file: Path) -> None:
        try:
            self.text = file.read_text(encoding="utf-8-sig")
            found = tomllib.loads(self.text)
        except OSError as problem:
            self.faults.append(ConfigFault(str(file), "", f"cannot be read: {problem.strerror}"))
        except UnicodeDecodeError as problem:
            self.faults.append(ConfigFault(str(file), "", f"is not UTF-8 (at byte {problem.start}): save it as UTF-8"))
        except tomllib.TOMLDecodeError as problem:
            line, words = syntax_fault(self.text, problem)
            self.faults.append(ConfigFault(f"{file}:{line}", "", words))
        else:
            self._merge((), found, str(file))
            self._refuse_open_secrets(file, found)

    def _refuse_open_secrets(self, file: Path, found: Mapping[str, Any]) -> None:
        """A file with a secret in it is for nobody else's eyes."""
        secrets = found.get("secrets")
        if not isinstance(secrets, dict) or not file.stat().st_mode & stat.S_IROTH:
            return
        for name, secret in secrets.items():
            if isinstance(secret, dict) and "value" in secret:
                advice = f"everybody may read {file}: `chmod o-r {file}`, or keep the secret in a file of its own"
                self.faults.append(ConfigFault(str(file), f"secrets.{name}.value", advice))

    def read_credentials(self, environ: Mapping[str, str]) -> None:
        """A credential `section.key` is that setting, `dsn` is database.dsn, any other one a secret of its name."""
        folder = environ.get("CREDENTIALS_DIRECTORY")
        if not folder or not Path(folder).is_dir():
            return
        for file in sorted(Path(folder).iterdir()):
            origin = f"credential {file.name}"
            path = DSN if file.name == "dsn" else tuple(file.name.split("."))
            if len(path) == 1:
                self._put(("secrets", file.name), {"file": str(file)}, origin)
                continue
            if path[0] not in self._root.model_fields:
                continue  # somebody else's
            try:
                text = file.read_text(encoding="utf-8").removesuffix("\n")
            except (OSError, UnicodeDecodeError) as problem:
                self.faults.append(ConfigFault(origin, "", f"cannot be read: {problem}"))
                continue
            if path[0] == "secrets":
                self._put(("secrets", ".".join(path[1:])), {"value": text}, origin)
            else:
                self._put(path, self._value(path, text), origin)

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """`BACKFILLD_SECTION__KEY`; names that look like a setting without being one are faults."""
        for name, text in sorted(environ.items()):
            if not name.startswith(PREFIX):
                continue
            path = tuple(name.removeprefix(PREFIX).lower().split(SEPARATOR))
            if len(path) == 1:
                self._refuse_near_miss(name, path[0])
            elif path[0] not in self._root.model_fields:
                near = did_you_mean(path[0], self._root.model_fields)
                self.faults.append(ConfigFault(name, ".".join(path), f"unknown section{near}"))
            elif path[0] == "workflows":
                self.faults.append(ConfigFault(name, "", "workflows can be written in the file alone"))
            else:
                self._put(path, self._value(path, text), name)

    def _refuse_near_miss(self, name: str, words: str) -> None:
        """BACKFILLD_SERVER_PORT is no setting, but somebody believes that it is."""
        for section in self._root.model_fields:
            model = model_at(self._root, (section,))
            key = words.removeprefix(f"{section}_")
            if model is not None and key != words and key in model.model_fields:
                meant = f"{PREFIX}{section}{SEPARATOR}{key}".upper()
                self.faults.append(ConfigFault(name, "", f"is not a setting; did you mean {meant}?"))

    def _value(self, path: KeyPath, text: str) -> Any:
        """Text as it is where the setting is text; else as TOML would read it (numbers, true, lists)."""
        if is_text(annotation_at(self._root, path)):
            return text
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text

    def _merge(self, prefix: KeyPath, table: Mapping[str, Any], origin: str) -> None:
        self.origins[prefix] = origin
        for key, value in table.items():
            if isinstance(value, dict):
                self._put((*prefix, key), {}, origin, keep=True)
                self._merge((*prefix, key), value, origin)
            else:
                self._put((*prefix, key), value, origin)

    def _put(self, path: KeyPath, value: Any, origin: str, *, keep: bool = False) -> None:
        table = self.tree
        for part in path[:-1]:
            child = table.setdefault(str(part), {})
            if not isinstance(child, dict):  # a fault of a lower layer, found by validation
                return
            table = child
        last = str(path[-1])
        if not (keep and isinstance(table.get(last), dict)):
            table[last] = value
        self.origins[path] = origin
        if path in (DSN, DSN_FILE):  # a later layer's way to name the database replaces an earlier one's other way
            other = DSN_FILE if path == DSN else DSN
            if self.origins.get(other, origin) != origin:
                table.pop(other[-1], None)
