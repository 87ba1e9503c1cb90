"""Sessions and attempts over the dialect, as they are looked at."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from backfilld.api.digdag import shapes, task_shapes
from backfilld.api.digdag.times import MomentText
from backfilld.api.framework.reading.lenient_models import LastId, LenientQuery, Truth
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.operations.sessions.read import SessionReading

TAG = "digdag: sessions and attempts"


class OfProject(LastId):
    workflow: str | None = Field(None, description="only those of this workflow")


class ListAttempts(LastId):
    project: str | None = Field(None, description="name of a project")
    workflow: str | None = Field(None, description="name of a workflow of that project")
    include_retried: Truth = Field(False, description="all attempts, and not only the last one of each session")


class TruncateTime(LenientQuery):
    session_time: MomentText = Field(description="with an offset, or by the clock of the workflow's zone")
    mode: str | None = Field(None, description="second, minute, hour, day, schedule or next_schedule")


class SessionRoutes:
    """The handlers."""

    def __init__(self, reading: SessionReading) -> None:
        self._reading = reading

    async def sessions(self, asked: RequestContext[None, LastId]) -> Reply:
        query = asked.query
        return _sessions(await self._reading.sessions(below=query.last_id, limit=query.page_size))

    async def sessions_of_project(self, asked: RequestContext[None, OfProject]) -> Reply:
        query = asked.query
        found = await self._reading.sessions_of_project(
            asked.path["id"], workflow=query.workflow, below=query.last_id, limit=query.page_size
        )
        return _sessions(found)

    async def session(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(shapes.session(await self._reading.session(asked.path["id"])))

    async def attempts_of_session(self, asked: RequestContext[None, LastId]) -> Reply:
        query = asked.query
        found = await self._reading.attempts_of_session(asked.path["id"], below=query.last_id, limit=query.page_size)
        return _attempts(found)

    async def attempts(self, asked: RequestContext[None, ListAttempts]) -> Reply:
        query = asked.query
        found = await self._reading.attempts(
            project=query.project,
            workflow=query.workflow,
            include_retried=query.include_retried,
            below=query.last_id,
            limit=query.page_size,
        )
        return _attempts(found)

    async def attempt(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(shapes.attempt(await self._reading.attempt(asked.path["id"])))

    async def retries(self, asked: RequestContext[None, None]) -> Reply:
        return _attempts(await self._reading.retries(asked.path["id"]))

    async def tasks(self, asked: RequestContext[None, None]) -> Reply:
        attempt = await self._reading.attempt(asked.path["id"])
        return Reply(shapes.listed("tasks", [task_shapes.task(attempt, await self._reading.task_name(attempt))]))

    async def truncated(self, asked: RequestContext[None, TruncateTime]) -> Reply:
        query = asked.query
        found, at, timezone = await self._reading.truncated(asked.path["id"], query.session_time, query.mode)
        return Reply({
            "project": shapes.named(found.project_id, found.project_name),
            "revision": found.revision,
            "sessionTime": shapes.local(at, timezone),
            "timezone": timezone,
        })  # fmt: skip


def _sessions(found: Any) -> Reply:
    return Reply(shapes.listed("sessions", [shapes.session(one) for one in found]))


def _attempts(found: Any) -> Reply:
    return Reply(shapes.listed("attempts", [shapes.attempt(one) for one in found]))


def routes(reading: SessionReading) -> list[Route]:
    """For viewers."""
    does = SessionRoutes(reading)
    ids: Mapping[str, type] = {"id": int}
    session, attempt = "/api/sessions/{id}", "/api/attempts/{id}"
    many = shapes.AttemptsShape
    all_routes = [
        Route("GET", "/api/sessions", does.sessions, "viewer", "List sessions", shapes.SessionsShape, query=LastId),
        Route("GET", "/api/projects/{id}/sessions", does.sessions_of_project, "viewer",
              "List the sessions of a project", shapes.SessionsShape, query=OfProject, path_types=ids),
        Route("GET", session, does.session, "viewer", "Show a session", shapes.SessionShape, path_types=ids),
        Route("GET", session + "/attempts", does.attempts_of_session, "viewer", "List the attempts of a session",
              many, query=LastId, path_types=ids),
        Route("GET", "/api/attempts", does.attempts, "viewer", "List attempts", many, query=ListAttempts,
              errors=(404,)),
        Route("GET", attempt, does.attempt, "viewer", "Show an attempt", shapes.AttemptShape, path_types=ids),
        Route("GET", attempt + "/retries", does.retries, "viewer", "List the attempts of the same session", many,
              path_types=ids),
        Route("GET", attempt + "/tasks", does.tasks, "viewer", "List the tasks of an attempt",
              task_shapes.TasksShape, path_types=ids),
        Route("GET", "/api/workflows/{id}/truncated_session_time", does.truncated, "viewer",
              "The session time of an instant", shapes.TruncatedShape, query=TruncateTime, path_types=ids),
    ]  # fmt: skip
    return [replace(route, tag=TAG) for route in all_routes]
