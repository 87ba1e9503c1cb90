"""Items as workflow runs: start one, wait for its end, and say what became of it.

Whatever is awaited before a start (a connection, a turn) comes before the gate. A start counts as sent when it is
answered, and not before: until then it may still lie in a connection that is just being made anew.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.service import RPCError

from backfilld.clock import Clock
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.executors.answers.kept_logs import kept_log, with_reason
from backfilld.executors.base import Permit, Work
from backfilld.executors.secrets import SecretMissing
from backfilld.executors.temporal.connection import Connection
from backfilld.executors.temporal.documents import start_request
from backfilld.executors.temporal.endings import ending, gone, out_of_time
from backfilld.executors.temporal.failures import (
    MOST_PAYLOAD_BYTES,
    NotConnected,
    connecting_verdict,
    too_large,
)
from backfilld.executors.temporal.pace import StartPace
from backfilld.executors.temporal.queues import Queues
from backfilld.executors.temporal.starting import Run, started_run
from backfilld.executors.temporal.waiting import Waiting

log = logging.getLogger(__name__)

LAST_LOOK_SECONDS = 3.0
CANCEL_AGAIN_SECONDS = 0.5
CANCELS, CANCELS_OF_A_CUT_START = 2, 8  # times that it is asked for; all of them within what a stop may take


class Definition(Protocol):
    """What the executor needs of a workflow's definition."""

    task_queue: str
    workflow_type: str
    final_types: list[str]


class Parts(Protocol):
    """What all executors of one engine share."""

    target: str
    connection: Connection
    pace: StartPace
    waiting: Waiting
    queues: Queues
    clock: Clock


class TemporalExecutor:
    """One executor of one workflow revision. Its connection is the engine's, and is closed with that."""

    def __init__(self, definition: Definition, parts: Parts) -> None:
        self._definition = definition
        self._parts = parts
        self._cut: set[str] = set()  # keys of starts that were cut off before their answer: they may still arrive there

    @property
    def target(self) -> str:
        """The engine: what runs there shares its fate."""
        return self._parts.target

    def address(self, variables: Mapping[str, Any]) -> str:
        """The queue: whether it has workers is nobody else's business."""
        return self._definition.task_queue

    async def close(self) -> None:
        """The connection is the engine's."""

    async def stop(self, work: Work) -> None:
        """Ask the run to cancel itself; without waiting for its end."""
        key = work.idempotency_key
        times = CANCELS_OF_A_CUT_START if key in self._cut else CANCELS
        self._cut.discard(key)
        for left in reversed(range(times)):
            try:
                await self._parts.connection.cancel(key, "nobody wants it any more")
                return
            except (RPCError, NotConnected) as problem:
                if not left:
                    log.info("a run of %s was not cancelled: %s", self.target, problem)
                    return
            await self._parts.clock.sleep(CANCEL_AGAIN_SECONDS)

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        """Do it once; whatever happens after the gate is a verdict."""
        ends_at = asyncio.get_running_loop().time() + work.timeout_seconds
        request = await self._prepared(work)
        if isinstance(request, Verdict):
            return with_reason(request, work)
        permit.start()
        try:
            try:
                found = await started_run(self._parts.connection, request, work.attempt, self._parts.clock)
            except asyncio.CancelledError:
                self._cut.add(work.idempotency_key)
                raise
            finally:
                permit.sent()
            if isinstance(found, Verdict):
                if found.kind is VerdictKind.THROTTLED:
                    self._parts.pace.slow_down()
                return with_reason(found, work)
            return _logged(await self._end(work, found, ends_at), found, work)
        except Exception as problem:
            log.exception("a try on %s failed on its own account", self.target)
            text = clean_text(f"{type(problem).__name__}: {problem}", MESSAGE_BYTES)
            return with_reason(Verdict(VerdictKind.TRY_AGAIN, error_class="internal", error=text), work)

    async def _prepared(self, work: Work) -> StartWorkflowExecutionRequest | Verdict:
        """All that is awaited before the gate, and the start to be sent."""
        parts, definition = self._parts, self._definition
        terms = parts.connection.terms
        request = start_request(
            work,
            namespace=terms.namespace,
            identity=terms.identity,
            workflow_type=definition.workflow_type,
            task_queue=definition.task_queue,
        )
        if (size := request.ByteSize()) > MOST_PAYLOAD_BYTES:
            return too_large(size)
        try:
            await parts.connection.open()
        except NotConnected as problem:
            return connecting_verdict(problem)
        except SecretMissing as problem:
            return Verdict(VerdictKind.REFUSED, error_class="secret_missing", error=str(problem))
        await parts.pace.turn()
        return request

    async def _end(self, work: Work, run: Run, ends_at: float) -> Verdict:
        parts, queue = self._parts, self._definition.task_queue
        key = work.idempotency_key
        try:
            with parts.queues.waiting_on(queue):
                async with asyncio.timeout_at(ends_at):
                    event = await parts.waiting.closing_event(key, run.run_id)
        except TimeoutError:
            try:
                async with asyncio.timeout(LAST_LOOK_SECONDS):
                    event, _ = await parts.connection.closing(key, run.run_id, b"", wait=False)
            except (TimeoutError, RPCError, NotConnected, SecretMissing):
                event = None
            if event is None:
                return out_of_time(work.timeout_seconds)
        if event is None:
            return gone()
        return ending(event, self._definition.final_types, has_workers=parts.queues.has_workers(queue))


def _logged(verdict: Verdict, run: Run, work: Work) -> Verdict:
    if not work.wants_log:
        return verdict
    how = "started" if run.is_new else "found"
    said = verdict.error or verdict.message or verdict.result or verdict.kind.value
    return replace(verdict, log=kept_log(f"run {run.run_id} of {work.idempotency_key} was {how}\n{said}\n"))
