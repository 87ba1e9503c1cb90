"""How it is known that a run has ended: by a long poll each, and by turns for those that are too many for that.

Nothing that happens to the connection ends a wait: it is asked again until the run has ended, or is gone.
"""

import random
from collections.abc import Callable
from functools import partial

from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus
from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import RPCError, RPCStatusCode

from backfilld.clock import Clock
from backfilld.executors.secrets import SecretMissing
from backfilld.executors.temporal.connection import Connection
from backfilld.executors.temporal.failures import NotConnected, is_about_namespace
from backfilld.executors.temporal.outage import Outage

FIRST_TURN_SECONDS = 2.0
TURN_SECONDS = 10.0
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
_EXHAUSTED, _NOT_FOUND = RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.NOT_FOUND
_AWAY = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED})
_OVER = (NotConnected, RPCError, SecretMissing)
_RUNNING = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING


class Waiting:
    """All waits of one engine. At most `most` have a long poll; fewer, where the server allows no more."""

    def __init__(
        self, connection: Connection, outage: Outage, most: int, clock: Clock, draw: Callable[[], float] = random.random
    ) -> None:
        self._connection = connection
        self._outage = outage
        self._most = most
        self._allowed = most
        self._clock = clock
        self._draw = draw
        self.polling = 0
        self.waiting = 0

    async def closing_event(self, workflow_id: str, run_id: str) -> HistoryEvent | None:
        """The event that closed the run, or the last of those that followed it; None: it is gone."""
        self.waiting += 1
        try:
            while True:
                event = await self._closed(workflow_id, run_id)
                following = None if event is None else await self._following(event, workflow_id, run_id)
                if following is None:
                    return event
                run_id = following
        finally:
            self.waiting -= 1

    async def _closed(self, workflow_id: str, run_id: str) -> HistoryEvent | None:
        token, wait, turn = b"", FIRST_WAIT_SECONDS, FIRST_TURN_SECONDS
        while True:
            polls = self.polling < self._allowed
            if not polls:
                await self._clock.sleep(turn * (0.8 + 0.4 * self._draw()))
                turn = min(turn * 2, TURN_SECONDS)
            self.polling += polls
            try:
                event, token = await self._connection.closing(workflow_id, run_id, token, wait=polls)
                if event is not None:
                    self._allowed = min(self._most, self._allowed + polls)
                    return event
                wait = FIRST_WAIT_SECONDS
                continue
            except _OVER as problem:
                if _is_gone(problem):
                    return None
                trouble = problem
            finally:
                self.polling -= polls
            token = b""
            if not isinstance(trouble, RPCError) or trouble.status in _AWAY:
                await self._outage.over(str(trouble), partial(self._answer_to, workflow_id, run_id))
                continue
            # All else may be about this run alone, and holds nobody else.
            if polls and trouble.status is _EXHAUSTED and "poller" in trouble.message.lower():
                self._allowed = max(1, min(self._allowed, self.polling))
            await self._clock.sleep(wait * (0.5 + self._draw()))
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    async def _answer_to(self, workflow_id: str, run_id: str) -> None:
        """Return if the server answers a question about that run; that it is gone is an answer, too."""
        try:
            await self._connection.describe(workflow_id, run_id)
        except RPCError as problem:
            if problem.status in _AWAY:
                raise

    async def _following(self, event: HistoryEvent, workflow_id: str, run_id: str) -> str | None:
        """The run that went on where that one ended: it continued as new, was tried again or reset there."""
        kind = event.event_type
        if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
            return event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id or None
        if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
            return event.workflow_execution_completed_event_attributes.new_execution_run_id or None
        if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
            return event.workflow_execution_failed_event_attributes.new_execution_run_id or None
        if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
            return event.workflow_execution_timed_out_event_attributes.new_execution_run_id or None
        if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
            return await self._reset_to(workflow_id, run_id)
        return None

    async def _reset_to(self, workflow_id: str, run_id: str) -> str | None:
        try:
            latest = (await self._connection.describe(workflow_id)).workflow_execution_info
        except _OVER:
            return None
        other = latest.execution.run_id
        return other if other != run_id and latest.status == _RUNNING else None


def _is_gone(problem: Exception) -> bool:
    return isinstance(problem, RPCError) and problem.status is _NOT_FOUND and not is_about_namespace(problem)
