"""Sessions and attempts as people look at them: pages, newest first, and logs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from backfilld.domain.sessions.records import Attempt
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load
from backfilld.store.sessions.sessions import list_attempts

_sql = load("sessions.pages")


@dataclass(frozen=True, slots=True)
class LogFile:
    """What one try printed. `size_bytes` is before packing."""

    try_: int
    finished_at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Definition:
    """One revision of a workflow; `revision` is the name of the push, or a number."""

    project_id: int
    project_name: str
    revision: str
    definition: Mapping[str, Any]


class SessionPages:
    """Reading only. `below` is the id of the last one seen, None for the first page."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_sessions(
        self, *, below: int | None, limit: int, project_id: int | None = None, workflow_id: int | None = None
    ) -> list[Attempt]:
        """The last attempt of each session, by session: of all, of a project, or of a workflow."""
        if workflow_id is not None:
            return await self._attempts(_sql.list_sessions_of_workflow, below, limit, workflow_id)
        if project_id is not None:
            return await self._attempts(_sql.list_sessions_of_project, below, limit, project_id)
        return await self._attempts(_sql.list_sessions, below, limit)

    async def find_last_of_session(self, session_id: int) -> Attempt | None:
        """The last attempt of a session; None if there is no such session."""
        found = await self._attempts(_sql.find_last_of_session, session_id)
        return found[0] if found else None

    async def list_of_session(self, session_id: int, *, below: int | None, limit: int) -> list[Attempt]:
        """The attempts of one session."""
        return await self._attempts(_sql.list_of_session, below, limit, session_id)

    async def list_attempts(
        self,
        *,
        below: int | None,
        limit: int,
        include_retried: bool,
        project_id: int | None = None,
        workflow_id: int | None = None,
    ) -> list[Attempt]:
        """Of all, of a project, or of a workflow; only the last one of each session unless `include_retried`."""
        if workflow_id is not None:
            return await self._attempts(_sql.list_of_workflow, below, limit, include_retried, workflow_id)
        if project_id is not None:
            return await self._attempts(_sql.list_of_project, below, limit, include_retried, project_id)
        return await self._attempts(_sql.list_all, below, limit, include_retried)

    async def find(self, attempt_id: int) -> Attempt | None:
        """One attempt."""
        found = await list_attempts(self._pool, [attempt_id])
        return found[0] if found else None

    async def find_project(self, name: str) -> int | None:
        """The id of a project that lives."""
        id: int | None = await self._pool.fetchval(_sql.find_project, name)
        return id

    async def find_workflow(self, project_id: int, name: str) -> int | None:
        """The id of a workflow of a project."""
        id: int | None = await self._pool.fetchval(_sql.find_workflow_of_project, project_id, name)
        return id

    async def project_exists(self, project_id: int) -> bool:
        """Whether there is, or was, such a project."""
        return bool(await self._pool.fetchval(_sql.project_exists, project_id))

    async def list_logs(self, attempt_id: int) -> list[LogFile]:
        """What was kept of each try, in their order."""
        rows = await self._pool.fetch(_sql.list_logs, attempt_id)
        return [LogFile(row["try"], row["finished_at"], row["bytes"]) for row in rows]

    async def find_log(self, attempt_id: int, try_: int) -> str | None:
        """What one try printed."""
        content: str | None = await self._pool.fetchval(_sql.find_log, attempt_id, try_)
        return content

    async def find_definition(self, id: int) -> Definition | None:
        """The definition that the id of a workflow, or of a revision, names."""
        row = await self._pool.fetchrow(_sql.find_definition, id)
        return Definition(**{**row, "definition": orjson.loads(row["definition"])}) if row else None

    async def find_task(self, revision_id: int) -> str | None:
        """The name of the task of one revision of a workflow, whatever became of that; None if it has none."""
        task: str | None = await self._pool.fetchval(_sql.find_task, revision_id)
        return task

    async def _attempts(self, query: str, *values: Any) -> list[Attempt]:
        ids = [row["id"] for row in await self._pool.fetch(query, *values)]
        found = {attempt.id: attempt for attempt in await list_attempts(self._pool, ids)}
        return [found[id] for id in ids if id in found]
