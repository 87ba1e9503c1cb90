"""Mirrors: schedules of an engine, made known here, so that backfills of them can be made here and run there.

A mirror never fires. What it says and where it stands is read from the engine: when it is made, before each backfill,
and every few minutes. What cannot be computed here is refused when it is made.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from backfilld.clock import Clock
from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import BackfilldError, Conflict, Fault, Invalid, NotFound, Unavailable
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.digdag.engine import DigdagEngine
from backfilld.executors.digdag.questions import ServerProblem
from backfilld.executors.digdag.schedules import TheirSchedule
from backfilld.executors.engines import Engines
from backfilld.operations.engines.looking import known_engine
from backfilld.operations.schedules.place import place_schedule
from backfilld.operations.workflows import MIRROR, plain_of
from backfilld.store.admin import audit
from backfilld.store.admin.workflows import WorkflowStore
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.schedules.mirrors import Mirror, MirrorStore, MirrorTaken
from backfilld.store.schedules.positions import delete_schedule

ATTEMPT_SECONDS = 7 * 86_400.0  # longest wait of one try; the next one finds the attempt again
TRIES = 20
ASK_SECONDS = 60.0


class MirrorOperations:
    """The verbs. What goes wrong on the way to the engine is Unavailable (503); nothing is made then."""

    def __init__(self, pool: Pool, engines: Engines, clock: Clock) -> None:
        self._pool = pool
        self._engines = engines
        self._clock = clock
        self.store = MirrorStore(pool)
        self._workflows = WorkflowStore(pool)

    async def list(self) -> Sequence[Mirror]:
        """All of them, by id."""
        return await self.store.list()

    async def list_there(self, engine: str, project: str | None) -> Sequence[tuple[str, str, Mirror | None]]:
        """Every schedule of an engine, or of one project there: its project, its workflow, and its mirror if there is
        one. NotFound; Unavailable."""
        known = {(one.project, one.workflow): one for one in await self.store.list() if one.engine == engine}
        async with asking(engine):
            found = await self.digdag(engine).schedules.list_workflows(project)
        return [(there, workflow, known.get((there, workflow))) for there, workflow in sorted(found)]

    async def create(self, actor: Actor, *, engine: str, project: str, workflow: str, here: str | None) -> Mirror:
        """Mirror a workflow of `project` there into the project `here` (else one of the same name). NotFound; Invalid
        for what cannot be computed here; Conflict `workflow_exists`, `mirror_exists`; Unavailable."""
        theirs = await self.read(engine, project, workflow)
        definition = _definition(engine, project, workflow, here or project, theirs)
        at, plain = self._clock.now(), plain_of(definition)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                id, found = await self._workflows.lock_name(
                    connection, definition.project, workflow, managed_by=MIRROR, enabled=True, at=at
                )
                if found is not None and found.deleted_at is None:
                    message = f"project {definition.project!r} has a workflow {workflow!r} already; choose another `as`"
                    raise Conflict(message, code="workflow_exists", details={"workflow_id": id})
                await self._workflows.add_revision(connection, id, plain, at)
                await self._workflows.set(connection, id, managed_by=MIRROR, enabled=True, at=at)
                await self._stand(connection, id, None, plain, theirs, at)
                mirror_id = await self.store.insert(
                    connection, id, engine=engine, project=project, workflow=workflow, project_id=theirs.project_id,
                    schedule_id=theirs.schedule_id, by=actor.identity, at=at,
                )  # fmt: skip
                told = {"engine": engine, "project": project, "workflow": workflow}
                await audit.record(connection, actor, "mirror.create", f"workflow/{id}", at=at, new=told)
        except MirrorTaken as problem:
            message = f"workflow {workflow!r} of project {project!r} on {engine} is mirrored already"
            raise Conflict(message, code="mirror_exists") from problem
        return await self.get(mirror_id)

    async def delete(self, actor: Actor, id: int) -> None:
        """Forget it, and hide its workflow here; nothing changes there. NotFound; Conflict `workflow_in_use`."""
        mirror, at = await self.get(id), self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            workflow = await self._workflows.lock(connection, mirror.workflow_id)
            if (active := await self._workflows.find_active_backfill(connection, mirror.workflow_id)) is not None:
                message = f"backfill {active[0]} of this workflow is {active[1]}; wait for its end, or cancel it"
                raise Conflict(message, code="workflow_in_use", details={"backfill_id": str(active[0])})
            await self.store.delete(connection, id)
            if workflow is not None and workflow.managed_by == MIRROR:
                await self._workflows.set(
                    connection, mirror.workflow_id, managed_by=MIRROR, enabled=False, at=at, deleted_at=at
                )
                await delete_schedule(connection, mirror.workflow_id)
            old = {"engine": mirror.engine, "project": mirror.project, "workflow": mirror.workflow}
            await audit.record(connection, actor, "mirror.delete", f"workflow/{mirror.workflow_id}", at=at, old=old)

    async def get(self, id: int) -> Mirror:
        """NotFound."""
        mirror = await self.store.find(id)
        if mirror is None:
            raise NotFound(f"there is no mirror {id}")
        return mirror

    async def refresh(self, mirror: Mirror) -> TheirSchedule:
        """Read it anew, and let the workflow here follow. As `create`; the reason is kept with the mirror."""
        try:
            theirs = await self.read(mirror.engine, mirror.project, mirror.workflow)
            definition = _definition(mirror.engine, mirror.project, mirror.workflow, mirror.project_here, theirs)
        except BackfilldError as problem:
            await self.store.could_not_be_read(mirror.id, str(problem))
            raise
        at, plain = self._clock.now(), plain_of(definition)
        async with self._pool.acquire() as connection, connection.transaction():
            old = await self._workflows.lock(connection, mirror.workflow_id)
            if old is not None and old.managed_by == MIRROR and old.deleted_at is None:
                if plain != old.definition:
                    await self._workflows.add_revision(connection, old.id, plain, at)
                    await self._workflows.set(connection, old.id, managed_by=MIRROR, enabled=old.enabled, at=at)
                await self._stand(connection, old.id, old.definition, plain, theirs, at)
            await self.store.was_read(
                connection, mirror.id, project_id=theirs.project_id, schedule_id=theirs.schedule_id, at=at
            )
        return theirs

    async def read(self, engine: str, project: str, workflow: str) -> TheirSchedule:
        """The schedule as it stands there. NotFound; Unavailable."""
        async with asking(engine):
            return await self.digdag(engine).schedules.find(project, workflow)

    def digdag(self, name: str) -> DigdagEngine:
        """NotFound; Invalid for an engine of another kind."""
        engine = known_engine(self._engines, name)
        if not isinstance(engine, DigdagEngine):
            message = f"the engine {name!r} is of type {engine.kind!r}, which has no schedules to mirror"
            raise Invalid([Fault("/engine", "not_supported", message)], message)
        return engine

    async def _stand(
        self, connection: Connection, id: int, old: Mapping[str, Any] | None, plain: Mapping[str, Any],
        theirs: TheirSchedule, at: datetime,
    ) -> None:  # fmt: skip
        await place_schedule(connection, id, old, plain, at)
        await self.store.put_schedule(
            connection, id, next_session_at=theirs.next_session_at, next_run_at=theirs.next_run_at,
            disabled_at=theirs.disabled_at, at=at,
        )  # fmt: skip


@asynccontextmanager
async def asking(engine: str) -> AsyncIterator[None]:
    """Bounds the time, and tells callers what went wrong on the way to an engine. NotFound; Conflict; Invalid;
    Unavailable."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            yield
    except TimeoutError as problem:
        message = f"the engine {engine} has not answered within {ASK_SECONDS:g} s; nothing was made"
        raise Unavailable(message, code="engine_unreachable") from problem
    except ServerProblem as problem:
        raise _told(problem) from problem
    except (LookupError, TypeError, ValueError) as problem:  # of what is no answer of digdag's
        what = f"{type(problem).__name__}: {problem}"[:200]
        message = f"what the engine {engine} answers cannot be read ({what}); nothing was made"
        raise Unavailable(message, code="engine_unreachable") from problem


