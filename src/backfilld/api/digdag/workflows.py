"""Workflows over the dialect: of one project, and of all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from backfilld.api.digdag import project_shapes as shapes
from backfilld.api.digdag.shapes import listed
from backfilld.api.framework.reading.fields import LARGEST_ID
from backfilld.api.framework.reading.lenient_models import LARGEST_PAGE, PAGE_SIZE, LenientQuery, Truth
from backfilld.api.framework.routing import Reply, RequestContext, Route
from backfilld.domain.errors import NotFound
from backfilld.operations.projects import ProjectOperations
from backfilld.store.admin.projects import WorkflowFilter, WorkflowRevision

TAG = "digdag: workflows"


class ListWorkflows(LenientQuery):
    """Which workflows, and how many."""

    last_id: int | None = Field(None, ge=0, le=LARGEST_ID, description="the id of the last one seen; exclusive")
    count: int = Field(PAGE_SIZE, ge=1, le=LARGEST_PAGE, description="how many to answer with")
    order: Literal["asc", "desc"] = Field("asc", description="by id")
    name_pattern: str | None = Field(None, description="a part of the name")
    search_project_name: Truth = Field(False, description="the part may also be one of the project's name")


class OfRevision(LenientQuery):
    revision: str | None = Field(None, description="as that push brought it; default: as it is now")


class OfProject(OfRevision):
    """`name` and `workflow` are two words of two clients for the same."""

    name: str | None = Field(None, description="only the workflow of this name")
    workflow: str | None = Field(None, description="the same")
    last_id: int | None = Field(None, ge=0, le=LARGEST_ID, description="the id of the last one seen; exclusive")
    count: int | None = Field(None, ge=1, le=LARGEST_PAGE, description="how many to answer with; default: all")


class WorkflowRoutes:
    """The handlers."""

    def __init__(self, operations: ProjectOperations) -> None:
        self._operations = operations
        self._store = operations.store

    async def list(self, asked: RequestContext[None, ListWorkflows]) -> Reply:
        query = asked.query
        wanted = WorkflowFilter(
            part=query.name_pattern,
            part_of_project=query.search_project_name,
            last_id=query.last_id,
            descending=query.order == "desc",
        )
        return _all(await self._store.list_workflows(wanted, query.count))

    async def show(self, asked: RequestContext[None, None]) -> Reply:
        found = await self._store.find_workflow(asked.path["id"])
        if found is None:
            raise NotFound(f"there is no workflow {asked.path['id']}")
        return Reply(shapes.workflow(found))

    async def list_of_project(self, asked: RequestContext[None, OfProject]) -> Reply:
        query, project = asked.query, await self._operations.get(asked.path["id"])
        wanted = WorkflowFilter(
            project_id=project.id,
            revision=query.revision,
            name=query.name if query.name is not None else query.workflow,
            last_id=query.last_id,
        )
        if query.revision is not None and not await self._store.list_pushes(project.id, name=query.revision, limit=1):
            raise NotFound(f"the project {project.name!r} has no revision {query.revision[:255]!r}")
        return _all(await self._store.list_workflows(wanted, query.count))

    async def show_of_project(self, asked: RequestContext[None, OfRevision]) -> Reply:
        project, name = await self._operations.get(asked.path["id"]), asked.path["name"]
        wanted = WorkflowFilter(project_id=project.id, revision=asked.query.revision, name=name)
        found = await self._store.list_workflows(wanted, 1)
        if not found:
            raise NotFound(f"the project {project.name!r} has no workflow {name[:255]!r}")
        return Reply(shapes.workflow(found[0]))


def _all(found: Sequence[WorkflowRevision]) -> Reply:
    return Reply(listed("workflows", [shapes.workflow(one) for one in found]))


def routes(operations: ProjectOperations) -> list[Route]:
    """For viewers; they change by pushes."""
    does = WorkflowRoutes(operations)
    ids: Mapping[str, type] = {"id": int}
    of_project = "/api/projects/{id}/workflows"
    all_routes = [
        Route("GET", "/api/workflows", does.list, "viewer", "List workflows", shapes.WorkflowsShape,
              query=ListWorkflows),
        Route("GET", "/api/workflows/{id}", does.show, "viewer", "Show a workflow", shapes.WorkflowShape,
              path_types=ids, description="The id of a workflow, or of one of its definitions."),
        Route("GET", of_project, does.list_of_project, "viewer", "List the workflows of a project",
              shapes.WorkflowsShape, query=OfProject, path_types=ids),
        Route("GET", of_project + "/{name}", does.show_of_project, "viewer", "Show a workflow of a project",
              shapes.WorkflowShape, query=OfRevision, path_types=ids),
    ]  # fmt: skip
    return [replace(route, tag=TAG) for route in all_routes]
