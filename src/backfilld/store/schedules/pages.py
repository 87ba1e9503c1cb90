"""Pages of schedules."""

from backfilld.domain.sessions.records import StoredSchedule
from backfilld.domain.unreadable import each
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load
from backfilld.store.schedules.schedules import schedule_row

_sql = load("schedules.pages")


class SchedulePages:
    """By id, ascending; reading only."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list(
        self, *, project_id: int | None, workflow: str | None, after: int | None, limit: int
    ) -> list[StoredSchedule]:
        """At most `limit` behind the id `after`."""
        rows = await self._pool.fetch(_sql.list_schedules, after, project_id, workflow, limit)
        return each(rows, schedule_row)

    async def project_lives(self, project_id: int) -> bool:
        """Whether there is such a project, and it is not deleted."""
        return bool(await self._pool.fetchval(_sql.project_lives, project_id))
