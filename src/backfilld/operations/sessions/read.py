"""Looking at sessions, their attempts, and what those printed."""

from datetime import datetime

from backfilld.domain.errors import Fault, Invalid, NotFound
from backfilld.domain.schedules import parse_schedule_zone
from backfilld.domain.schedules.truncating import off_schedule, truncated
from backfilld.domain.sessions.records import Attempt, schedule_of
from backfilld.domain.sessions.variables import task_name
from backfilld.store.connection.pool import Pool
from backfilld.store.sessions.pages import Definition, SessionPages
from backfilld.store.sessions.pages import LogFile as LogFile


class SessionReading:
    """Every method raises NotFound for what does not exist; unknown names of workflows give empty lists."""

    def __init__(self, pool: Pool) -> None:
        self._pages = SessionPages(pool)

    async def sessions(self, *, below: int | None, limit: int) -> list[Attempt]:
        """The last attempt of each session, newest session first."""
        return await self._pages.list_sessions(below=below, limit=limit)

    async def sessions_of_project(
        self, project_id: int, *, workflow: str | None, below: int | None, limit: int
    ) -> list[Attempt]:
        """The same of one project, which may have been deleted."""
        if not await self._pages.project_exists(project_id):
            raise NotFound(f"Resource does not exist: project id={project_id}")
        workflow_id = None
        if workflow is not None:
            workflow_id = await self._pages.find_workflow(project_id, workflow)
            if workflow_id is None:
                return []
        return await self._pages.list_sessions(below=below, limit=limit, project_id=project_id, workflow_id=workflow_id)

    async def session(self, session_id: int) -> Attempt:
        """The last attempt of a session."""
        found = await self._pages.find_last_of_session(session_id)
        if found is None:
            raise NotFound(f"Resource does not exist: session id={session_id}")
        return found

    async def attempts_of_session(self, session_id: int, *, below: int | None, limit: int) -> list[Attempt]:
        """The attempts of a session, newest first."""
        await self.session(session_id)
        return await self._pages.list_of_session(session_id, below=below, limit=limit)

    async def attempts(
        self, *, project: str | None, workflow: str | None, include_retried: bool, below: int | None, limit: int
    ) -> list[Attempt]:
        """Newest first. NotFound for an unknown project; Invalid for a workflow without its project."""
        project_id, workflow_id = None, None
        if project is not None:
            project_id = await self._pages.find_project(project)
            if project_id is None:
                raise NotFound(f"Resource does not exist: project name={project}")
        if workflow is not None:
            if project_id is None:
                raise Invalid([Fault("/query/workflow", "incomplete", "means nothing without its project")])
            workflow_id = await self._pages.find_workflow(project_id, workflow)
            if workflow_id is None:
                return []
        return await self._pages.list_attempts(
            below=below,
            limit=limit,
            include_retried=include_retried,
            project_id=project_id,
            workflow_id=workflow_id,
        )

    async def attempt(self, attempt_id: int) -> Attempt:
        """One attempt."""
        found = await self._pages.find(attempt_id)
        if found is None:
            raise NotFound(f"Resource does not exist: attempt id={attempt_id}")
        return found

    async def workflow_named(self, project: str, workflow: str) -> int:
        """The id of a workflow of a project that lives."""
        project_id = await self._pages.find_project(project)
        found = None if project_id is None else await self._pages.find_workflow(project_id, workflow)
        if found is None:
            raise NotFound(f"Resource does not exist: workflow name={workflow} of project name={project}")
        return found

    async def retries(self, attempt_id: int) -> list[Attempt]:
        """All attempts of the same session, the first one first."""
        one = await self.attempt(attempt_id)
        return (await self._pages.list_of_session(one.session_id, below=None, limit=one.index + 1_000))[::-1]

    async def task_name(self, attempt: Attempt) -> str:
        """What the one task of an attempt is called, by the definition that it ran."""
        return task_name(attempt.workflow_name, await self._pages.find_task(attempt.revision_id))

    async def logs(self, attempt_id: int) -> tuple[Attempt, list[LogFile]]:
        """The attempt, and what was kept of its tries."""
        return await self.attempt(attempt_id), await self._pages.list_logs(attempt_id)

    async def log(self, attempt_id: int, try_: int) -> str:
        """What one try printed."""
        content = await self._pages.find_log(attempt_id, try_)
        if content is None:
            raise NotFound(f"Resource does not exist: log of try {try_} of attempt id={attempt_id}")
        return content

    async def warnings(self, attempt: Attempt) -> list[str]:
        """What is to be said of the session time of an attempt: that the workflow's schedule has no such session."""
        found = await self._pages.find_definition(attempt.revision_id)
        if found is None or not found.definition.get("schedule"):
            return []
        try:
            told = off_schedule(schedule_of(found.definition), attempt.session_time)
        except ValueError:  # told where the schedule is looked at
            return []
        return [] if told is None else [told]

    async def truncated(self, workflow_id: int, time: str, mode: str | None) -> tuple[Definition, datetime, str]:
        """The definition, the session time that `time` means, cut as `mode` says, and the zone. Invalid."""
        found = await self._pages.find_definition(workflow_id)
        if found is None:
            raise NotFound(f"Resource does not exist: workflow id={workflow_id}")
        timezone = str(found.definition.get("timezone") or "UTC")
        zone = parse_schedule_zone(timezone, "/timezone")
        if isinstance(zone, Fault):
            raise Invalid([zone])
        schedule = schedule_of(found.definition) if found.definition.get("schedule") else None
        result = truncated(time, mode, zone, schedule)
        if isinstance(result, Fault):
            raise Invalid([result])
        return found, result, timezone
