"""Who this daemon is: one process per state directory, under a name that stays the same over restarts.

The name is written into leases. Because the directory is locked for as long as the process lives, a lease
that an earlier process of the same name left behind may be taken over at once.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from backfilld.domain.errors import Conflict


class StateDirectoryInUse(Conflict):
    """Another daemon runs on this state directory."""

    def __init__(self, directory: Path, holder: str) -> None:
        who = f" (process {holder})" if holder else ""
        super().__init__(f"another daemon{who} runs on the state directory {directory}; give each one its own")


class Instance:
    """Holds the lock between `__enter__` and `__exit__`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock: int | None = None
        self.name = ""
        self.process = f"{os.getpid()}-{uuid4().hex[:8]}"

    def make(self) -> None:
        """Make the directory. OSError if that is not possible, or nothing can be written there."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._directory / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def __enter__(self) -> "Instance":
        self.make()
        self._lock = os.open(self._directory / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._lock, 64).decode(errors="replace").strip()
            os.close(self._lock)
            raise StateDirectoryInUse(self._directory, holder) from None
        os.ftruncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()}\n".encode())
        self.name = self._name()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._directory / "address").unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)

    def publish_address(self, url: str) -> None:
        """Write down where the API is served, for whoever started us with port 0."""
        temporary = self._directory / "address.new"
        temporary.write_text(url + "\n")
        temporary.replace(self._directory / "address")

    def _name(self) -> str:
        file = self._directory / "instance"
        name = file.read_text().strip() if file.exists() else ""
        if not name:
            name = uuid4().hex
            temporary = file.with_suffix(".new")
            temporary.write_text(name + "\n")
            temporary.replace(file)
        return name
