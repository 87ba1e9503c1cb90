"""Projects, what was pushed to them, and their secrets as rows.

A project lives as long as it is not deleted; then its name is free, and what ran under it can still be read. Whoever
changes one holds its row first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from backfilld.domain.unreadable import each, made
from backfilld.store.admin.workflows import MOST_RACES
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

_sql = load("admin.projects")
_sql_of_workflows = load("admin.workflows")


@dataclass(frozen=True, slots=True)
class Project:
    """`revision` names its newest push or, where nothing was pushed, its newest definition; None if it is empty."""

    id: int
    name: str
    revision: str | None
    archive_md5: str | None  # None: nothing was pushed
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Push:
    """One push of a project."""

    id: int
    name: str
    archive_md5: str
    pushed_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WorkflowRevision:
    """One definition of a workflow; `id` is the definition's. `document`: as which it was written."""

    id: int
    workflow_id: int
    name: str
    project_id: int
    project_name: str
    revision: str
    definition: Mapping[str, Any]
    document: Mapping[str, Any]

    @property
    def timezone(self) -> str:
        return str(self.definition.get("timezone") or "UTC")


@dataclass(frozen=True, slots=True)
class ProjectFilter:
    """`part` is a piece of the name."""

    id: int | None = None
    name: str | None = None
    part: str | None = None
    last_id: int | None = None
    with_deleted: bool = False


@dataclass(frozen=True, slots=True)
class WorkflowFilter:
    """`part` is a piece of the name or, with `part_of_project`, of the project's."""

    project_id: int | None = None
    revision: str | None = None
    name: str | None = None
    part: str | None = None
    part_of_project: bool = False
    last_id: int | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Existing:
    """A workflow that a project has already."""

    id: int
    name: str
    managed_by: str


class ProjectStore:
    """Reading from the pool; whatever changes a project takes the connection of a transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_projects(self, wanted: ProjectFilter, limit: int) -> list[Project]:
        """By id."""
        rows = await self._pool.fetch(
            _sql.list_projects, wanted.id, wanted.name, wanted.part, wanted.last_id, limit, wanted.with_deleted
        )  # fmt: skip
        return each(rows, _project)

    async def find(self, id: int, *, with_deleted: bool = False, on: Connection | None = None) -> Project | None:
        row = await (on or self._pool).fetchrow(_sql.list_projects, id, None, None, None, 1, with_deleted)
        return _project(row) if row else None

    async def lock_name(self, connection: Connection, name: str, at: datetime) -> int | None:
        """The id of the project of that name, made if it is missing; None if it is deleted again and again."""
        for _ in range(MOST_RACES):
            await connection.execute(_sql_of_workflows.make_project, name, at)
            id: int | None = await connection.fetchval(_sql.lock_project, name)
            if id is not None:
                return id
        return None

    async def lock(self, connection: Connection, id: int) -> bool:
        """Whether there is such a project; nobody else changes it until the transaction ends."""
        return await connection.fetchval(_sql.lock_project_by_id, id) is not None

    async def touch(self, connection: Connection, id: int, at: datetime) -> None:
        await connection.execute(_sql.touch_project, id, at)

    async def delete(self, connection: Connection, id: int, at: datetime) -> None:
        """It is gone, and its secrets with it."""
        await connection.execute(_sql.delete_all_secrets, id)
        await connection.execute(_sql.delete_project, id, at)

    async def add_push(
        self, connection: Connection, project_id: int, name: str, archive: bytes, md5: str, by: str, at: datetime
    ) -> int | None:
        """Its id; None if the project has a revision of that name."""
        id: int | None = await connection.fetchval(_sql.add_push, project_id, name, archive, md5, by, at)
        return id

    async def list_pushes(
        self, project_id: int, *, name: str | None = None, last_id: int | None = None, limit: int | None = None
    ) -> list[Push]:
        """Newest first; `limit` None: all."""
        rows = await self._pool.fetch(_sql.list_pushes, project_id, name, last_id, limit)
        return [Push(**row) for row in rows]

    async def find_archive(self, project_id: int, revision: str | None) -> bytes | None:
        """As it was pushed, byte for byte."""
        archive: bytes | None = await self._pool.fetchval(_sql.find_archive, project_id, revision)
        return archive

    async def list_existing(self, connection: Connection, project_id: int) -> list[Existing]:
        """The workflows of a project that are not deleted, by name."""
        return [Existing(**row) for row in await connection.fetch(_sql.list_workflows_of_project, project_id)]

    async def list_workflows(self, wanted: WorkflowFilter, limit: int | None) -> list[WorkflowRevision]:
        """By the ids of their definitions; `limit` None: all."""
        rows = await self._pool.fetch(
            _sql.list_pushed_workflows, wanted.project_id, wanted.revision, wanted.name, wanted.part,
            wanted.part_of_project, wanted.last_id, wanted.descending, limit,
        )  # fmt: skip
        return each(rows, _workflow)

    async def find_workflow(self, id: int) -> WorkflowRevision | None:
        """The definition of that id or, for a workflow's own id, its present one."""
        row = await self._pool.fetchrow(_sql.find_pushed_workflow, id)
        return made(row, _workflow) if row else None

    async def list_secret_keys(self, project_id: int) -> list[str]:
        return [row["key"] for row in await self._pool.fetch(_sql.list_secret_keys, project_id)]

    async def put_secret(self, connection: Connection, project_id: int, key: str, value: str, at: datetime) -> None:
        await connection.execute(_sql.put_secret, project_id, key, value, at)

    async def delete_secret(self, connection: Connection, project_id: int, key: str) -> bool:
        """Whether there was one."""
        return await connection.fetchval(_sql.delete_secret, project_id, key) is not None

    async def read_secrets(self, project: str) -> dict[str, str]:
        """Key → value, of the living project of that name. For executors only."""
        return {row["key"]: row["value"] for row in await self._pool.fetch(_sql.read_secrets, project)}


def definition_name(revision_id: int) -> str:
    """What stands for a revision's name where nothing was pushed."""
    return f"r{revision_id}"


def _project(row: asyncpg.Record) -> Project:
    newest = row["newest_revision_id"]
    revision = row["push_name"] or (definition_name(newest) if newest is not None else None)
    return Project(
        row["id"], row["name"], revision, row["archive_md5"], row["created_at"], row["updated_at"], row["deleted_at"]
    )  # fmt: skip


def _workflow(row: asyncpg.Record) -> WorkflowRevision:
    definition = orjson.loads(row["definition"])
    document = orjson.loads(row["document"]) if row["document"] is not None else definition
    return WorkflowRevision(
        row["id"], row["workflow_id"], row["name"], row["project_id"], row["project_name"],
        row["push_name"] or definition_name(row["id"]), definition, document,
    )  # fmt: skip
