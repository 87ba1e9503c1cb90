"""One connection to a Temporal server, shared by everything that runs there.

It is made when it is first needed, by one for all who wait, and made anew when a secret of it has changed. No call is
repeated here: whoever makes one knows what an error means for it.
"""

import asyncio
from datetime import timedelta
from functools import cache

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, HistoryEventFilterType, TaskQueueType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    DescribeTaskQueueRequest,
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetSystemInfoRequest,
    GetWorkflowExecutionHistoryRequest,
    RequestCancelWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import ConnectConfig, ServiceClient, TLSConfig, WorkflowService

from backfilld.executors.secrets import SecretStore
from backfilld.executors.temporal.failures import NotConnected, not_connected
from backfilld.executors.temporal.terms import TemporalTerms

CONNECT_SECONDS = 10.0
CALL_SECONDS = 10.0
LONG_POLL_SECONDS = 70.0  # a server answers within 20 s, even if nothing has happened


@cache
def _runtime() -> Runtime:
    """Without the library's own log lines: what goes wrong is told by whoever asked."""
    return Runtime(telemetry=TelemetryConfig(logging=None), worker_heartbeat_interval=None)


class Connection:
    """The calls that are made. They raise `NotConnected`, `RPCError`, and `SecretMissing` where one is needed."""

    def __init__(self, terms: TemporalTerms, secrets: SecretStore) -> None:
        self.terms = terms
        self._secrets = secrets
        self._service: WorkflowService | None = None
        self._connecting: asyncio.Task[WorkflowService] | None = None
        self._version = -1

    async def open(self) -> WorkflowService:
        """Be connected; at once if we are."""
        if self._service is not None and self._version == self._secrets.version:
            return self._service
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect(), name=f"temporal/{self.terms.address}")
            self._connecting.add_done_callback(_look_at)
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> WorkflowService:
        version, address = self._secrets.version, self.terms.address
        config = self._config()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await ServiceClient.connect(config)
        except TimeoutError:
            raise NotConnected(f"{address}: no connection within {CONNECT_SECONDS:g} s") from None
        except (RuntimeError, ValueError) as problem:  # all that the library tells of it
            tls = self.terms.tls
            raise not_connected(problem, address, shows_nothing=tls is not None and not tls.certificate) from problem
        self._service, self._version = client.workflow_service, version
        return self._service

    def _config(self) -> ConnectConfig:
        terms, tls = self.terms, self.terms.tls
        return ConnectConfig(
            target_host=terms.address,
            api_key=None if terms.api_key is None else self._secrets.get(terms.api_key).present,
            tls=terms.api_key is not None
            if tls is None
            else TLSConfig(
                server_root_ca_cert=tls.ca,
                domain=tls.server_name,
                client_cert=self._pem(tls.certificate),
                client_private_key=self._pem(tls.key),
            ),
            identity=terms.identity,
            runtime=_runtime(),
            connect_timeout=timedelta(seconds=CONNECT_SECONDS),
        )

    def _pem(self, secret: str | None) -> bytes | None:
        return None if secret is None else "\n".join((*self._secrets.get(secret).reveal(), "")).encode()

    async def start(self, request: StartWorkflowExecutionRequest, seconds: float) -> StartWorkflowExecutionResponse:
        """Start a run, or get the one that there is. Be connected before: then nothing is awaited before it is sent."""
        service = self._service or await self.open()
        return await service.start_workflow_execution(request, timeout=timedelta(seconds=seconds))

    async def describe(self, workflow_id: str, run_id: str = "") -> DescribeWorkflowExecutionResponse:
        """A run; the latest one, if none is named."""
        request = DescribeWorkflowExecutionRequest(
            namespace=self.terms.namespace, execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
        )
        return await (await self.open()).describe_workflow_execution(request, timeout=_CALL)

    async def closing(
        self, workflow_id: str, run_id: str, token: bytes, *, wait: bool
    ) -> tuple[HistoryEvent | None, bytes]:
        """The event that closed a run, or None and a token for the next question. `wait`: for it, as long as may be."""
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self.terms.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            next_page_token=token,
            wait_new_event=wait,
            history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
        )
        timeout = timedelta(seconds=LONG_POLL_SECONDS) if wait else _CALL
        answer = await (await self.open()).get_workflow_execution_history(request, timeout=timeout)
        last = answer.history.events[-1] if answer.history.events else None
        return (last if last is not None and last.event_type in _CLOSING else None), answer.next_page_token

    async def cancel(self, workflow_id: str, reason: str) -> None:
        """Ask the run that is under way to stop."""
        request = RequestCancelWorkflowExecutionRequest(
            namespace=self.terms.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            identity=self.terms.identity,
            reason=reason,
        )
        await (await self.open()).request_cancel_workflow_execution(request, timeout=timedelta(seconds=2))

    async def pollers(self, queue: str) -> list[PollerInfo]:
        """Who asked a queue for work in the last minutes."""
        request = DescribeTaskQueueRequest(
            namespace=self.terms.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        return list((await (await self.open()).describe_task_queue(request, timeout=_CALL)).pollers)

    async def namespace(self) -> DescribeNamespaceResponse:
        """What there is to know of ours."""
        request = DescribeNamespaceRequest(namespace=self.terms.namespace)
        return await (await self.open()).describe_namespace(request, timeout=_CALL)

    async def version(self) -> str:
        """The server's. Whoever gets it knows that somebody answers."""
        answer = await (await self.open()).get_system_info(GetSystemInfoRequest(), timeout=_CALL)
        return answer.server_version

    async def close(self) -> None:
        """Let go of it."""
        connecting, self._connecting, self._service = self._connecting, None, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)


_CALL = timedelta(seconds=CALL_SECONDS)
_CLOSING = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    }
)


def _look_at(task: asyncio.Task[WorkflowService]) -> None:
    """Nobody may be left who waits for it."""
    if not task.cancelled():
        task.exception()
