"""Starting and killing over the dialect.

A start that meets an attempt of the same name is answered 409 with that attempt as the body, and no message: clients
read it out of there.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from backfilld.api.digdag import shapes
from backfilld.api.digdag.times import MomentText
from backfilld.api.framework.reading.lenient_models import AnyId, LenientBody
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.domain.errors import Fault, Invalid
from backfilld.domain.sessions.records import AttemptStatus
from backfilld.operations.sessions.attempts import AttemptExists, AttemptOperations
from backfilld.operations.sessions.read import SessionReading

TAG = "digdag: sessions and attempts"


class Resume(LenientBody):
    """Where a retry goes on. A workflow has one task, so that is where it begins in any case."""

    mode: str = Field(description="failed or from")
    attempt_id: AnyId | None = Field(None, description="the attempt that is retried")
    from_: str | None = Field(None, alias="from", description="a task")


class StartAttempt(LenientBody):
    """Which session of which workflow to run, and under which name."""

    workflow_id: AnyId | None = Field(None, description="of a workflow, or of one of its revisions")
    project_name: str | None = Field(None, description="with workflowName, in place of workflowId")
    workflow_name: str | None = None
    session_time: MomentText = Field(description="with its offset; cut to whole seconds")
    params: dict[str, Any] | None = None
    retry_attempt_name: str | None = Field(None, description="another name is another attempt of the same session")
    resume: Resume | None = None


class KillAttempt(LenientBody):
    """No keys."""


class AttemptRoutes:
    """The handlers."""

    def __init__(self, operations: AttemptOperations, reading: SessionReading) -> None:
        self._operations = operations
        self._reading = reading

    async def start(self, asked: RequestContext[StartAttempt, None]) -> Reply:
        body = asked.body
        workflow_id = await self._workflow(body)
        if body.resume is not None:
            await self._check_resume(body.resume)
        try:
            attempt = await self._operations.start(
                asked.actor,
                workflow_id=workflow_id,
                session_time=body.session_time,
                params=body.params,
                name=body.retry_attempt_name,
            )
        except AttemptExists as conflict:
            return Reply(shapes.attempt(conflict.attempt), status=409)
        return Reply(shapes.attempt(attempt), warnings=await self._reading.warnings(attempt))

    async def kill(self, asked: RequestContext[KillAttempt | None, None]) -> Reply:
        attempt = await self._operations.kill(asked.actor, asked.path["id"])
        return Reply(shapes.attempt(attempt))

    async def _workflow(self, body: StartAttempt) -> int:
        if body.workflow_id is not None:
            return body.workflow_id
        if body.project_name is None or body.workflow_name is None:
            raise Invalid([Fault("/workflowId", "missing", "is required, or projectName and workflowName")])
        return await self._reading.workflow_named(body.project_name, body.workflow_name)

    async def _check_resume(self, resume: Resume) -> None:
        if resume.mode not in ("failed", "from"):
            message = f"must be 'failed' or 'from', not {resume.mode[:40]!r}"
            raise Invalid([Fault("/resume/mode", "invalid_value", message, ("failed", "from"))])
        if resume.attempt_id is None:
            return
        attempt = await self._reading.attempt(resume.attempt_id)
        if resume.mode == "failed" and attempt.status is AttemptStatus.SUCCESS:
            message = f"attempt {attempt.id} has succeeded: no task of it has failed"
            raise Invalid([Fault("/resume/attemptId", "nothing_to_resume", message)])
        task = await self._reading.task_name(attempt)
        if resume.from_ is not None and resume.from_ not in (task, f"+{attempt.workflow_name}"):
            message = f"there is no task {resume.from_[:100]!r}; the one there is, is {task!r}"
            raise Invalid([Fault("/resume/from", "invalid_value", message, (task,))])


def routes(operations: AttemptOperations, reading: SessionReading) -> list[Route]:
    """For operators."""
    does = AttemptRoutes(operations, reading)
    ids: Mapping[str, type] = {"id": int}
    all_routes = [
        Route("PUT", "/api/attempts", does.start, "operator", "Start an attempt", shapes.AttemptShape,
              body=StartAttempt, errors=(404,), same_shape=(409,),
              description="409 with the attempt that is there, if the session has one of that name. A session time"
              " that the workflow's schedule does not have is taken, and told in the header X-Backfilld-Warning."),
        Route("POST", "/api/attempts/{id}/kill", does.kill, "operator", "Kill an attempt", shapes.AttemptShape,
              body=KillAttempt, body_optional=True, path_types=ids, errors=(409,),
              description="What waits is killed at once; what runs is cut off."),
    ]  # fmt: skip
    return [replace(route, tag=TAG) for route in all_routes]
