"""Making, changing and deleting workflows: over HTTP, and from the configuration file at start and reload.

What stands in the file rules: it is read-only over HTTP, and takes over a workflow of the same name. One that
vanished from the file is disabled, never deleted, since backfills refer to it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.access.callers import OURSELVES, Actor
from backfilld.domain.errors import Conflict, Fault, Invalid, NotFound
from backfilld.executors.definition import Executor, WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.operations.schedules.place import place_schedule, skip_missed
from backfilld.store.admin import audit
from backfilld.store.admin.workflows import Standing, Workflow, WorkflowStore, text_of
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.schedules.positions import delete_schedule

MIRROR = "mirror"
_IDENTITY = ("name", "project")
Named = Mapping[tuple[str, str], WorkflowDefinition]  # by project and name


class WorkflowOperations:
    """`rules` is what this installation allows over HTTP; replaced when the configuration is read again."""

    def __init__(self, pool: Pool, clock: Clock, rules: DefinitionRules) -> None:
        self._pool = pool
        self._clock = clock
        self._store = WorkflowStore(pool)
        self.rules = rules

    async def get(self, id_: int) -> Workflow:
        """The workflow of that id, or of the revision of that id. NotFound."""
        return _existing(await self._store.find(id_), id_)

    async def show(self, id_: int) -> Workflow:
        """The same, for whoever only wants to look at it. NotFound."""
        return _existing(await self._store.find_to_show(id_), id_)

    async def list(
        self, *, after: int | None = None, project: str | None = None, name: str | None = None, limit: int = 200
    ) -> list[Workflow]:
        """By id, beyond `after`."""
        return await self._store.list(after=after, project=project, name=name, limit=limit)

    async def create(self, definition: WorkflowDefinition, actor: Actor) -> Workflow:
        """Make it. A deleted workflow of that name comes back under its old id. Conflict `workflow_exists`."""
        self._check(definition)
        at, plain = self._clock.now(), plain_of(definition)
        async with self._pool.acquire() as conn, conn.transaction():
            id_, found = await self._store.lock_name(
                conn, definition.project, definition.name, managed_by="api", enabled=definition.enabled, at=at
            )
            if found is not None and found.deleted_at is None:
                message = f"project {definition.project!r} has a workflow {definition.name!r} already"
                raise Conflict(message, code="workflow_exists", details={"workflow_id": id_})
            await self._store.add_revision(conn, id_, plain, at)
            await self._store.set(conn, id_, managed_by="api", enabled=definition.enabled, at=at)
            await place_schedule(conn, id_, None, plain, at)
            await self._audit(conn, "workflow.create", id_, actor, at, new=_shown(plain, enabled=definition.enabled))
            return await self._present(conn, id_)

    async def patch(self, id_: int, changes: Mapping[str, Any], actor: Actor, *, why: str | None = None) -> Workflow:
        """Change fields of the definition (JSON data; None restores a default).

        Conflict `managed_by_config`, `managed_by_push`.

        A changed definition is a new revision; backfills keep the one they were made with.
        """
        at = self._clock.now()
        async with self._pool.acquire() as conn, conn.transaction():
            old = _writable(await self._store.lock(conn, id_), id_)
            wanted = _changed(old, changes)
            self._check(wanted)
            plain = plain_of(wanted)
            before, after = _shown(old.definition, enabled=old.enabled), _shown(plain, enabled=wanted.enabled)
            difference = {key for key in before | after if before.get(key) != after.get(key)}
            if not difference:
                return old
            if plain != old.definition:
                await self._store.add_revision(conn, old.id, plain, at)
            await self._store.set(conn, old.id, managed_by=old.managed_by, enabled=wanted.enabled, at=at)
            left_out = await self._place(conn, old.id, old, plain, enabled=wanted.enabled, at=at)
            await self._audit(
                conn, "workflow.edit", old.id, actor, at, reason=why,
                old={key: before.get(key) for key in sorted(difference)},
                new={key: after.get(key) for key in sorted(difference)} | left_out,
            )  # fmt: skip
            return await self._present(conn, old.id)

    async def delete(self, id_: int, actor: Actor, *, why: str | None = None) -> None:
        """Hide it; its backfills stay. Conflict `managed_by_config`, `managed_by_push`, `workflow_in_use`."""
        at = self._clock.now()
        async with self._pool.acquire() as conn, conn.transaction():
            old = _writable(await self._store.lock(conn, id_), id_)
            active = await self._store.find_active_backfill(conn, old.id)
            if active is not None:
                backfill_id, status = active
                details = {"backfill_id": str(backfill_id), "status": status}
                message = f"backfill {backfill_id} of this workflow is {status}; wait for its end, or cancel it"
                raise Conflict(message, code="workflow_in_use", details=details)
            await self._store.set(conn, old.id, managed_by=old.managed_by, enabled=False, at=at, deleted_at=at)
            await delete_schedule(conn, old.id)
            shown = _shown(old.definition, enabled=old.enabled)
            await self._audit(conn, "workflow.delete", old.id, actor, at, reason=why, old=shown)

    async def sync_config(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        """Make the workflows of the configuration file (`WorkflowSettings.definition()` of each) the present ones.

        Invalid (paths `/workflows/N/…`) before anything is changed. All or nothing; doing it again changes nothing.
        """
        named = await asyncio.to_thread(self._read_config, definitions)
        at, actor = self._clock.now(), OURSELVES
        async with self._pool.acquire() as conn, conn.transaction():
            known = await self._store.list_managed_by_config(conn)
            differing = await asyncio.to_thread(_differing, named, known)
            # Always in the same order, so that two daemons that start at once do not lock each other out, whatever
            # stands in their files.
            for project, name in sorted(differing):
                if (definition := named.get((project, name))) is not None:
                    await self._sync(conn, definition, actor, at)
                else:
                    await self._disable(conn, known[project, name].id, f"{project}/{name}", actor, at)

    def _read_config(self, definitions: Iterable[Mapping[str, Any]]) -> Named:
        """Read and checked; beside the event loop, since of thousands that takes a second."""
        wanted = [WorkflowDefinition.model_validate(dict(definition)) for definition in definitions]
        self._check_config(wanted)
        return {(definition.project, definition.name): definition for definition in wanted}

    async def _disable(self, conn: Connection, id_: int, name: str, actor: Actor, at: datetime) -> None:
        await self._store.set(conn, id_, managed_by="config", enabled=False, at=at)
        reason = f"{name} is no longer in the configuration file"
        await self._audit(conn, "workflow.disable", id_, actor, at, reason=reason)

    async def _sync(self, conn: Connection, definition: WorkflowDefinition, actor: Actor, at: datetime) -> None:
        plain, enabled = plain_of(definition), definition.enabled
        id_, old = await self._store.lock_name(
            conn, definition.project, definition.name, managed_by="config", enabled=enabled, at=at
        )
        is_changed = old is None or old.definition != plain
        if old is not None and not is_changed and _is_as_in_file(old, enabled=enabled):
            return
        if is_changed:
            await self._store.add_revision(conn, id_, plain, at)
        await self._store.set(conn, id_, managed_by="config", enabled=enabled, at=at)
        left_out = await self._place(conn, id_, old, plain, enabled=enabled, at=at)
        before = None if old is None else _shown(old.definition, enabled=old.enabled)
        action = "workflow.create" if old is None else "workflow.edit"
        await self._audit(conn, action, id_, actor, at, old=before, new=_shown(plain, enabled=enabled) | left_out)

    async def _place(
        self, conn: Connection, id_: int, old: Workflow | None, plain: Mapping[str, Any], *, enabled: bool, at: datetime
    ) -> dict[str, Any]:
        """See to the schedule of a workflow that was just written; `old` is how it stood before.

        Answers with what there is to be said of that in the audit log.
        """
        placed = await place_schedule(conn, id_, old.definition if old else None, plain, at)
        if placed is not None and enabled and old is not None and not old.enabled:
            await skip_missed(conn, id_, plain, at)
        if placed is None or placed.left_out is None:
            return {}
        return {"left_out_of_schedule": placed.left_out}  # the first that is, and the next that is not

    def _check(self, definition: WorkflowDefinition) -> None:
        faults = definition_faults(definition, self.rules)
        if faults:
            raise Invalid(faults)

    def _check_config(self, definitions: Sequence[WorkflowDefinition]) -> None:
        rules = replace(self.rules, executor_types=None)
        faults: list[Fault] = []
        seen: set[tuple[str, str]] = set()
        for number, definition in enumerate(definitions):
            place = f"/workflows/{number}"
            faults += [fault.under(place) for fault in definition_faults(definition, rules)]
            if (definition.project, definition.name) in seen:
                message = f"project {definition.project!r} has two workflows named {definition.name!r}"
                faults.append(Fault(f"{place}/name", "workflow_exists", message))
            seen.add((definition.project, definition.name))
        if faults:
            raise Invalid(faults)

    async def _present(self, conn: Connection, id_: int) -> Workflow:
        return _existing(await self._store.find(id_, on=conn), id_)

    async def _audit(
        self,
        conn: Connection,
        action: str,
        id_: int,
        actor: Actor,
        at: datetime,
        *,
        old: Any = None,
        new: Any = None,
        reason: str | None = None,
    ) -> None:
        await audit.record(conn, actor, action, f"workflow/{id_}", at=at, reason=reason, old=old, new=new)


def _differing(named: Named, known: Mapping[tuple[str, str], Standing]) -> set[tuple[str, str]]:
    """The workflows of the file that do not stand as they do there, and those that stand there no more."""
    gone = {name for name, standing in known.items() if standing.enabled and name not in named}
    return gone | {name for name, definition in named.items() if not _stands(known.get(name), definition)}


def _stands(standing: Standing | None, definition: WorkflowDefinition) -> bool:
    """False also of one whose definition another version wrote with its keys in another order: that is looked at."""
    return (
        standing is not None
        and standing.enabled == definition.enabled
        and standing.text == text_of(plain_of(definition))
    )


def plain_of(definition: WorkflowDefinition) -> dict[str, Any]:
    """What is stored of a definition. `enabled` is a switch of the workflow, and no reason for a new revision."""
    return {key: value for key, value in definition.plain().items() if key != "enabled"} | {
        "name": definition.name,
        "project": definition.project,
    }


def executor_faults(executor: Executor, rules: DefinitionRules) -> list[Fault]:
    """What this installation has against an executor, whosever it is; paths are pointers into it."""
    uses = {name: replace(use, used_by=None) for name, use in rules.secret_uses.items()}
    rules = replace(rules, secret_uses=uses)
    stub = WorkflowDefinition.model_construct(name="x", project="x", executor=executor, schedule=None)
    return [
        Fault(fault.path.removeprefix("/executor"), fault.code, fault.message, fault.allowed)
        for fault in definition_faults(stub, rules)
    ]


def _shown(plain: Mapping[str, Any], *, enabled: bool) -> dict[str, Any]:
    return {**plain, "enabled": enabled}


def _is_as_in_file(workflow: Workflow, *, enabled: bool) -> bool:
    return workflow.managed_by == "config" and workflow.enabled == enabled and workflow.deleted_at is None


def _existing(workflow: Workflow | None, id_: int) -> Workflow:
    if workflow is None or workflow.deleted_at is not None:
        raise NotFound(f"there is no workflow {id_}")
    return workflow


def _writable(workflow: Workflow | None, id_: int) -> Workflow:
    found = _existing(workflow, id_)
    if found.managed_by == "config":
        message = f"workflow {found.name!r} stands in the configuration file; change it there"
        raise Conflict(message, code="managed_by_config")
    if found.managed_by == MIRROR:
        message = f"workflow {found.name!r} mirrors one of an engine; change it there, or delete the mirror"
        raise Conflict(message, code="managed_by_mirror")
    if found.managed_by == "push":
        message = f"workflow {found.name!r} was pushed with the project {found.project!r}; push it again to change it"
        raise Conflict(message, code="managed_by_push")
    return found


def _changed(old: Workflow, changes: Mapping[str, Any]) -> WorkflowDefinition:
    fixed = [key for key in _IDENTITY if key in changes and changes[key] != getattr(old, key)]
    if fixed:
        message = "cannot be changed: a workflow is known by its project and name; make another one"
        raise Invalid(Fault(f"/{key}", "immutable", message) for key in fixed)
    merged = {**old.definition, "enabled": old.enabled, **changes}
    return WorkflowDefinition.model_validate({key: value for key, value in merged.items() if value is not None})
