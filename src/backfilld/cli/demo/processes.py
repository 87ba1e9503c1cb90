"""The demo's two processes, started and ended by their own ids."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from backfilld.cli.demo.folder import Folder
from backfilld.cli.output.error_output import Failure
from backfilld.clock import Clock

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05
GRACE_SECONDS = 20.0  # more than the daemon's own, which demo_folder sets
LINES_SHOWN = 15


class Processes:
    """Both processes. `stop` ends those that were started, and no others.

    Plain `Popen`s: asyncio's own would be killed with the loop, and `--keep` leaves them running.
    """

    def __init__(self, folder: Folder, environ: Mapping[str, str], clock: Clock, *, keep: bool) -> None:
        self._folder = folder
        self._environ = dict(environ)
        self._clock = clock
        self._keep = keep
        self._target: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def pids(self) -> list[int]:
        """Of those that run now, the daemon first: it must not find its target gone."""
        return [each.pid for each in (self._daemon, self._target) if each is not None and each.poll() is None]

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

    def _start(self, log: str, arguments: list[str], stdin: int) -> "subprocess.Popen[bytes]":
        with (self._folder.root / log).open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *arguments],
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
        """End the daemon, then its target: politely, and after a grace by force."""
        for process in (self._daemon, self._target):
            if process is None:
                continue
            if process.stdin is not None:
                process.stdin.close()
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                await self._ended(process)
        if self._daemon is not None:
            self._folder.daemon_pid.unlink(missing_ok=True)

    async def _ended(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = self._clock.monotonic() + GRACE_SECONDS
        while process.poll() is None:
            if self._clock.monotonic() > deadline:
                process.kill()
                process.wait()
                return
            await self._clock.sleep(POLL_SECONDS)


def _read(file: Path) -> str | None:
    """What is written there; None while nothing is."""
    return file.read_text().strip() if file.exists() else None
