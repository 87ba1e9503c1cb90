"""One run per try: start it, find the one that was started already, or read the one that has ended.

A start may be repeated at will: the workflow's id is the item's key, and the request's id that of the try. Whoever
repeats it, after a lost answer or after a kill, is given the run that there is.
"""

from dataclasses import dataclass

from temporalio.api.enums.v1 import WorkflowExecutionStatus, WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionResponse,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)
from temporalio.service import RPCError, RPCStatusCode

from backfilld.clock import Clock
from backfilld.domain.backfills.verdicts import Verdict
from backfilld.executors.temporal.connection import Connection
from backfilld.executors.temporal.documents import ATTEMPT, attempt_in
from backfilld.executors.temporal.failures import (
    UNKNOWN_ENDS,
    NotConnected,
    connecting_verdict,
    is_about_namespace,
    never_sent,
    start_verdict,
    unreachable,
)

START_SECONDS = 9.0  # so long is a start repeated whose answer is not known; a pause waits no longer than 10 s for it
_FIRST_REPEAT_SECONDS = 0.2
_MOST_ROUNDS = 3
_COMPLETED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED
_RUNNING = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
_FAILED_ONLY = WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
_AlreadyStarted = RPCStatusCode.ALREADY_EXISTS


@dataclass(frozen=True, slots=True)
class Run:
    """A run of ours. `is_new`: it was started just now, or by an earlier request of the same try."""

    run_id: str
    is_new: bool


async def started_run(
    connection: Connection, request: StartWorkflowExecutionRequest, attempt: int, clock: Clock
) -> Run | Verdict:
    """The run of this try, or why there is none."""
    until = clock.monotonic() + START_SECONDS
    try:
        for _ in range(_MOST_ROUNDS):
            try:
                answer = await _asked(connection, request, until, clock)
                return Run(answer.run_id, answer.started)
            except RPCError as problem:
                if problem.status is not _AlreadyStarted:
                    return start_verdict(problem)
            found = await _latest(connection, request.workflow_id)
            if found is not None and _is_ours(found, attempt):
                return Run(found.workflow_execution_info.execution.run_id, False)
            request.workflow_id_reuse_policy = _FAILED_ONLY
    except NotConnected as problem:
        return connecting_verdict(problem)
    except RPCError as problem:
        return start_verdict(problem)
    return unreachable("others start and end runs of this item; it is tried again")


async def _latest(connection: Connection, workflow_id: str) -> DescribeWorkflowExecutionResponse | None:
    """The latest run; None if it has been removed meanwhile."""
    try:
        return await connection.describe(workflow_id)
    except RPCError as problem:
        if problem.status is RPCStatusCode.NOT_FOUND and not is_about_namespace(problem):
            return None
        raise


def _is_ours(found: DescribeWorkflowExecutionResponse, attempt: int) -> bool:
    """Whether the latest run is to be read or waited for, and is none of an earlier try that came to nothing."""
    info = found.workflow_execution_info
    return info.status in (_COMPLETED, _RUNNING) or attempt_in(info.memo.fields[ATTEMPT]) >= attempt


async def _asked(
    connection: Connection, request: StartWorkflowExecutionRequest, until: float, clock: Clock
) -> StartWorkflowExecutionResponse:
    """The answer to a start, which is repeated while nobody knows what came of it."""
    wait = _FIRST_REPEAT_SECONDS
    while True:
        left = max(0.1, until - clock.monotonic())
        try:
            return await connection.start(request, left)
        except RPCError as problem:
            if problem.status not in UNKNOWN_ENDS or never_sent(problem):
                raise
            if clock.monotonic() + wait >= until:
                raise
        await clock.sleep(wait)
        wait *= 2
