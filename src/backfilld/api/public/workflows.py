"""Workflows over HTTP."""

from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, WithJsonSchema, create_model, field_validator

from backfilld.api.framework.answering.rows import rows, shown
from backfilld.api.framework.cursors import encode_cursor
from backfilld.api.framework.reading.fields import Answer, Body, FaultsFound, Instant, Page, ZoneName
from backfilld.api.framework.reading.reasons import Reason, Why
from backfilld.api.framework.routing import Pagination, Reply, RequestContext, Route
from backfilld.domain.errors import Fault, Invalid
from backfilld.domain.windows.zone_hints import zone_warnings
from backfilld.executors.definition import Executor, Spends, WorkflowDefinition
from backfilld.executors.definition_rules import schedule_faults
from backfilld.executors.definitions.parts import MOST_CREDITS, Attempts, Name, Seconds
from backfilld.operations.workflows import WorkflowOperations, executor_faults
from backfilld.store.admin.workflows import Workflow

PATH = "/public-api/workflows"
TAG = "Workflows"


class WorkflowAnswer(Answer):
    """A workflow as it is now. Secrets are references, never values."""

    id: int
    project: str
    name: str
    managed_by: Literal["config", "api", "push", "mirror"] = Field(
        description="those of the configuration file are read-only here"
    )
    enabled: bool
    revision_id: int = Field(description="of its present definition")
    version: int = Field(description="how many definitions it has had")
    executor: Executor
    timezone: str
    schedule: dict[str, JsonValue] | None
    credits_per_entity: Annotated[int | float, WithJsonSchema({"type": "number"})]
    max_attempts: int
    timeout_seconds: float
    exports: dict[str, JsonValue] = Field(description="params of every session")
    substitutes: bool = Field(description="whether ${name} is put in")
    rehearsal: bool = Field(description="whether backfills of it may rehearse")
    spends: Spends | None
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, workflow: Workflow) -> Self:
        definition = WorkflowDefinition.model_validate(dict(workflow.definition))
        own = {name: getattr(workflow, name) for name in _OF_WORKFLOW}
        defined = {name: getattr(definition, name) for name in _OF_DEFINITION}
        credits = definition.credits_per_entity
        return cls(**own, **defined | {"credits_per_entity": int(credits) if credits.is_integer() else credits})


_OF_WORKFLOW = ("id", "project", "name", "managed_by", "enabled", "revision_id", "version", "created_at", "updated_at")
_OF_DEFINITION = (
    "executor", "timezone", "schedule", "credits_per_entity", "max_attempts", "timeout_seconds",
    "exports", "substitutes", "rehearsal", "spends",
)  # fmt: skip


class WorkflowData(Answer):
    workflow: WorkflowAnswer


class WorkflowsData(Answer):
    workflows: list[WorkflowAnswer]


class ListWorkflows(Page):
    project: str | None = Field(None, description="only those of this project")
    name: str | None = Field(None, description="only those of this name")


class PatchBase(Body):
    """What may be changed. null restores the default; `executor` is replaced as a whole."""

    name: Name | None = Field(None, description="must be the present one")
    project: Name | None = Field(None, description="must be the present one")
    timezone: ZoneName | None = None
    schedule: dict[str, JsonValue] | None = None
    credits_per_entity: Annotated[float, Field(ge=0, le=MOST_CREDITS)] | None = None
    max_attempts: Attempts | None = None
    timeout_seconds: Seconds | None = None
    exports: dict[Name, JsonValue] | None = None
    substitutes: bool | None = None
    rehearsal: bool | None = None
    spends: Spends | None = None
    enabled: bool | None = None
    reason: Reason | None = Field(None, description="Why; kept in the audit log, and said of what is disabled.")

    @field_validator("schedule")
    @classmethod
    def _fires(cls, value: Any) -> Any:
        return _checked_schedule(value)


class CreateBase(WorkflowDefinition):
    """A new workflow."""

    timezone: ZoneName = "UTC"

    @field_validator("schedule")
    @classmethod
    def _fires(cls, value: Any) -> Any:
        return _checked_schedule(value)

    @field_validator("name", "project")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isprintable():
            raise FaultsFound([Fault("", "invalid_text", "contains control characters")])
        return value


