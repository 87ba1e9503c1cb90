"""Projects over the dialect: pushed, looked at, downloaded, deleted; and their secrets."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web
from pydantic import Field

from backfilld.api.digdag import project_shapes as shapes
from backfilld.api.digdag.shapes import listed, named
from backfilld.api.digdag.times import Moment
from backfilld.api.framework.reading import request_body
from backfilld.api.framework.reading.fields import LARGEST_ID
from backfilld.api.framework.reading.lenient_models import LARGEST_PAGE, PAGE_SIZE, LenientBody, LenientQuery, Truth
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.domain.errors import NotFound
from backfilld.operations.projects import ProjectOperations, PushRequest
from backfilld.store.admin.projects import ProjectFilter

TAG = "digdag: projects"
GZIP = "application/gzip"
ARCHIVES = {kind: {"type": "string", "format": "binary"} for kind in (GZIP, "application/x-gzip")}


class ListProjects(LenientQuery):
    """Which projects, and how many."""

    name: str | None = Field(None, description="the one of this name; an unknown name gives an empty list")
    name_pattern: str | None = Field(None, description="a part of the name")
    last_id: int | None = Field(None, ge=0, le=LARGEST_ID, description="the id of the last one seen; exclusive")
    count: int = Field(PAGE_SIZE, ge=1, le=LARGEST_PAGE, description="how many to answer with")


class PushQuery(LenientQuery):
    """What is pushed, and what becomes of its schedules."""

    project: str = Field(description="name of the project; it is made if there is none")
    revision: str = Field(description="name of this push, unique within the project")
    schedule_from: Moment | None = Field(
        None, description="where schedules begin that have not fired yet; default: now"
    )
    clear_schedule: list[str] = Field(
        default_factory=list, description="workflows whose schedule forgets what it has fired and skipped"
    )
    clear_schedule_all: Truth = Field(False, description="the same for all of them")
    skip_schedule: Truth = Field(
        True,
        description="a schedule that says something else goes on from now; false: what should have run since it last"
        " fired, by what it says now, runs at once",
    )


class ListRevisions(LenientQuery):
    name: str | None = Field(None, description="only the revision of this name")
    last_id: int | None = Field(None, ge=0, le=LARGEST_ID, description="accepted, as digdag does")
    count: int | None = Field(None, ge=1, le=LARGEST_PAGE, description="how many to answer with; default: all")


class ArchiveQuery(LenientQuery):
    revision: str | None = Field(None, description="default: the newest")
    direct_download: Truth = Field(False, description="accepted; the archive always comes from here")


class PutSecret(LenientBody):
    value: str = Field(description="what the secret is from now on; it is never shown again")


class ProjectRoutes:
    """The handlers."""

    def __init__(self, operations: ProjectOperations, max_body_bytes: int) -> None:
        self._operations = operations
        self._store = operations.store
        self._max_body_bytes = max_body_bytes

    async def list(self, asked: RequestContext[None, ListProjects]) -> Reply:
        query = asked.query
        wanted = ProjectFilter(name=query.name, part=query.name_pattern, last_id=query.last_id)
        found = await self._store.list_projects(wanted, query.count)
        return Reply(listed("projects", [shapes.project(one) for one in found]))

    async def push(self, asked: RequestContext[None, PushQuery]) -> Reply:
        query = asked.query
        archive = await request_body.read_body(asked.http, self._max_body_bytes)
        request = PushRequest(
            project=query.project,
            revision=query.revision,
            archive=archive,
            schedule_from=query.schedule_from,
            skip_schedule=query.skip_schedule,
            clear=tuple(query.clear_schedule),
            clear_all=query.clear_schedule_all,
        )
        return Reply(shapes.project(await self._operations.push(asked.actor, request)))

    async def show(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(shapes.project(await self._operations.get(asked.path["id"])))

    async def delete(self, asked: RequestContext[None, None]) -> Reply:
        return Reply(shapes.project(await self._operations.delete(asked.actor, asked.path["id"])))

    async def revisions(self, asked: RequestContext[None, ListRevisions]) -> Reply:
        query, project = asked.query, await self._operations.get(asked.path["id"])
        found = await self._store.list_pushes(project.id, name=query.name, last_id=query.last_id, limit=query.count)
        return Reply(listed("revisions", [shapes.revision(push) for push in found]))

    async def archive(self, asked: RequestContext[None, ArchiveQuery]) -> web.Response:
        project = await self._operations.get(asked.path["id"])
        archive = await self._store.find_archive(project.id, asked.query.revision)
        if archive is None:
            revision = asked.query.revision
            which = "nothing was pushed to it" if revision is None else f"no revision {revision[:255]!r} was pushed"
            raise NotFound(f"the project {project.name!r} has no archive: {which}")
        return web.Response(body=archive, content_type=GZIP)

    async def list_secrets(self, asked: RequestContext[None, None]) -> Reply:
        project = await self._operations.get(asked.path["id"])
        keys = await self._store.list_secret_keys(project.id)
        return Reply(listed("secrets", [{"key": key} for key in keys]))

    async def put_secret(self, asked: RequestContext[PutSecret, None]) -> Reply:
        await self._operations.put_secret(asked.actor, asked.path["id"], asked.path["key"], asked.body.value)
        return await self._secret(asked)

    async def delete_secret(self, asked: RequestContext[None, None]) -> Reply:
        await self._operations.delete_secret(asked.actor, asked.path["id"], asked.path["key"])
        return await self._secret(asked)

    async def _secret(self, asked: RequestContext[Any, None]) -> Reply:
        project = await self._operations.get(asked.path["id"])
        return Reply({"key": asked.path["key"], "project": named(project.id, project.name)})


def routes(operations: ProjectOperations, *, max_body_bytes: int) -> list[Route]:
    """Viewers look, administrators push."""
    does = ProjectRoutes(operations, max_body_bytes)
    ids: Mapping[str, type] = {"id": int}
    one, secrets, secret = "/api/projects/{id}", "/api/projects/{id}/secrets", "/api/projects/{id}/secrets/{key}"
    all_routes = [
        Route("GET", "/api/projects", does.list, "viewer", "List projects", shapes.ProjectsShape, query=ListProjects),
        Route("PUT", "/api/projects", does.push, "admin", "Push a project", shapes.ProjectShape, query=PushQuery,
              raw_body=ARCHIVES, errors=(408, 409), description=_PUSH),
        Route("GET", one, does.show, "viewer", "Show a project", shapes.ProjectShape, path_types=ids),
        Route("DELETE", one, does.delete, "admin", "Delete a project", shapes.ProjectShape, path_types=ids,
              errors=(409,), description="Its schedules go; sessions, attempts and logs can still be read."),
        Route("GET", one + "/revisions", does.revisions, "viewer", "List the revisions of a project",
              shapes.RevisionsShape, query=ListRevisions, path_types=ids, description="Newest first."),
        Route("GET", one + "/archive", does.archive, "viewer", "Download a project", None, query=ArchiveQuery,
              path_types=ids, streams=True, content_type=GZIP, description="Byte for byte as it was pushed."),
        Route("GET", secrets, does.list_secrets, "admin", "List the secrets of a project", shapes.SecretsShape,
              path_types=ids, description="Keys only."),
        Route("PUT", secret, does.put_secret, "admin", "Set a secret", shapes.SecretOfProjectShape, body=PutSecret,
              path_types=ids),
        Route("DELETE", secret, does.delete_secret, "admin", "Delete a secret", shapes.SecretOfProjectShape,
              path_types=ids),
    ]  # fmt: skip
    return [replace(route, tag=TAG) for route in all_routes]


_PUSH = (
    "A gzip tar of the project. Each file *.dig at its top is a workflow; whatever in them does not run here is"
    " answered with its file and line, all at once, and then nothing is changed."
)
