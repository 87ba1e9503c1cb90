"""A server that outlived its daemon.

After a kill -9 of the daemon its PostgreSQL stops by itself, which takes a moment; and then it is a zombie
until somebody reaps it, which PostgreSQL counts as alive. A new server on the same data would refuse to
start ("lock file postmaster.pid already exists"), so whoever holds the folder's lock waits here first.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

from backfilld.clock import Clock
from backfilld.embedded.errors import EmbeddedError

PATIENCE_SECONDS = 30.0
NUDGE_AFTER_SECONDS = 1.0  # where the kernel does not tell children of our death (macOS), we do
PAUSE_SECONDS = 0.05


async def wait_until_gone(data: Path, clock: Clock) -> None:
    """Return when no server works on `data` any more; EmbeddedError if one does not go away."""
    began, nudged = clock.monotonic(), False
    while (pid := _server_pid(data)) is not None:
        if clock.monotonic() - began > PATIENCE_SECONDS:
            raise EmbeddedError(
                f"a PostgreSQL that an earlier backfilld left behind (process {pid}) does not stop:"
                f" look into it, and end it with `kill -INT {pid}`"
            )
        if not nudged and clock.monotonic() - began > NUDGE_AFTER_SECONDS:
            nudged = True
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGINT)
        await clock.sleep(PAUSE_SECONDS)


def _server_pid(data: Path) -> int | None:
    """The process that works on `data`, or None. A pid file that points nowhere is removed.

    The memory that a crashed server's children may still use is guarded by PostgreSQL itself.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    if _works_on(pid, data):
        return pid
    pid_file.unlink(missing_ok=True)  # PostgreSQL would take a zombie, or whoever has that pid now, for its sibling
    return None


def _works_on(pid: int, data: Path) -> bool:
    process = Path("/proc") / str(pid)
    if not Path("/proc/self").exists():
        return _is_alive(pid)
    try:
        return os.path.samefile(process / "cwd", data)
    except FileNotFoundError:
        return False  # gone, or a zombie: it holds nothing any more
    except PermissionError:
        return not _is_zombie(process)  # another user's process, as a lowered server is in a container: wait on


def _is_zombie(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
