"""What the tick of the schedules asks of the database, and the bound on what it may add."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from backfilld.domain.sessions.records import StoredSchedule
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load
from backfilld.store.schedules.schedules import schedule_row

_sql = load("schedules.firing")


async def lock_due(
    connection: Connection, now: datetime, passing_over: Mapping[int, datetime]
) -> tuple[int, datetime] | None:
    """The schedule that is due longest and that nobody else holds, and since when; locked until the transaction ends.

    Without those to pass over, as long as they are due since the time that is given with each.
    """
    ids, due = list(passing_over), list(passing_over.values())
    row = await connection.fetchrow(_sql.lock_due, now, ids, due)
    return (row["id"], row["next_run_at"]) if row else None


async def next_due(pool: Pool, passing_over: Mapping[int, datetime] | None = None) -> datetime | None:
    """When the next enabled schedule runs; it may be over already. Without some, as in `lock_due`."""
    over = passing_over or {}
    due: datetime | None = await pool.fetchval(_sql.next_due, list(over), list(over.values()))
    return due


async def list_standing(pool: Pool, after: int, most: int) -> list[tuple[int, Callable[[], StoredSchedule]]]:
    """Schedules that have a slot to come, by id; each is read by its own call, since one may be unreadable."""
    rows = await pool.fetch(_sql.list_standing, after, most)
    return [(row["id"], partial(schedule_row, row)) for row in rows]


async def is_running(connection: Connection, workflow_id: int) -> bool:
    """True while an attempt of the workflow, outside of backfills, is not finished."""
    return bool(await connection.fetchval(_sql.is_running, workflow_id))


async def count_crowd(connection: Connection, most: int) -> int:
    """Unfinished attempts outside of backfills, counted up to `most`; nobody adds one until the transaction ends."""
    await connection.execute(_sql.lock_crowd)
    count: int = await connection.fetchval(_sql.count_crowd, most)
    return count
