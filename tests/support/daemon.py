"""The real daemon in a process of its own: started, killed, frozen and started again, by its own pid.

One `DaemonProcess` stands for one state directory; its process may have many lives. Whatever it says on
stderr is kept, and told when it does not come up.
"""

import asyncio
import json
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import aiohttp
from tests.support import nursery
from tests.support.bent_world import BentWorld
from tests.support.nursery import Child
from tests.support.waiting import eventually

from backfilld.cli.demo.folder import clean_environment
from backfilld.client import Client, ServerUnreachable
from backfilld.clock import SystemClock
from backfilld.domain.access.callers import Actor
from backfilld.operations.keys import create_key
from backfilld.store.connection.pool import open_pool
from backfilld.store.migrate import migrate

WORKFLOW = "classify"
START_PATIENCE_SECONDS = 60.0
END_PATIENCE_SECONDS = 30.0
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALL_DAY = {day: [{"run_start_time": "00:00", "run_end_time": "24:00"}] for day in DAYS}
ENDED = ("completed", "completed_with_failures", "cancelled", "failed")


@dataclass
class Plan:
    """What stands in the daemon's file. `dsn` None: it runs its own database."""

    target: str
    dsn: str | None = None
    engine: Mapping[str, Any] = field(default_factory=lambda: {"max_unrecorded": 100})  # repeats are counted by it
    executor: Mapping[str, Any] = field(default_factory=dict)
    workflow: Mapping[str, Any] = field(default_factory=dict)
    database: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Path] = field(default_factory=dict)
    more: str = ""

    def text(self, state: Path) -> str:
        """The file."""
        sections: list[tuple[str, Mapping[str, Any]]] = [
            ("[server]", {"port": 0, "rate_limit_per_minute": 1_000_000}),
            ("[state]", {"directory": str(state)}),
            ("[database]", {"mode": "embedded"} if self.dsn is None else {"dsn": self.dsn, **self.database}),
            ("[logging]", {"format": "json"}),
            ("[engine]", self.engine),
            *((f"[secrets.{name}]", {"file": str(file)}) for name, file in self.secrets.items()),
            ("[[workflows]]", {"name": WORKFLOW, **self.workflow}),
            ("[workflows.executor]", {"type": "http", "url": f"{self.target}/do", **self.executor}),
        ]
        lines = []
        for head, settings in sections:
            lines += [head, *(f"{name} = {_toml(value)}" for name, value in settings.items()), ""]
        return "\n".join([*lines, self.more])


