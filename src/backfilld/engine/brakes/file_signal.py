"""A file that somebody puts there: while it exists nothing starts, and its first line says why."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from backfilld.domain.brakes.verdicts import Seen
from backfilld.domain.texts import clean_text
from backfilld.engine.brakes.signals import LookFailed

MOST_BYTES = 1024
SHOWN_BYTES = 200


class FileSignal:
    """Looks from a thread of its own: a network folder may hang, and then it alone hangs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="brake")

    async def look(self) -> Seen:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, _look_at, self._path)
        except OSError as problem:
            raise LookFailed(f"{self._path} cannot be looked at: {problem.strerror or problem}") from problem

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _look_at(path: Path) -> Seen:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return Seen(text=f"{path} does not exist")
    return Seen(bad=True, text=_first_line(path) or f"{path} exists")


def _first_line(path: Path) -> str:
    """Nothing for what is no plain file, or cannot be read: that it is there suffices."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            line = file.readline(MOST_BYTES)
    except OSError:
        return ""
    return clean_text(line.decode(errors="replace").strip(), SHOWN_BYTES)
