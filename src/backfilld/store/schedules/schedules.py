"""The table of schedules: where each has got to."""

from datetime import datetime

import asyncpg
import orjson

from backfilld.domain.sessions.records import StoredSchedule
from backfilld.domain.unreadable import made
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

_sql = load("schedules.schedules")


class ScheduleStore:
    """Reading from the pool; whatever changes a schedule takes the connection of a transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, id: int, *, on: Connection | None = None) -> StoredSchedule | None:
        """The schedule with the present definition of its workflow."""
        row = await (on or self._pool).fetchrow(_sql.find_schedule, id)
        return schedule_row(row) if row else None

    async def find_to_show(self, id: int) -> StoredSchedule | None:
        """The same, for whoever does no more than to show it: an UnreadableRow of what cannot be read."""
        row = await self._pool.fetchrow(_sql.find_schedule, id)
        return made(row, schedule_row) if row else None

    async def lock(self, connection: Connection, id: int) -> StoredSchedule | None:
        """The same, held until the transaction ends: neither a tick nor a backfill moves it meanwhile."""
        await connection.fetchval(_sql.lock_workflow_of_schedule, id)
        if await connection.fetchval(_sql.lock_schedule, id) is None:
            return None
        return await self.find(id, on=connection)

    async def move(
        self,
        connection: Connection,
        id: int,
        *,
        next_session_at: datetime,
        next_run_at: datetime,
        at: datetime,
        last_session_at: datetime | None = None,
        skipped_to: datetime | None = None,
    ) -> None:
        """Put it where it goes on; None keeps what is there, and `skipped_to` never goes back."""
        await connection.execute(
            _sql.move_schedule, id, next_session_at, next_run_at, last_session_at, skipped_to, at
        )  # fmt: skip


def schedule_row(row: asyncpg.Record) -> StoredSchedule:
    """The schedule of a row with the columns of `find_schedule`."""
    return StoredSchedule(**{**row, "definition": orjson.loads(row["definition"])})