class DaemonProcess:
    """One state directory, and the process that runs on it at the moment (if any)."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}  # what its next life is told besides ours
        self.program = "backfilld"  # the module that is run
        self.state = folder / "state"
        self.config = folder / "backfilld.toml"
        self.output = folder / "daemon.log"
        self.api_key: str | None = None
        self._process: Child | Process | None = None
        self._client: Client | None = None
        self._life_began_at_byte = 0
        folder.mkdir(exist_ok=True)
        self.configure(plan)

    def configure(self, plan: Plan) -> None:
        """Write the file anew; a running daemon reads it at SIGHUP."""
        self.plan = plan
        fresh = self.config.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(plan.text(self.state))
        fresh.replace(self.config)

    # Its life

    def live_in(self, world: BentWorld) -> None:
        """From its next life on."""
        self.program = "tests.support.bent_world"
        self.environment |= world.environment

    async def launch(self, *options: str) -> None:
        """Start the process, with more `options` of `serve`; its API may not be there yet."""
        assert not self.is_running, "it runs already"

        await self._forget_client()
        (self.state / "address").unlink(missing_ok=True)  # what a killed process left behind
        with self.output.open("ab") as output:
            self._life_began_at_byte = output.tell()
            environment = clean_environment(os.environ) | self.environment
            words = ("serve", "--config", str(self.config), *options)
            self._process = await self.begin(*words, environment=environment, output=output)

    async def begin(self, *words: str, environment: Mapping[str, str], output: IO[bytes]) -> Child | Process:
        """The process, on its way."""
        return nursery.start(self.program, *words, environment=environment, output=output)

    async def start(self, *options: str) -> None:
        """As `launch`, and return once it is ready."""
        await self.launch(*options)
        await self.serving()
        await self.becomes_ready()

    async def serving(self) -> None:
        """Return once the API listens."""
        await self._comes_up((self.state / "address").exists)

    async def becomes_ready(self, seconds: float = START_PATIENCE_SECONDS) -> None:
        """Return once `GET /readyz` says so."""

        async def is_ready() -> bool:
            return 200 == (await self.get("/readyz"))[0]

        await self._comes_up(is_ready, seconds)

    async def _comes_up(self, check: Any, seconds: float = START_PATIENCE_SECONDS) -> None:
        async def checked() -> bool:
            assert self.is_running, f"the daemon ended:\n{self.tail()}"

            found = check()
            return bool(await found if asyncio.iscoroutine(found) else found)

        try:
            await eventually(checked, seconds=seconds)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{self.tail()}") from None

    async def kill(self) -> None:
        """SIGKILL, and return when the process is gone."""
        self.signal(signal.SIGKILL)
        await self.ended()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def ended(self, seconds: float = END_PATIENCE_SECONDS) -> int:
        """The exit code, once the process has ended (negative: the signal that ended it)."""
        assert self._process is not None

        async with asyncio.timeout(seconds):
            return await self._process.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def put_away(self) -> None:
        """Whatever is left of it: the process, its database, its connections."""
        await self._forget_client()
        if self.is_running:
            self.signal(signal.SIGCONT)
            await self.kill()
        await eventually(lambda: self.postmaster is None, seconds=END_PATIENCE_SECONDS)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None

        return self._process.pid

    @property
    def postmaster(self) -> int | None:
        """The pid of its embedded server, while that lives."""
        data = self.state / "postgres" / "pg"
        with suppress(FileNotFoundError, ValueError, OSError):
            pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
            if os.path.samefile(f"/proc/{pid}/cwd", data):
                return pid
        return None

    def memory_bytes(self) -> int:
        """What the process holds in memory of its own and shared (RSS)."""
        return self._status_bytes("VmRSS:")

    def most_memory_bytes(self) -> int:
        """The most that this life ever held."""
        return self._status_bytes("VmHWM:")

    def _status_bytes(self, name: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024

    # What it says

    def events(self, event: str | None = None) -> list[dict[str, Any]]:
        """The log of this life: all lines, or those of one event."""
        lines = []
        with self.output.open("rb") as output:
            output.seek(self._life_began_at_byte)
            for line in output:
                with suppress(ValueError):
                    lines.append(json.loads(line))
        return [line for line in lines if event is None or line.get("event") == event]

    def tail(self) -> str:
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-40:])

    # Its API

    @property
    def url(self) -> str:
        return (self.state / "address").read_text().strip()

    @property
    def client(self) -> Client:
        """Of this life, under the key that `make_key` made."""
        if self._client is None:
            self._client = Client(self.url, self.api_key)
        return self._client

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and document of a GET without a key; status 0 if nobody answers."""
        try:
            async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
                return answer.status, await answer.json()
        except (aiohttp.ClientError, OSError):
            return 0, None

    async def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        async with aiohttp.ClientSession() as session, session.get(self.url + "/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])

    async def _forget_client(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def run_command(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command that is run beside it."""
        with TemporaryFile() as output, TemporaryFile() as errors:
            environment = clean_environment(os.environ)
            child = nursery.start(self.program, *arguments, environment=environment, output=output, errors=errors)
            code = await child.wait()
            for file in (output, errors):
                file.seek(0)
            return code, output.read().decode(), errors.read().decode()

    async def make_key(self, role: str = "admin") -> str:
        """A key of its database, used by `client` from now on. As people make one, where only that way is open."""
        self.api_key = await (self._key_by_command(role) if self.plan.dsn is None else key_of(self.plan.dsn, role))
        await self._forget_client()
        return self.api_key

    async def _key_by_command(self, role: str) -> str:
        name = ("--name", "crash-test", "--role", role, "--json", "--config", str(self.config))
        code, output, errors = await self.run_command("keys", "create", *name)
        assert 0 == code, errors

        return str(json.loads(output)["key"])

    # Backfills

    async def upload(self, ids: Sequence[str], entity_type: str = "ticket") -> None:
        await self.client.upload_entities(entity_type, _lines(ids))

    async def workflow_id(self) -> int:
        found = [one async for one in self.client.every("workflows", "/workflows") if one["name"] == WORKFLOW]
        return int(found[0]["id"])

    async def create(self, *, idempotency_key: str | None = None, **settings: Any) -> str:
        """The id of a new backfill over all tickets, open all day, ten in flight, unless `settings` says otherwise.

        Nor does it stop by itself, however much fails: in most of these tests that is what is wanted.
        """
        body = {
            "entity_type": "ticket",
            "filter_spec": {},
            "daily_execution_windows": ALL_DAY,
            "timezone": "UTC",
            "max_in_flight": 10,
            "target_workflow_id": await self.workflow_id(),
            "reprocess_behavior": "completed",
            "failure_policy": {"enabled": False},
        }
        created = await self.client.create_backfill(body | settings, idempotency_key=idempotency_key)
        return str(created["backfill"]["id"])

    async def backfill(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get_backfill(id))["backfill"]
        return found

    async def ends(self, id: str, *, seconds: float = 60.0) -> dict[str, Any]:
        """The backfill once it has ended."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(ServerUnreachable):
                backfill = await self.backfill(id)
                if backfill["status"] in ENDED:
                    return backfill
            assert time.monotonic() < deadline, f"{backfill}\n{self.tail()}"

            await asyncio.sleep(0.05)


async def key_of(dsn: str, role: str) -> str:
    await migrate(dsn)
    pool = await open_pool(dsn, size=1)
    try:
        made = await create_key(pool, SystemClock(), name="crash-test", role=role, actor=Actor.local("test"))
    finally:
        await pool.close()
    return made.key


def _toml(value: Any) -> str:
    """JSON's strings, numbers, booleans and lists are TOML's, too."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)} = {_toml(inner)}" for name, inner in value.items()) + "}"
    return json.dumps(value)


async def _lines(ids: Sequence[str]) -> AsyncIterator[bytes]:
    for start in range(0, len(ids), 1000):
        yield b"".join(
            json.dumps({"id": id, "attributes": {"subject": f"about {id}"}}).encode() + b"\n"
            for id in ids[start : start + 1000]
        )


@asynccontextmanager
async def daemon_process(folder: Path, plan: Plan) -> AsyncIterator[DaemonProcess]:
    """A daemon that does not run yet; nothing of it is left at the end."""
    daemon = DaemonProcess(folder, plan)
    try:
        yield daemon
    finally:
        await daemon.put_away()
