"""Pushing and deleting projects, and setting their secrets.

A push is one transaction: whoever looks sees the project as it was or as it is, and a fault anywhere in it, a crash in
the middle included, leaves everything as it was.
"""

import asyncio
import base64
import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import Conflict, Fault, Invalid, NotFound, did_you_mean
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.operations.schedules.place import Placed, place_schedule
from backfilld.operations.workflows import plain_of
from backfilld.projects import ArchiveLimits, ProjectFault, ProjectInvalid, PushedWorkflow, read_archived_project
from backfilld.projects.archives import SUFFIX
from backfilld.projects.budget import Budget
from backfilld.store.admin import audit
from backfilld.store.admin.projects import Existing, Project, ProjectStore
from backfilld.store.admin.workflows import WorkflowStore
from backfilld.store.connection.pool import Connection, Pool

LONGEST_NAME = 255
LONGEST_SECRET_BYTES = 16_384
PUSHED = "push"
READING_SECONDS = 30.0  # as long as its body may take to arrive


@dataclass(frozen=True, slots=True)
class PushRequest:
    """`schedule_from`: where schedules begin that have not fired yet. `skip_schedule`: a schedule that says something
    else goes on from now, without what should have run since it last fired. `clear`: workflows whose schedule
    forgets what it has fired and skipped; `clear_all`: of all workflows."""

    project: str
    revision: str
    archive: bytes
    schedule_from: datetime | None = None
    skip_schedule: bool = True
    clear: Sequence[str] = field(default=())
    clear_all: bool = False


