"""Looking at schedules."""

from backfilld.domain.errors import NotFound
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.store.connection.pool import Pool
from backfilld.store.schedules.pages import SchedulePages
from backfilld.store.schedules.schedules import ScheduleStore


class ScheduleReading:
    """One schedule, or pages of them in the order of their ids."""

    def __init__(self, pool: Pool) -> None:
        self._store = ScheduleStore(pool)
        self._pages = SchedulePages(pool)

    async def get(self, id: int) -> StoredSchedule:
        """The schedule, to be shown. NotFound."""
        if (found := await self._store.find_to_show(id)) is None:
            raise NotFound(f"Resource does not exist: schedule id={id}")
        return found

    async def list_all(self, *, after: int | None, limit: int) -> list[StoredSchedule]:
        """Of all projects, behind an id."""
        return await self._pages.list(project_id=None, workflow=None, after=after, limit=limit)

    async def list_of_project(
        self, project_id: int, *, workflow: str | None, after: int | None, limit: int
    ) -> list[StoredSchedule]:
        """Of one project; empty for a workflow that has none. NotFound for a project that is gone."""
        if not await self._pages.project_lives(project_id):
            raise NotFound(f"Resource does not exist: project id={project_id}")
        return await self._pages.list(project_id=project_id, workflow=workflow, after=after, limit=limit)
