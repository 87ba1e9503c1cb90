"""A server and a worker for all tests that let them live, and a daemon with a database of its own for each."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.engines.dev_server import QUEUE, DevServer, WorkerProcess
from tests.support.daemon import DaemonProcess, Plan, daemon_process
from tests.support.database import scratch_folder

from backfilld.clock import SystemClock
from backfilld.executors.secrets import SecretStore
from backfilld.executors.temporal.engine import TemporalEngine
from backfilld.executors.temporal.executor import TemporalExecutor
from backfilld.executors.temporal.terms import TemporalTerms


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
async def server(place: Path) -> AsyncIterator[DevServer]:
    """Nobody kills it."""
    server = DevServer(place)
    await server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
async def worker(place: Path, server: DevServer) -> AsyncIterator[WorkerProcess]:
    """Nobody kills it."""
    worker = WorkerProcess(place, server)
    await worker.start()
    yield worker
    worker.kill()


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@dataclass
class World:
    """A daemon whose workflow `enrich` runs on a server of Temporal."""

    daemon: DaemonProcess
    server: DevServer

    async def upload(self, attributes: dict[str, dict[str, Any]]) -> None:
        async def lines() -> AsyncIterator[bytes]:
            for id, each in attributes.items():
                yield json.dumps({"id": id, "attributes": each}).encode() + b"\n"

        await self.daemon.client.upload_entities("ticket", lines())

    async def create(self, **settings: Any) -> str:
        """A backfill of the workflow on Temporal, over all that was uploaded."""
        found = [one async for one in self.daemon.client.every("workflows", "/workflows") if one["name"] == "enrich"]
        return await self.daemon.create(target_workflow_id=found[0]["id"], **settings)

    async def reason(self, id: str) -> str | None:
        reason = (await self.daemon.backfill(id))["status_reason"]
        return None if reason is None else str(reason["code"])


def plan(
    server: DevServer,
    dsn: str,
    *,
    engine: str = "",
    timeout_seconds: int = 60,
    max_attempts: int = 3,
    queue: str = QUEUE,
    workflow_type: str = "Enrich",
    grace: float = 90,
) -> Plan:
    """The daemon's file."""
    more = f"""
[engines.main]
type = "temporal"
address = "{server.address}"
limits = {{ starts_per_second = 1000 }}
{engine}

[[workflows]]
name = "enrich"
timeout_seconds = {timeout_seconds}
max_attempts = {max_attempts}
[workflows.executor]
type = "temporal"
engine = "main"
task_queue = "{queue}"
workflow_type = "{workflow_type}"
"""
    limits = {
        "max_unrecorded": 100,
        "max_in_flight_limit": 200,
        "max_in_flight_total": 300,
        "shutdown_grace_seconds": grace,
    }
    return Plan("http://127.0.0.1:1", dsn, engine=limits, more=more)


@pytest.fixture
async def world_on(scratch: Path, dsn: str) -> AsyncIterator[Callable[..., Any]]:
    """`await world_on(server, **what is unusual)`: a daemon that runs."""
    made: list[Any] = []

    async def make(server: DevServer, *, starts: bool = True, **unusual: Any) -> World:
        context = daemon_process(scratch / "daemon", plan(server, dsn, **unusual))
        daemon = await context.__aenter__()
        made.append(context)
        await daemon.make_key()
        if starts:
            await daemon.start()
        return World(daemon, server)

    yield make
    for context in made:
        await context.__aexit__(None, None, None)


@pytest.fixture
async def executor_on() -> AsyncIterator[Callable[..., TemporalExecutor]]:
    """`executor_on(server)`: an executor without a daemon; an engine of its own each time."""
    engines: list[TemporalEngine] = []

    def make(
        server: DevServer | str,
        *,
        queue: str = QUEUE,
        workflow_type: str = "Enrich",
        secrets: SecretStore | None = None,
        **terms: Any,
    ) -> TemporalExecutor:
        address = server if isinstance(server, str) else server.address
        wanted = TemporalTerms(address, **{"starts_per_second": 1000.0, **terms})
        engine = TemporalEngine("main", wanted, secrets or SecretStore(), SystemClock(), lambda *_: None)
        engines.append(engine)
        return engine.executor(SimpleNamespace(task_queue=queue, workflow_type=workflow_type, final_types=[]))

    yield make
    for engine in engines:
        await engine.close()
