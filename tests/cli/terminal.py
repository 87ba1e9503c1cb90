"""A command on a real terminal: a pseudo terminal of any size, whose other end a test reads and types into."""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Mapping
from contextlib import suppress

from tests.support.waiting import eventually


class Terminal:
    """One command. Use as an async context manager; whatever still runs at the end is killed."""

    def __init__(self, *words: str, env: Mapping[str, str] | None = None, columns: int = 80, rows: int = 200) -> None:
        self._words = words
        self._env = {**os.environ, "TERM": "xterm-256color", **(env or {})}
        self._size = struct.pack("HHHH", rows, columns, 0, 0)
        self.shown = ""

    async def __aenter__(self) -> "Terminal":
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, self._size)
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "backfilld", *self._words,
            stdin=theirs, stdout=theirs, stderr=theirs, env=self._env,
            preexec_fn=lambda: _have(theirs), pass_fds=(theirs,),
        )  # fmt: skip
        os.close(theirs)
        os.set_blocking(self._ours, False)
        asyncio.get_running_loop().add_reader(self._ours, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        asyncio.get_running_loop().remove_reader(self._ours)
        os.close(self._ours)

    def _read(self) -> None:
        try:
            self.shown += os.read(self._ours, 65536).decode(errors="replace").replace("\r\n", "\n")
        except BlockingIOError:
            return
        except OSError:  # the other end was closed
            asyncio.get_running_loop().remove_reader(self._ours)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    async def shows(self, words: str, *, seconds: float = 90) -> None:
        """Return once it does; AssertionError with all that is shown if it never does."""

        def does() -> bool:
            assert self.process.returncode is None or words in self.shown, self.shown
            return words in self.shown

        await eventually(does, seconds=seconds)

    async def ends(self, *, seconds: float = 90) -> int:
        """The exit code."""
        async with asyncio.timeout(seconds):
            code = await self.process.wait()
        await asyncio.sleep(0)
        self._read()
        return code


def _have(terminal: int) -> None:
    """In the child, before the loop has done anything there: a session of its own, and this is its terminal."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
