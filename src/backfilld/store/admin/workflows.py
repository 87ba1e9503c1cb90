"""Workflows and their revisions as rows.

A workflow keeps its id for ever, also when it is deleted and made again; each changed definition is a new revision.
Whoever writes holds the row first (`lock_…`), so that two who write at once do so one after the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from backfilld.domain.errors import Conflict
from backfilld.domain.unreadable import each, made
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load
from backfilld.store.schedules.positions import tell_live

if TYPE_CHECKING:
    import asyncpg

_sql = load("admin.workflows")

MOST_RACES = 20


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow with its present definition, which is JSON data as `WorkflowDefinition.plain()` made it."""

    id: int
    project: str
    name: str
    managed_by: str  # config, api, push
    enabled: bool
    revision_id: int
    version: int  # counts the revisions
    definition: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a workflow is at this moment. `text` is its definition as it was written, by `text_of`."""

    id: int
    enabled: bool
    text: str


def text_of(definition: Mapping[str, Any]) -> str:
    """A definition as it is stored: of two that are alike the same, as far as one version has written both."""
    return orjson.dumps(definition).decode()


class WorkflowStore:
    """The tables `projects`, `workflows` and `revisions`. Writing takes the connection of a transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, id_: int, *, on: Connection | None = None) -> Workflow | None:
        """The workflow that a number names, be it its own or that of a revision; deleted ones too."""
        row = await (on or self._pool).fetchrow(_sql.find_workflow, id_)
        return _workflow(row) if row else None

    async def list(
        self, *, after: int | None = None, project: str | None = None, name: str | None = None, limit: int = 200
    ) -> list[Workflow]:
        """Those that are not deleted, by id, beyond `after`."""
        return each(await self._pool.fetch(_sql.list_workflows, after, project, name, limit), _workflow)

    async def find_to_show(self, id_: int) -> Workflow | None:
        """As `find`, for whoever does no more than to show it: an UnreadableRow of what cannot be read."""
        row = await self._pool.fetchrow(_sql.find_workflow, id_)
        return made(row, _workflow) if row else None

    async def list_managed_by_config(self, conn: Connection) -> dict[tuple[str, str], Standing]:
        """(project, name) → those that came from a configuration file."""
        rows = await conn.fetch(_sql.list_managed_by_config)
        return {(project, name): Standing(id, enabled, text) for id, project, name, enabled, text in rows}

    async def lock(self, conn: Connection, id_: int) -> Workflow | None:
        """The workflow (by its own id or a revision's), which nobody else changes until the transaction ends."""
        found = await self.find(id_, on=conn)
        if found is None:
            return None
        await conn.execute(_sql.lock_by_id, found.id)
        return await self.find(found.id, on=conn)  # again: the lock may have been waited for

    async def lock_name(
        self, conn: Connection, project: str, name: str, *, managed_by: str, enabled: bool, at: datetime
    ) -> tuple[int, Workflow | None]:
        """The id for a name, locked, and the workflow that has it; None: the row is new and needs its revision.

        Nobody deletes the project until the transaction ends. Conflict if it is deleted again and again.
        """
        for _ in range(MOST_RACES):
            await conn.execute(_sql.make_project, project, at)
            made = await conn.fetchval(_sql.make_workflow, project, name, managed_by, enabled, at)
            if made is not None:
                return made, None
            id_ = await conn.fetchval(_sql.lock_by_name, project, name)
            if id_ is not None:  # else the project was deleted in this moment, and its name is free
                return id_, await self.find(id_, on=conn)
        raise Conflict(f"the project {project!r} is deleted all the time; ask again", code="too_many_changes")

    async def add_revision(
        self,
        conn: Connection,
        id_: int,
        definition: Mapping[str, Any],
        at: datetime,
        *,
        push: int | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> int:
        """Make `definition` the present one; the id of its revision. `push`, `document`: where it came from, and as
        what it was written."""
        plain = text_of(definition)
        written = None if document is None else orjson.dumps(document).decode()
        revision: int = await conn.fetchval(_sql.add_revision, id_, plain, at, push, written)
        await conn.execute(_sql.set_revision, id_, revision)
        return revision

    async def set(
        self,
        conn: Connection,
        id_: int,
        *,
        managed_by: str,
        enabled: bool,
        at: datetime,
        deleted_at: datetime | None = None,
    ) -> None:
        """Write the columns; whoever runs its backfills and attempts hears of it when the transaction commits."""
        await conn.execute(_sql.set_workflow, id_, managed_by, enabled, deleted_at, at)
        await conn.execute(_sql.tell_owners, id_)
        await tell_live(conn)

    async def find_active_backfill(self, conn: Connection, id_: int) -> tuple[UUID, str] | None:
        """Id and status of an active backfill of the workflow, of either kind."""
        row = await conn.fetchrow(_sql.find_active_backfill, id_)
        return (row["id"], row["status"]) if row else None


def _workflow(row: "asyncpg.Record") -> Workflow:
    return Workflow(**{**row, "definition": orjson.loads(row["definition"])})