def _checked_schedule(value: Any) -> Any:
    """As it came; what is wrong with it is the same in every zone."""
    if faults := [
        Fault(fault.path.removeprefix("/schedule"), fault.code, fault.message, fault.allowed)
        for fault in schedule_faults(value, "UTC")
    ]:
        raise FaultsFound(faults)
    return value


def bodies(operations: WorkflowOperations) -> tuple[type[CreateBase], type[PatchBase]]:
    """The bodies of POST and PATCH, whose `executor` is checked by the rules in force, beside all other fields."""

    def check(executor: Executor) -> Executor:
        faults = executor_faults(executor, operations.rules)
        if faults:
            raise FaultsFound(faults)
        return executor

    checked: Any = Annotated[Executor, AfterValidator(check)]
    create = create_model("CreateWorkflow", __base__=CreateBase, __doc__=CreateBase.__doc__, executor=(checked, ...))
    patch = create_model(
        "PatchWorkflow", __base__=PatchBase, __doc__=PatchBase.__doc__, executor=(checked, Field(default_factory=dict))
    )
    return create, patch


class WorkflowRoutes:
    """The handlers."""

    def __init__(self, operations: WorkflowOperations) -> None:
        self._operations = operations

    async def list(self, asked: RequestContext[None, ListWorkflows]) -> Reply:
        query = asked.query
        (after,) = query.behind or (None,)
        found = await self._operations.list(
            after=after, project=query.project, name=query.name, limit=query.page_size + 1
        )
        page = found[: query.page_size]
        cursor = encode_cursor(page[-1].id) if len(found) > len(page) else None
        data = WorkflowsData.model_construct(workflows=rows(WorkflowAnswer, page))
        return Reply(data, pagination=Pagination(cursor))

    async def create(self, asked: RequestContext[CreateBase, None]) -> Reply:
        workflow = await self._operations.create(asked.body, asked.actor)
        warnings = zone_warnings(asked.body.timezone)
        return Reply(_data(workflow), headers={"Location": f"{PATH}/{workflow.id}"}, warnings=warnings)

    async def show(self, asked: RequestContext[None, None]) -> Reply:
        found = await self._operations.show(asked.path["id"])
        return Reply(WorkflowData.model_construct(workflow=shown(WorkflowAnswer, found)))

    async def patch(self, asked: RequestContext[PatchBase, None]) -> Reply:
        changes = asked.body.model_dump(mode="json", exclude_unset=True, exclude={"reason"})
        if not changes:
            raise Invalid([Fault("", "empty", "names nothing to change")])
        workflow = await self._operations.patch(asked.path["id"], changes, asked.actor, why=asked.body.reason)
        return Reply(_data(workflow), warnings=zone_warnings(asked.body.timezone or ""))

    async def delete(self, asked: RequestContext[None, Why]) -> Reply:
        await self._operations.delete(asked.path["id"], asked.actor, why=asked.query.reason)
        return Reply()


def _data(workflow: Workflow) -> WorkflowData:
    return WorkflowData(workflow=WorkflowAnswer.of(workflow))


def routes(operations: WorkflowOperations) -> list[Route]:
    """Viewers read, administrators write."""
    does = WorkflowRoutes(operations)
    create, patch = bodies(operations)
    one, ids = PATH + "/{id}", {"id": int}
    either = "The id of a workflow, or of one of its revisions."
    all_routes = [
        Route("GET", PATH, does.list, "viewer", "List workflows", WorkflowsData, query=ListWorkflows, paged=True),
        Route("POST", PATH, does.create, "admin", "Make a workflow", WorkflowData, body=create, status=201,
              errors=(409,), description="A deleted workflow of the same project and name comes back under its id."),
        Route("GET", one, does.show, "viewer", "Show a workflow", WorkflowData, path_types=ids, description=either),
        Route("PATCH", one, does.patch, "admin", "Change a workflow", WorkflowData, body=patch, path_types=ids,
              errors=(409,), description="Backfills that exist keep the definition they were made with."),
        Route("DELETE", one, does.delete, "admin", "Delete a workflow", None, query=Why, path_types=ids, status=204,
              errors=(409,), description="Refused while a backfill of it is active. Its backfills stay."),
    ]  # fmt: skip
    return [replace(route, tag=TAG) for route in all_routes]
