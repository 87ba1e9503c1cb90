"""The supervisor: makes a data directory, starts PostgreSQL as its own child, notices when it dies.

`postgres` is a direct child in a session of its own: Ctrl-C in a terminal reaches the daemon alone, which
then stops the server when nobody needs it any more. If the daemon is killed, the kernel stops the server.
"""

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import structlog

from backfilld.clock import Clock, SystemClock
from backfilld.embedded.binaries import find_binaries, major_version
from backfilld.embedded.directory import Directory
from backfilld.embedded.errors import EmbeddedError, ServerDidNotStart
from backfilld.embedded.leftover import wait_until_gone
from backfilld.embedded.privileges import Account, launcher
from backfilld.embedded.settings import arguments

USER = "backfilld"
DATABASE = "postgres"  # there from initdb on: nothing to create, nothing to be half-made
START_PATIENCE_SECONDS = 600.0  # crash recovery replays up to max_wal_size, on a slow disk
STOP_PATIENCE_SECONDS = 60.0
RETRY_PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 5.0
CALM_SECONDS = 60.0  # a server that ran this long is started again at once
LAST_WORDS = 20

log = structlog.get_logger(__name__)


class EmbeddedPostgres:
    """One server on one folder. `start` and `stop` may alternate; `supervise` keeps it up in between.

    `durable=False` trades the safety of the data for speed. `settings` win over ours (`{"max_connections": "20"}`).
    """

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._directory = Directory(directory)
        self._durable = durable
        self._settings = dict(settings or {})
        self._clock = clock or SystemClock()
        self._process: Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._account: Account | None = None
        self._sockets: Path | None = None
        self._wanted = False
        self._revival: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The postmaster's, while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def dsn(self) -> str:
        """Where the server is; stays the same over restarts by `supervise`."""
        if self._sockets is None:
            raise EmbeddedError("the embedded PostgreSQL was not started")
        return dsn_of(self._sockets)

    async def start(self) -> str:
        """Start, on a fresh data directory if there is none, and return the DSN once connections are accepted.

        DirectoryInUse if another process has the folder; EmbeddedError for whatever else stands in the way.
        """
        self._account = self._directory.prepare()
        self._directory.lock(self._account)
        self._wanted = True
        try:
            self._sockets = self._directory.socket_folder(self._account)
            await self._run()
        except BaseException:
            await self.stop()
            raise
        self._directory.publish(self.dsn)
        return self.dsn

    async def stop(self, *, guests_get_seconds: float = 0.0) -> None:
        """Stop the server, cutting its connections, and let go of the folder. Harmless if nothing runs.

        Commands of others that use the server may end first, for `guests_get_seconds` at most.
        """
        self._wanted = False
        if self._revival is not None:
            self._revival.cancel()
            await asyncio.wait([self._revival])
        self._directory.withdraw()
        if guests_get_seconds:
            await self._until_guests_left(guests_get_seconds)
        if self._process is not None:
            await self._end(self._process)
        if self._sockets is not None:
            self._directory.drop_socket_folder(self._sockets)
            self._sockets = None
        self._directory.unlock()

    async def _until_guests_left(self, seconds: float) -> None:
        deadline = self._clock.monotonic() + seconds
        while self._directory.has_guests() and self._clock.monotonic() < deadline:
            await self._clock.sleep(POLL_SECONDS)

    async def supervise(self) -> None:
        """Start the server again whenever it ends, with growing pauses; returns after `stop`.

        Clients see refused connections meanwhile, and should try again.
        """
        pause = 0.0
        while self._wanted:
            began = self._clock.monotonic()
            code = await self.ended()
            if not self._wanted:
                return
            pause = 0.0 if self._clock.monotonic() - began > CALM_SECONDS else pause
            log.error("the embedded PostgreSQL ended; starting it again", code=code, pause_seconds=pause)
            self._revival = asyncio.create_task(self._revive(pause), name="embedded-postgres-revival")
            try:
                await asyncio.wait([self._revival])  # `stop` may cancel it, which is no cancellation of ours
            finally:
                self._revival.cancel()
            if not self._revival.cancelled():
                self._revival.result()  # a bug must not pass for a server that does not start
            pause = min(max(2 * pause, 0.1), LONGEST_PAUSE_SECONDS)

    async def _revive(self, pause: float) -> None:
        await self._clock.sleep(pause)
        try:
            await self._run()
        except (EmbeddedError, OSError) as problem:
            log.error("the embedded PostgreSQL does not start", problem=str(problem))

    async def ended(self) -> int:
        """Return when the server has ended, with its exit code (negative: the signal that ended it)."""
        if self._process is None:
            raise EmbeddedError("the embedded PostgreSQL was not started")
        return await self._process.wait()

    async def _run(self) -> None:
        binaries = find_binaries()
        await self._make_data(binaries)
        self._require_version(binaries)
        deadline = self._clock.monotonic() + RETRY_PATIENCE_SECONDS
        while True:
            await wait_until_gone(self._directory.data, self._clock)
            self._directory.clear_socket_folder(self._folder)
            try:
                return await self._launch(binaries)
            except ServerDidNotStart as problem:
                # Children of a postmaster that was killed may take a moment to notice.
                if "still in use" not in str(problem) or self._clock.monotonic() > deadline:
                    raise
                await self._clock.sleep(POLL_SECONDS)

    async def _make_data(self, binaries: Path) -> None:
        if self._directory.data.exists():
            return
        shutil.rmtree(self._directory.unfinished, ignore_errors=True)
        self._directory.unfinished.mkdir(mode=0o700)
        if self._owner.lowered:  # and only then: a sandbox may refuse chown() even to oneself
            os.chown(self._directory.unfinished, self._owner.uid, self._owner.gid)
            log.warning(
                "the embedded PostgreSQL runs as another user, who may read every file of this machine:"
                " fine for a demo, but for production run backfilld as an ordinary user, or set [database] dsn",
                uid=self._owner.uid,
            )
        options = [f"-U{USER}", "-Atrust", "-EUTF8", "--locale=C.UTF-8", "--no-instructions"]
        options += [] if self._durable else ["--no-sync"]
        command = [str(binaries / "initdb"), *options, "-D", str(self._directory.unfinished)]
        process = await self._spawn(command, asyncio.subprocess.STDOUT)
        output, _ = await process.communicate()
        if process.returncode:
            words = output.decode(errors="replace").strip()
            raise ServerDidNotStart(f"initdb failed with code {process.returncode}: {words[-1000:]}")
        self._directory.unfinished.rename(self._directory.data)

    def _require_version(self, binaries: Path) -> None:
        found = (self._directory.data / "PG_VERSION").read_text().strip()
        if found != str(major := major_version(binaries)):
            raise EmbeddedError(
                f"the data in {self._directory.data} was written by PostgreSQL {found}, and {binaries} is {major}:"
                f" point BACKFILLD_PG_BIN at PostgreSQL {found}, run `backfilld db dump` there, and restore"
                " the dump into a new [state] directory"
            )

    async def _launch(self, binaries: Path) -> None:
        options = arguments(durable=self._durable, socket_folder=self._folder, settings=self._settings)
        self._last_words.clear()
        command = [str(binaries / "postgres"), "-D", str(self._directory.data), *options]
        self._process = await self._spawn(command, asyncio.subprocess.PIPE)
        self._listener = asyncio.create_task(self._listen(self._process), name="embedded-postgres-log")
        await self._until_ready(self._process)

    async def _spawn(self, command: list[str], stderr: int) -> Process:
        return await asyncio.create_subprocess_exec(
            *launcher(self._owner, dies_with_us=True),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if stderr == asyncio.subprocess.STDOUT else asyncio.subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
        )

    async def _until_ready(self, process: Process) -> None:
        """The last line of postmaster.pid says how far the server is."""
        pid_file = self._directory.data / "postmaster.pid"
        deadline = self._clock.monotonic() + START_PATIENCE_SECONDS
        while not _says_ready(pid_file, process.pid):
            if process.returncode is not None:
                await self._heard_out()
                raise ServerDidNotStart(f"PostgreSQL ended with code {process.returncode}: {self._said()}")
            if self._clock.monotonic() > deadline:
                raise ServerDidNotStart(f"PostgreSQL is not ready after {START_PATIENCE_SECONDS:g} s: {self._said()}")
            await self._clock.sleep(POLL_SECONDS)

    async def _listen(self, process: Process) -> None:
        assert process.stderr is not None  # noqa: S101  # it was asked for
        async for line in process.stderr:
            words = line.decode(errors="replace").rstrip()
            self._last_words.append(words)
            level, _, rest = words.partition(":")
            say = {"PANIC": log.error, "FATAL": log.warning}.get(level, log.info)  # FATAL: for one connection, mostly
            say(rest.strip() or words, origin="postgres")

    async def _heard_out(self) -> None:
        if self._listener is not None:
            await asyncio.wait([self._listener], timeout=1)

    def _said(self) -> str:
        return " | ".join(self._last_words) or "it said nothing"

    async def _end(self, process: Process) -> None:
        for wanted in (signal.SIGINT, signal.SIGQUIT):  # fast; then at once, to be recovered at the next start
            if process.returncode is None:
                process.send_signal(wanted)
                if not await self._has_ended(process):
                    log.warning("the embedded PostgreSQL does not stop; asking harder")
        if self._listener is not None:
            self._listener.cancel()
        self._process = None

    async def _has_ended(self, process: Process) -> bool:
        # Not asyncio.timeout: whoever stops us may have been cancelled, and that of Python 3.11.2 then takes its own
        # expiry for another cancellation.
        ending = asyncio.ensure_future(process.wait())
        done, _ = await asyncio.wait([ending], timeout=STOP_PATIENCE_SECONDS)
        ending.cancel()
        return bool(done)

    @property
    def _owner(self) -> Account:
        if self._account is None:
            raise EmbeddedError("the embedded PostgreSQL was not started")
        return self._account

    @property
    def _folder(self) -> Path:
        if self._sockets is None:
            raise EmbeddedError("the embedded PostgreSQL was not started")
        return self._sockets


def dsn_of(sockets: Path, database: str = DATABASE) -> str:
    """The DSN of `database` of a server that listens in the folder `sockets`."""
    return f"postgresql://{USER}@/{database}?host={quote(str(sockets), safe='/')}&port=5432"


def _says_ready(pid_file: Path, pid: int) -> bool:
    try:
        lines = pid_file.read_text().split("\n")
    except FileNotFoundError:
        return False
    return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"
