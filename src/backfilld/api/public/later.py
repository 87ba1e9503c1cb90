"""What the contract promises and this version does not do yet.

A caller is told so, instead of being left to wonder whether he mistyped a path. Who is asking is checked first, as
everywhere; the handlers are never called.
"""

from typing import Literal, NoReturn
from uuid import UUID

from backfilld.api.routing import Asked, Route
from backfilld.domain.callers import Role

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_Listed = tuple[Method, str, Role, str]

_BACKFILL = "/public-api/backfills/{id}"
PUBLIC: tuple[_Listed, ...] = (
    ("PATCH", _BACKFILL, "operator", "Change settings of a backfill"),
    ("POST", _BACKFILL + "/rerun", "operator", "Run items again, whatever became of them"),
    ("GET", _BACKFILL + "/errors", "viewer", "Errors by class"),
    ("GET", _BACKFILL + "/report", "viewer", "The ledger as CSV or JSON lines"),
    ("GET", _BACKFILL + "/explain", "viewer", "Why nothing, or not more, is starting"),
)
DIGDAG: tuple[_Listed, ...] = (
    ("GET", "/api/projects", "viewer", "List projects"),
    ("PUT", "/api/projects", "admin", "Push a project"),
    ("GET", "/api/projects/{id}", "viewer", "Show a project"),
    ("DELETE", "/api/projects/{id}", "admin", "Delete a project"),
    ("GET", "/api/projects/{id}/revisions", "viewer", "List the revisions of a project"),
    ("GET", "/api/projects/{id}/archive", "viewer", "Download a project"),
    ("GET", "/api/projects/{id}/secrets", "admin", "List the secrets of a project"),
    ("PUT", "/api/projects/{id}/secrets/{key}", "admin", "Set a secret"),
    ("DELETE", "/api/projects/{id}/secrets/{key}", "admin", "Delete a secret"),
    ("GET", "/api/projects/{id}/workflows", "viewer", "List the workflows of a project"),
    ("GET", "/api/projects/{id}/workflows/{name}", "viewer", "Show a workflow of a project"),
    ("GET", "/api/projects/{id}/schedules", "viewer", "List the schedules of a project"),
    ("GET", "/api/projects/{id}/sessions", "viewer", "List the sessions of a project"),
    ("GET", "/api/workflows", "viewer", "List workflows"),
    ("GET", "/api/workflows/{id}", "viewer", "Show a workflow"),
    ("GET", "/api/workflows/{id}/truncated_session_time", "viewer", "The session time of an instant"),
    ("GET", "/api/schedules", "viewer", "List schedules"),
    ("GET", "/api/schedules/{id}", "viewer", "Show a schedule"),
    ("POST", "/api/schedules/{id}/enable", "operator", "Enable a schedule"),
    ("POST", "/api/schedules/{id}/disable", "operator", "Disable a schedule"),
    ("POST", "/api/schedules/{id}/skip", "operator", "Skip sessions of a schedule"),
    ("POST", "/api/schedules/{id}/backfill", "operator", "Run a schedule for past times"),
    ("GET", "/api/sessions", "viewer", "List sessions"),
    ("GET", "/api/sessions/{id}", "viewer", "Show a session"),
    ("GET", "/api/sessions/{id}/attempts", "viewer", "List the attempts of a session"),
    ("GET", "/api/attempts", "viewer", "List attempts"),
    ("PUT", "/api/attempts", "operator", "Start an attempt"),
    ("GET", "/api/attempts/{id}", "viewer", "Show an attempt"),
    ("GET", "/api/attempts/{id}/retries", "viewer", "List the retries of an attempt"),
    ("GET", "/api/attempts/{id}/tasks", "viewer", "List the tasks of an attempt"),
    ("POST", "/api/attempts/{id}/kill", "operator", "Kill an attempt"),
    ("GET", "/api/logs/{id}/files", "viewer", "List the log files of an attempt"),
    ("GET", "/api/logs/{id}/files/{name}", "viewer", "Read a log file of an attempt"),
)


async def _never(_: Asked[None, None]) -> NoReturn:
    raise NotImplementedError


def routes(implemented: tuple[tuple[str, str], ...] = ()) -> list[Route]:
    """All of them but those (method, path) that somebody else serves by now."""
    return [
        Route(
            method, path, _never, role, summary, None, tag="Not yet", supported=False,
            path_types={"id": int if path.startswith("/api/") else UUID} if "{id}" in path else {},
        )
        for method, path, role, summary in (*PUBLIC, *DIGDAG)
        if (method, path) not in implemented
    ]  # fmt: skip
