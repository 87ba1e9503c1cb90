"""The demo's processes, started and ended by their own ids."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from backfilld.cli.demo.folder import Folder
from backfilld.cli.output.error_output import Failure
from backfilld.clock import Clock

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05
GRACE_SECONDS = 20.0  # more than the daemon's own, which demo_folder sets
LINES_SHOWN = 15
# Runs the rest of the arguments until whoever holds the other end of its input is gone.
_WHILE_WE_LIVE = '"$@" & child=$!; cat > /dev/null; kill "$child"; wait "$child"'


class Processes:
    """All of them. `stop` ends those that were started, and no others.

    Plain `Popen`s: asyncio's own would be killed with the loop, and `--keep` leaves them running.
    """

    def __init__(self, folder: Folder, environ: Mapping[str, str], clock: Clock, *, keep: bool) -> None:
        self._folder = folder
        self._environ = dict(environ)
        self._clock = clock
        self._keep = keep
        self._target: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        self._beside: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def pids(self) -> list[int]:
        """Of those that run now, the daemon first: it must not find its target gone."""
        all_of_them = (self._daemon, self._target, *reversed(self._beside.values()))
        return [each.pid for each in all_of_them if each is not None and each.poll() is None]

    async def start_target(self) -> str:
        """Its address."""
        arguments = ["backfilld.cli.demo.target", "--address-file", str(self._folder.target_address)]
        arguments += ["--secret-file", str(self._folder.secret)]
        if not self._keep:
            arguments.append("--while-stdin-is-open")
        stdin = subprocess.DEVNULL if self._keep else subprocess.PIPE
        self._target = self._start("target.log", arguments, stdin)
        return await self._address(self._target, self._folder.target_address, "target.log")

    async def start_daemon(self) -> str:
        """Its address; it may not be ready yet."""
        arguments = ["backfilld", "serve", "--config", str(self._folder.config)]
        self._daemon = self._start("daemon.log", arguments, subprocess.DEVNULL)
        self._folder.daemon_pid.write_text(f"{self._daemon.pid}\n")
        return await self._address(self._daemon, self._folder.daemon_address, "daemon.log")

    def start_beside(self, name: str, argv: list[str]) -> int:
        """Another process that the demo needs, under a name; its id. It ends when the demo is gone, however that ends,
        unless it is to be kept."""
        if not self._keep:
            argv = ["/bin/sh", "-c", _WHILE_WE_LIVE, "sh", *argv]
        self._beside[name] = self._begin(f"{name}.log", argv, subprocess.DEVNULL if self._keep else subprocess.PIPE)
        return self._beside[name].pid

    def kill_beside(self, name: str) -> int:
        """End that one, with all that it started, by SIGKILL; its id."""
        process = self._beside.pop(name)
        _kill(process)
        if process.stdin is not None:
            process.stdin.close()
        return process.pid

    def _start(self, log: str, arguments: list[str], stdin: int) -> "subprocess.Popen[bytes]":
        return self._begin(log, [sys.executable, "-m", *arguments], stdin)

    def _begin(self, log: str, argv: list[str], stdin: int) -> "subprocess.Popen[bytes]":
        with (self._folder.root / log).open("wb") as output:
            return subprocess.Popen(
                argv,
                stdin=stdin, stdout=output, stderr=output, env=self._environ,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends both in order
            )  # fmt: skip

    async def _address(self, process: "subprocess.Popen[bytes]", file: Path, log: str) -> str:
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        while (address := _read(file)) is None:
            if process.poll() is not None or self._clock.monotonic() > deadline:
                what = "did not start" if process.returncode is None else f"ended with exit code {process.returncode}"
                raise Failure(f"the demo's process {what}; the end of {self._folder.root / log}:\n{self._tail(log)}")
            await self._clock.sleep(POLL_SECONDS)
        return address

    def _tail(self, log: str) -> str:
        text = (self._folder.root / log).read_text(errors="replace")
        return "\n".join(f"  {line}" for line in text.splitlines()[-LINES_SHOWN:]) or "  (empty)"

    async def stop(self) -> None:
        """End the daemon, then its target: politely, and by force after a grace, or once nobody waits for it."""
        processes = [
            each for each in (self._daemon, self._target, *reversed(self._beside.values())) if each is not None
        ]
        try:
            for process in processes:
                if process.stdin is not None:
                    process.stdin.close()
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
                    await self._ended(process)
        except asyncio.CancelledError:
            for process in processes:
                _kill(process)
            raise
        finally:
            if self._daemon is not None:
                self._folder.daemon_pid.unlink(missing_ok=True)

    async def _ended(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = self._clock.monotonic() + GRACE_SECONDS
        while process.poll() is None:
            if self._clock.monotonic() > deadline:
                _kill(process)
                return
            await self._clock.sleep(POLL_SECONDS)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """With all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(file: Path) -> str | None:
    """What is written there; None while nothing is."""
    return file.read_text().strip() if file.exists() else None
