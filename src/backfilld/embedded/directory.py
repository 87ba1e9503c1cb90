"""The folder of an embedded server: who holds it, and where things lie in it.

lock         held (flock) by the process whose child the server is; it vanishes with that process
pg/          the data directory; made as pg.new/ and renamed, so that a crash leaves nothing half-made
run/         the socket, unless the path is too long for one
address      the DSN of the running server, for a command beside the daemon
guests       held (flock, shared) by every command that uses a server of somebody else's
"""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backfilld.embedded.errors import DirectoryInUse, EmbeddedError
from backfilld.embedded.privileges import Account, account_for

# sockaddr_un ends its path with a NUL: 108 bytes on Linux, 104 on macOS.
LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
SOCKET_NAME = ".s.PGSQL.5432"


class Directory:
    """One state folder of one embedded server."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.data = self.root / "pg"
        self.unfinished = self.root / "pg.new"
        self.address = self.root / "address"
        self._lock = self.root / "lock"
        self._guests = self.root / "guests"
        self._held: int | None = None
        self._account: Account | None = None

    def prepare(self) -> Account:
        """Make the folder, closed to all but its account, which is returned. Nothing in it is touched."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:
            raise EmbeddedError(f"the state directory cannot be made: {problem}") from problem
        account = account_for(self.data)
        if account.lowered and not self.data.exists():
            os.chown(self.root, account.uid, account.gid)
        if self.data.exists() and (owner := self.data.stat().st_uid) != account.uid:
            raise EmbeddedError(
                f"{self.data} belongs to user {owner}, and this is user {account.uid}:"
                " run backfilld as the same user as before, or as root"
            )
        return account

    def lock(self, account: Account) -> None:
        """Take the folder for `account`, until `unlock` or the end of this process; or raise DirectoryInUse."""
        held = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(held, 100).decode(errors="replace").strip()
            os.close(held)
            raise DirectoryInUse(
                f"{self.root} is in use by another backfilld{f' (process {holder})' if holder else ''}:"
                " stop that one first, or give this one a [state] directory of its own"
            ) from None
        self._held, self._account = held, account
        self._guests.touch(mode=0o600)
        self._give(self._lock)
        self._give(self._guests)
        self.withdraw()  # what a killed owner said
        os.ftruncate(held, 0)
        os.pwrite(held, str(os.getpid()).encode(), 0)

    def unlock(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def socket_folder(self, account: Account) -> Path:
        """A folder for the socket, made if need be: `run/`, or a short temporary one where that is too long."""
        folder = self.root / "run"
        if len(os.fsencode(folder / SOCKET_NAME)) > LONGEST_SOCKET_PATH:
            folder = Path(tempfile.mkdtemp(prefix="backfilld-"))
            if len(os.fsencode(folder / SOCKET_NAME)) > LONGEST_SOCKET_PATH:
                raise EmbeddedError(f"{folder} is too long a path for a Unix socket: set TMPDIR to a shorter one")
        folder.mkdir(mode=0o700, exist_ok=True)
        if account.lowered:
            os.chown(folder, account.uid, account.gid)
        return folder

    def clear_socket_folder(self, folder: Path) -> None:
        """Remove what a killed server left there. Only for the holder of the lock, when no server runs."""
        for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
            (folder / name).unlink(missing_ok=True)

    def drop_socket_folder(self, folder: Path) -> None:
        """Remove a temporary one; `run/` stays."""
        if folder.parent != self.root:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, dsn: str) -> None:
        """Tell commands beside us where the server is. Whole or not at all."""
        fresh = self.address.with_suffix(".new")
        fresh.write_text(dsn + "\n")
        self._give(fresh)
        fresh.replace(self.address)

    def withdraw(self) -> None:
        """Only the owner's word counts: without the lock this does nothing."""
        if self._held is not None:
            self.address.unlink(missing_ok=True)

    def published(self) -> str | None:
        """The DSN of the server that runs here, if its owner has said so."""
        with suppress(FileNotFoundError):
            return self.address.read_text().strip() or None
        return None

    @contextmanager
    def guest(self) -> Iterator[str | None]:
        """What `published` says; the owner can tell that somebody relies on it for the length of the block."""
        try:
            held = os.open(self._guests, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # the owner has only just taken the lock
            yield None
            return
        try:
            fcntl.flock(held, fcntl.LOCK_SH)
            yield self.published()  # read under the lock: an owner that is about to stop has withdrawn it before
        finally:
            os.close(held)

    def has_guests(self) -> bool:
        """Whether anybody is inside a `guest` block. After `withdraw` nobody comes to stay."""
        held = os.open(self._guests, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(held)
        return False

    def _give(self, file: Path) -> None:
        """What root makes in an ordinary user's folder must not lock that user out."""
        if self._account is not None and self._account.lowered:
            os.chown(file, self._account.uid, self._account.gid)