def _told(problem: ServerProblem) -> BackfilldError:
    if problem.kind != "answered":
        return Unavailable(f"{problem}; nothing was made", code="engine_unreachable")
    if problem.status == 404:
        return NotFound(str(problem))
    if problem.status == 409:
        return Conflict(str(problem), code="attempt_exists")
    return Invalid([Fault("", "refused_there", str(problem))], str(problem))


def _definition(engine: str, project: str, workflow: str, here: str, theirs: TheirSchedule) -> WorkflowDefinition:
    """The workflow here. Invalid, with everything that this version does not understand, by its name there."""
    where = f"workflow {workflow!r} of project {project!r} on {engine}"
    raw = {
        "name": workflow,
        "project": here,
        "executor": {
            "type": "digdag",
            "engine": engine,
            "project": project,
            "workflow": workflow,
            "workflow_id": theirs.workflow_id,
        },
        "timezone": theirs.timezone,
        "schedule": dict(theirs.schedule),
        "timeout_seconds": ATTEMPT_SECONDS,
        "max_attempts": TRIES,
    }
    try:
        definition = WorkflowDefinition.model_validate(raw)
    except ValidationError as problem:
        found = [Fault("/" + "/".join(map(str, one["loc"])), "invalid", one["msg"]) for one in problem.errors()]
        raise Invalid(found, f"{where} cannot be mirrored: {found[0].path}: {found[0].message}") from problem
    faults = definition_faults(definition, DefinitionRules(engines={engine: "digdag"}))
    if faults:
        raise Invalid(faults, f"{where} cannot be mirrored: {faults[0].path}: {faults[0].message}")
    return definition