class ProjectOperations:
    """`rules` says what this installation allows at the moment in definitions that come over HTTP."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        rules: Callable[[], DefinitionRules],
        limits: ArchiveLimits | None = None,
        *,
        reading_seconds: float = READING_SECONDS,
    ) -> None:
        self._pool = pool
        self._reading_seconds = reading_seconds
        self._clock = clock
        self._limits = limits or ArchiveLimits()
        self._workflows = WorkflowStore(pool)
        self.store = ProjectStore(pool)
        self._rules = rules

    async def get(self, id: int, *, on: Connection | None = None) -> Project:
        """NotFound, also for one that was deleted."""
        project = await self.store.find(id, on=on)
        if project is None:
            raise NotFound(f"there is no project {id}")
        return project

    async def push(self, actor: Actor, request: PushRequest) -> Project:
        """The project as it is then. ProjectInvalid with every fault; Conflict if the revision is there already."""
        _require_names(request)
        pushed = await self._read(request)
        _require_known(request, pushed)
        at = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            project_id = await self.store.lock_name(connection, request.project, at)
            if project_id is None:
                message = f"the project {request.project!r} is deleted all the time; push again"
                raise Conflict(message, code="too_many_changes")
            existing = await self.store.list_existing(connection, project_id)
            _require_ours(pushed, existing)
            md5 = base64.b64encode(hashlib.md5(request.archive, usedforsecurity=False).digest()).decode()
            push = await self.store.add_push(
                connection, project_id, request.revision, request.archive, md5, actor.identity, at
            )
            if push is None:
                message = f"the project {request.project!r} has a revision {request.revision!r} already"
                raise Conflict(message, code="revision_exists")
            left_out = {}
            for workflow in pushed:
                placed = await self._put(connection, workflow, push, request, at)
                if placed is not None and placed.left_out is not None:
                    left_out[workflow.name] = [moment.isoformat() for moment in placed.left_out]
                reached(Point.PUSH_WORKFLOW_WRITTEN)
            gone = _gone(pushed, existing)
            for vanished in gone:
                await self._remove(connection, vanished, at)
            await self.store.touch(connection, project_id, at)
            new = {
                "revision": request.revision,
                "archive_md5": md5,
                "workflows": [workflow.name for workflow in pushed],
                "deleted_workflows": [workflow.name for workflow in gone],
                **(
                    {"cleared_schedules": "all" if request.clear_all else list(request.clear)}
                    if _clears(request)
                    else {}
                ),
                **(
                    {"left_out_of_schedules": left_out} if left_out else {}
                ),  # the first that is, and the next that is not
            }
            await self._audit(connection, actor, "project.push", project_id, at, new=new)
            project = await self.get(project_id, on=connection)
            reached(Point.PUSH_BEFORE_COMMIT)
        reached(Point.PUSH_AFTER_COMMIT)
        return project

    async def _read(self, request: PushRequest) -> list[PushedWorkflow]:
        """In a thread: a thousand workflow files take seconds, and nobody else should wait for them. When nobody waits
        for the answer any more, the thread ends, too."""
        over = threading.Event()
        budget = Budget(over.is_set)
        try:
            async with asyncio.timeout(self._reading_seconds):
                return await asyncio.to_thread(
                    read_archived_project, request.archive, request.project, self._rules(), self._limits, budget
                )
        except TimeoutError:
            message = f"the project cannot be read within {self._reading_seconds:g} s; push fewer or smaller workflows"
            raise ProjectInvalid([ProjectFault("", 0, message)]) from None
        finally:
            over.set()

    async def delete(self, actor: Actor, id: int) -> Project:
        """It and its schedules go; sessions, attempts and logs stay to be read. Conflict `managed_by_config`.

        A backfill that is under way holds with `workflow_disabled`, and can be cancelled.
        """
        at = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            if not await self.store.lock(connection, id):
                raise NotFound(f"there is no project {id}")
            existing = await self.store.list_existing(connection, id)
            from_file = [workflow.name for workflow in existing if workflow.managed_by == "config"]
            if from_file:
                message = f"workflows of this project stand in the configuration file: {', '.join(from_file[:5])}"
                raise Conflict(message, code="managed_by_config")
            for workflow in existing:
                await self._remove(connection, workflow, at)
            before = await self.get(id, on=connection)
            await self.store.delete(connection, id, at)
            old = {"name": before.name, "workflows": [workflow.name for workflow in existing]}
            await self._audit(connection, actor, "project.delete", id, at, old=old)
            deleted = await self.store.find(id, with_deleted=True, on=connection)
            return deleted or before

    async def put_secret(self, actor: Actor, id: int, key: str, value: str) -> None:
        """Set it; nobody can read it again. Invalid."""
        faults = [*_key_faults(key), *_value_faults(value)]
        if faults:
            raise Invalid(faults)
        at = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            await self._lock(connection, id)
            await self.store.put_secret(connection, id, key, value, at)
            await self._audit(connection, actor, "project.set_secret", id, at, new={"key": key})

    async def delete_secret(self, actor: Actor, id: int, key: str) -> None:
        """It is gone; it may have been before."""
        at = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            await self._lock(connection, id)
            if await self.store.delete_secret(connection, id, key):
                await self._audit(connection, actor, "project.delete_secret", id, at, old={"key": key})

    async def _put(
        self, connection: Connection, pushed: PushedWorkflow, push: int, request: PushRequest, at: datetime
    ) -> Placed | None:
        definition = pushed.definition
        id, old = await self._workflows.lock_name(
            connection, definition.project, definition.name, managed_by=PUSHED, enabled=True, at=at
        )
        alive = old if old is not None and old.deleted_at is None else None
        plain = plain_of(definition)
        await self._workflows.add_revision(connection, id, plain, at, push=push, document=pushed.document)
        enabled = True if alive is None else alive.enabled
        await self._workflows.set(connection, id, managed_by=PUSHED, enabled=enabled, at=at)
        clear = request.clear_all or definition.name in request.clear
        before = None if alive is None else alive.definition
        return await place_schedule(
            connection, id, before, plain, at, schedule_from=request.schedule_from, clear=clear,
            skip_schedule=request.skip_schedule,
        )  # fmt: skip

    async def _remove(self, connection: Connection, workflow: Existing, at: datetime) -> None:
        await self._workflows.set(
            connection, workflow.id, managed_by=workflow.managed_by, enabled=False, at=at, deleted_at=at
        )
        await place_schedule(connection, workflow.id, None, {}, at)

    async def _lock(self, connection: Connection, id: int) -> None:
        if not await self.store.lock(connection, id):
            raise NotFound(f"there is no project {id}")

    async def _audit(
        self, connection: Connection, actor: Actor, action: str, id: int, at: datetime, *, old: object = None,
        new: object = None,
    ) -> None:  # fmt: skip
        await audit.record(connection, actor, action, f"project/{id}", at=at, old=old, new=new)


def _require_names(request: PushRequest) -> None:
    faults = []
    for name, value in (("project", request.project), ("revision", request.revision)):
        if not 0 < len(value) <= LONGEST_NAME or not value.isprintable() or not value.strip():
            message = f"must have 1 to {LONGEST_NAME} printable characters"
            faults.append(Fault(f"/query/{name}", "invalid_name", message))
    if faults:
        raise Invalid(faults)


def _require_known(request: PushRequest, pushed: Sequence[PushedWorkflow]) -> None:
    names = [workflow.name for workflow in pushed]
    faults = [
        ProjectFault("", 0, f"clear_schedule names no workflow of this push: '{name}'{did_you_mean(name, names)}")
        for name in request.clear
        if name not in names
    ]
    if faults:
        raise ProjectInvalid(faults)


def _require_ours(pushed: Sequence[PushedWorkflow], existing: Sequence[Existing]) -> None:
    """A push owns what was pushed, and takes nothing away from the file or from /public-api."""
    places = {"config": "in the configuration file", "api": "under /public-api/workflows"}
    others = {workflow.name: workflow.managed_by for workflow in existing if workflow.managed_by != PUSHED}
    faults = [
        ProjectFault(workflow.name + SUFFIX, 0, f"the workflow is kept {places[others[workflow.name]]} already")
        for workflow in pushed
        if workflow.name in others
    ]
    if faults:
        raise ProjectInvalid(faults)


def _gone(pushed: Sequence[PushedWorkflow], existing: Sequence[Existing]) -> list[Existing]:
    names = {workflow.name for workflow in pushed}
    return [workflow for workflow in existing if workflow.managed_by == PUSHED and workflow.name not in names]


def _clears(request: PushRequest) -> bool:
    return bool(request.clear) or request.clear_all


def _key_faults(key: str) -> list[Fault]:
    if 0 < len(key) <= LONGEST_NAME and key.isprintable() and not set(key) & set("{} "):
        return []
    message = f"the key must have 1 to {LONGEST_NAME} printable characters, without blanks and braces"
    return [Fault("/key", "invalid_name", message)]


def _value_faults(value: str) -> list[Fault]:
    if value.strip() and len(value.encode(errors="surrogatepass")) <= LONGEST_SECRET_BYTES:
        return []
    return [Fault("/value", "invalid_secret", f"must be text of 1 to {LONGEST_SECRET_BYTES} bytes")]
