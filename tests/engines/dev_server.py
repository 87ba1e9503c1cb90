"""Temporal's development server and a worker, each in a process of its own, to be killed and started again."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, ListWorkflowExecutionsRequest
from temporalio.service import RPCError
from tests.support.waiting import eventually

from backfilld.executors.secrets import SecretStore
from backfilld.executors.temporal.connection import Connection
from backfilld.executors.temporal.failures import NotConnected
from backfilld.executors.temporal.terms import TemporalTerms

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("temporal")
UP_SECONDS = 60.0
QUEUE = "enrich"


class Child:
    """A process of ours: dead when `kill` returns."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, *argv: str) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])


class DevServer(Child):
    """One server with its file; `limits` are dynamic configuration."""

    def __init__(self, folder: Path, limits: Mapping[str, Any] | None = None) -> None:
        super().__init__(folder / "temporal.log")
        self._ports = free_ports(3)
        self._file = folder / "temporal.db"
        self._limits = dict(limits or {})
        self._connection: Connection | None = None

    def disk_bytes(self) -> int:
        """What its file takes, with what is not written into it yet."""
        return sum(file.stat().st_size for file in self._file.parent.glob(f"{self._file.name}*"))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._ports[0]}"

    async def start(self) -> None:
        port, http, metrics = map(str, self._ports)
        words = [f"{name}={value}" for name, value in self._limits.items()]
        self.begin(
            str(PROGRAM), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port, "--http-port", http,
            "--metrics-port", metrics, "--db-filename", str(self._file), "--log-level", "error",
            *(part for word in words for part in ("--dynamic-config-value", word)),
        )  # fmt: skip

        async def answers() -> bool:
            assert self.is_running, self.tail()
            with suppress(NotConnected, RPCError):
                await self.connection.namespace()
                return True
            return False

        await eventually(answers, seconds=UP_SECONDS)

    @property
    def connection(self) -> Connection:
        """Ours, for questions."""
        if self._connection is None:
            self._connection = Connection(TemporalTerms(self.address), SecretStore())
        return self._connection

    async def runs(self, prefix: str) -> dict[str, list[str]]:
        """Each workflow whose id begins so, with how its runs ended, the earliest first."""
        found: dict[str, list[tuple[int, str]]] = defaultdict(list)
        token = b""
        while True:
            request = ListWorkflowExecutionsRequest(
                namespace="default", page_size=500, next_page_token=token, query=f"WorkflowId STARTS_WITH '{prefix}'"
            )
            answer = await (await self.connection.open()).list_workflow_executions(request)
            for run in answer.executions:
                status = WorkflowExecutionStatus.Name(run.status).removeprefix("WORKFLOW_EXECUTION_STATUS_")
                found[run.execution.workflow_id].append((run.start_time.ToNanoseconds(), status.lower()))
            token = answer.next_page_token
            if not token:
                return {key: [status for _, status in sorted(runs)] for key, runs in found.items()}

    async def ended(self, prefix: str, count: int) -> dict[str, list[str]]:
        """As `runs`, once so many workflows are listed and none runs: the list is a moment late."""

        async def listed() -> dict[str, list[str]] | None:
            found = await self.runs(prefix)
            done = len(found) == count and all("running" not in runs for runs in found.values())
            return found if done else None

        found = await eventually(listed, seconds=20)
        assert found is not None
        return found

    async def has_worker(self, queue: str = QUEUE) -> bool:
        """Asked a few times a second: a namespace that throttles has no more to give."""
        await asyncio.sleep(0.2)
        request = DescribeTaskQueueRequest(namespace="default", task_queue_type=1)
        request.task_queue.name = queue
        with suppress(NotConnected, RPCError):
            return bool((await (await self.connection.open()).describe_task_queue(request)).pollers)
        return False


class WorkerProcess(Child):
    """A worker on `queue`."""

    def __init__(self, folder: Path, server: DevServer, queue: str = QUEUE) -> None:
        super().__init__(folder / f"worker-{queue}.log")
        self._server = server
        self._queue = queue

    async def start(self) -> None:
        self.begin(sys.executable, "-m", "tests.engines.worker", self._server.address, self._queue)
        await eventually(lambda: self._server.has_worker(self._queue), seconds=UP_SECONDS)


def counted(runs: Mapping[str, list[str]]) -> Counter[tuple[str, ...]]:
    """How many workflows have runs that ended so."""
    return Counter(tuple(each) for each in runs.values())


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
