"""An executor over a server that answers as a test says, call by call."""

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse, StartWorkflowExecutionResponse
from temporalio.service import RPCError, RPCStatusCode
from tests.support.executing import HurryingClock

from backfilld.executors.definitions.engines import TemporalExecutor as Definition
from backfilld.executors.secrets import SecretStore
from backfilld.executors.temporal.engine import TemporalEngine
from backfilld.executors.temporal.terms import TemporalTerms


def error(status: RPCStatusCode, message: str = "no") -> RPCError:
    return RPCError(message, status, b"")


def started(run_id: str = "r1", *, new: bool = True) -> StartWorkflowExecutionResponse:
    return StartWorkflowExecutionResponse(run_id=run_id, started=new)


def described(status: str, attempt: int | None = None, run_id: str = "r1") -> DescribeWorkflowExecutionResponse:
    found = DescribeWorkflowExecutionResponse()
    info = found.workflow_execution_info
    info.status = WorkflowExecutionStatus.Value(f"WORKFLOW_EXECUTION_STATUS_{status}")
    info.execution.run_id = run_id
    if attempt is not None:
        info.memo.fields["backfilld_attempt"].data = str(attempt).encode()
    return found


def completed(data: bytes | None = None, encoding: bytes = b"json/plain") -> HistoryEvent:
    event = HistoryEvent(event_id=5, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED)
    if data is not None:
        payload = Payload(metadata={"encoding": encoding}, data=data)
        event.workflow_execution_completed_event_attributes.result.payloads.append(payload)
    return event


def failed(type: str = "Trouble", message: str = "no", *, final: bool = False, nested: int = 0) -> HistoryEvent:
    failure = Failure(message=message)
    failure.application_failure_info.type = type
    failure.application_failure_info.non_retryable = final
    for _ in range(nested):
        outer = Failure(message="activity failed")
        outer.activity_failure_info.activity_id = "1"
        outer.cause.CopyFrom(failure)
        failure = outer
    event = HistoryEvent(event_id=5, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED)
    event.workflow_execution_failed_event_attributes.failure.CopyFrom(failure)
    return event


class Script:
    """What the server answers to each kind of call, the last answer for ever; and what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, deque[Any]] = {}
        self.asked: list[tuple[str, Any]] = []

    def put(self, call: str, *answers: Any) -> None:
        self.answers[call] = deque(answers)

    def calls(self, name: str) -> list[Any]:
        return [what for call, what in self.asked if call == name]

    async def answer(self, call: str, what: Any) -> Any:
        self.asked.append((call, what))
        left = self.answers.get(call, deque())
        found = left[0] if len(left) == 1 else left.popleft() if left else None
        if callable(found):
            found = await found()
        if isinstance(found, BaseException):
            raise found
        return found


class ScriptedConnection:
    """`Connection`, whose server is a script."""

    def __init__(self, terms: TemporalTerms, script: Script) -> None:
        self.terms = terms
        self.script = script

    async def open(self):
        await self.script.answer("open", None)

    async def start(self, request, seconds):
        copy = type(request)()
        copy.CopyFrom(request)
        return await self.script.answer("start", copy)

    async def describe(self, workflow_id, run_id=""):
        return await self.script.answer("describe", workflow_id)

    async def closing(self, workflow_id, run_id, token, *, wait):
        found = await self.script.answer("closing", SimpleNamespace(run_id=run_id, wait=wait, token=token))
        return found if isinstance(found, tuple) else (found, b"")

    async def cancel(self, workflow_id, reason):
        await self.script.answer("cancel", workflow_id)

    async def pollers(self, queue):
        return await self.script.answer("pollers", queue) or []

    async def version(self):
        return await self.script.answer("version", None)

    async def namespace(self):
        return await self.script.answer("namespace", None)

    async def close(self):
        pass


@pytest.fixture
def script() -> Script:
    script = Script()
    script.put("start", started())
    script.put("closing", completed())
    return script


@pytest.fixture
def held() -> list[Any]:
    """What was told to stand in the way of starts."""
    return []


@pytest.fixture
async def engine(script, held):
    engine = TemporalEngine(
        "main", TemporalTerms("nowhere:7233", starts_per_second=1e6), SecretStore(), HurryingClock(),
        lambda *told: held.append(told),
    )  # fmt: skip
    connection = ScriptedConnection(engine.connection.terms, script)
    engine.connection = engine.waiting._connection = engine.queues._connection = connection
    yield engine
    await engine.close()


@pytest.fixture
def executor(engine):
    definition = Definition(
        type="temporal", engine="main", task_queue="enrich", workflow_type="Enrich", final_types=["Fatal"]
    )
    return engine.executor(definition)
