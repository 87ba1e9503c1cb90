"""One running program: watched, drained, and ended with everything that it started.

It leads a session and process group of its own, so that one signal reaches all of it. Its end is noticed before it
is reaped: until then nobody else can have its number, and what it left behind in the group is killed with it. Output
is read for as long as it comes, so that the program never waits for us, and little of it is kept.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import IO, TypeAlias

from backfilld.executors.command.bounds import bound, ordinary_signals
from backfilld.executors.definition import ProgramLimits

Process: TypeAlias = "subprocess.Popen[bytes]"

READ_BYTES = 65_536
# What is still in a pipe when the program is over, if nothing keeps filling it.
LAST_READ_BYTES = 1 << 20
ENDING_BYTES = 32_768
LOOK_AGAIN_SECONDS = 0.02  # only where the kernel does not tell of an end by itself (before Linux 5.3)


def spawn(
    argv: Iterable[str],
    environment: Mapping[str, str],
    cwd: str | None,
    stdin: int,
    limits: ProgramLimits | None = None,
) -> Process:
    """Start a program, without a turn of the event loop. OSError, or ValueError for NUL, if it cannot be started."""
    with ordinary_signals():
        process = subprocess.Popen(
            list(argv),
            env=dict(environment),
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            close_fds=True,
            start_new_session=True,
        )
    bound(process.pid, limits)
    return process


class Output:
    """What a program writes: its first bytes, or (`tail`) its last ones. The rest is read and forgotten.

    Of what follows the first bytes, the last ones are there for a log.
    """

    def __init__(self, pipe: IO[bytes], most_bytes: int, *, tail: bool) -> None:
        self._pipe = pipe
        self._most_bytes = most_bytes
        self._tail = tail
        self._kept = bytearray()
        self._ending = bytearray()
        self.complete = True  # False once something was forgotten
        os.set_blocking(pipe.fileno(), False)
        asyncio.get_running_loop().add_reader(pipe.fileno(), self._read)

    def kept(self) -> bytes:
        """Its beginning, or its end."""
        return bytes(self._kept[-self._most_bytes :] if self._tail else self._kept)

    def ending(self) -> bytes:
        """What came last, and is not in `kept` where that is the beginning."""
        return bytes(self._ending[-ENDING_BYTES:])

    def finish(self) -> None:
        """Take what is there, and wait for no more: somebody who got away may hold the pipe open for ever."""
        left = LAST_READ_BYTES
        while left > 0 and not self._pipe.closed and (read := self._read()):
            left -= read
        self._close()

    def _read(self) -> int:
        """How much was read: 0 at the end, or if nothing is there."""
        try:
            data = os.read(self._pipe.fileno(), READ_BYTES)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self._close()
        self._keep(data)
        return len(data)

    def _keep(self, data: bytes) -> None:
        room = self._most_bytes - len(self._kept)
        self.complete = self.complete and len(data) <= room
        if not self._tail:
            self._kept += data[: max(room, 0)]
            self._ending += data[max(room, 0) :]
            if len(self._ending) > 2 * ENDING_BYTES:
                del self._ending[:-ENDING_BYTES]
            return
        self._kept += data
        if len(self._kept) > 2 * self._most_bytes:  # seldom, so that a flood is not moved about byte by byte
            del self._kept[: -self._most_bytes]

    def _close(self) -> None:
        if not self._pipe.closed:
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self._pipe.close()


class Running:
    """A program that was spawned in this event loop. `kill_all` must be called if it is left before its end."""

    def __init__(self, process: Process, *, stdout_bytes: int, stderr_bytes: int) -> None:
        assert process.stdout is not None  # noqa: S101 - `spawn` asks for it
        assert process.stderr is not None  # noqa: S101 - and for this
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self.stdout = Output(process.stdout, stdout_bytes, tail=False)
        self.stderr = Output(process.stderr, stderr_bytes, tail=True)
        try:
            self._watch(os.pidfd_open(process.pid))
        except (AttributeError, OSError):  # an old kernel, or no descriptor left
            self._look()

    async def ended(self) -> int:
        """Its exit status, or minus the number of the signal that killed it. All output has been read then."""
        await self._over.wait()
        return int(self._process.returncode)

    async def end(self, grace_seconds: float) -> None:
        """Return once it is over: it is asked to stop, and killed with all that it started after `grace_seconds`.

        Cancelled meanwhile, it kills at once and waits no longer.
        """
        self._signal(signal.SIGTERM)
        # Not asyncio.timeout: in a task that was cancelled already, as ours mostly is, that of Python 3.11.2 takes its
        # own expiry for another cancellation.
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait([over], timeout=grace_seconds)
        finally:
            over.cancel()
            self.kill_all()
        await self._over.wait()

    def kill_all(self) -> None:
        """SIGKILL to it and to what it started; nothing if it is over."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self._over.is_set():
            with suppress(ProcessLookupError, PermissionError):  # PermissionError: it has become another user
                os.killpg(self._process.pid, number)

    def _watch(self, descriptor: int) -> None:
        def at_the_end() -> None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
            self._finish()

        self._loop.add_reader(descriptor, at_the_end)

    def _look(self) -> None:
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            self._loop.call_later(LOOK_AGAIN_SECONDS, self._look)
        else:
            self._finish()

    def _finish(self) -> None:
        self.kill_all()  # what it left behind: the item is over, and nothing may go on in its name
        self._process.wait()  # does not wait: it has ended
        self.stdout.finish()
        self.stderr.finish()
        self._over.set()
