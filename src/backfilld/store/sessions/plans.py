"""Plans over the sessions of a schedule: what must be known before they are made, and the rows that make them.

Everything here takes the connection of the transaction that holds the schedule's lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from backfilld.store.connection.pool import Connection
from backfilld.store.connection.queries import load

_sql = load("sessions.plans")


@dataclass(frozen=True, slots=True)
class PlannedAttempt:
    """An attempt of a backfill, as far as another one needs it that runs its session again."""

    name: str
    params: Mapping[str, Any]
    session_time: datetime
    project_id: int
    project_name: str


async def find_named(on: Connection, workflow_id: int, times: Sequence[datetime], name: str) -> datetime | None:
    """The first of `times` whose session has an attempt of that name."""
    found: datetime | None = await on.fetchval(_sql.find_named, workflow_id, list(times), name)
    return found


async def list_named(on: Connection, workflow_id: int, times: Sequence[datetime], name: str) -> set[datetime]:
    """Those of `times` whose session has an attempt of that name."""
    return {row["session_time"] for row in await on.fetch(_sql.list_named, workflow_id, list(times), name)}


async def list_succeeded_times(on: Connection, workflow_id: int, first: datetime, last: datetime) -> list[datetime]:
    """The sessions between two times, both included, whose newest attempt succeeded, ascending."""
    return [row["session_time"] for row in await on.fetch(_sql.list_succeeded_times, workflow_id, first, last)]


async def list_session_times(on: Connection, workflow_id: int, first: datetime, last: datetime) -> list[datetime]:
    """The sessions between two times, both included, ascending."""
    return [row["session_time"] for row in await on.fetch(_sql.list_session_times, workflow_id, first, last)]


async def find_session_before(on: Connection, workflow_id: int, time: datetime) -> datetime | None:
    """The newest session of a workflow that is earlier."""
    found: datetime | None = await on.fetchval(_sql.find_session_before, workflow_id, time)
    return found


async def count_waiting(on: Connection, *, most: int) -> int:
    """How many attempts of backfills have not finished; never more than `most`."""
    return int(await on.fetchval(_sql.count_waiting, most))


async def plan_sessions(on: Connection, backfill_number: int, count: int, at: datetime) -> None:
    """Freeze the attempts that were opened for a backfill as its plan, and let it run."""
    await on.execute(_sql.plan_sessions, backfill_number)
    await on.execute(_sql.count_plan, backfill_number, count)
    await on.execute(_sql.open_plan, backfill_number, at)


async def list_attempts_of_sessions(on: Connection, backfill_number: int, ids: Sequence[str]) -> list[PlannedAttempt]:
    """The attempts of some items of a plan, in its order."""
    rows = await on.fetch(_sql.list_attempts_of_sessions, backfill_number, list(ids))
    return [PlannedAttempt(**{**row, "params": orjson.loads(row["params"])}) for row in rows]


async def list_rerun_names(on: Connection, workflow_id: int, times: Sequence[datetime], prefix: str) -> list[str]:
    """The names of attempts of some sessions that begin like that."""
    return [row["name"] for row in await on.fetch(_sql.list_rerun_names, workflow_id, list(times), prefix)]
