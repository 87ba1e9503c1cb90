"""Schedules as people look at them: with how their newest sessions stand."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from backfilld.domain.sessions.records import Attempt, AttemptStatus, StoredSchedule
from backfilld.domain.unreadable import UnreadableRow, made
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load
from backfilld.store.sessions.sessions import list_attempts

_sql = load("sessions.overview")
_OURS = ("state", "place", "counted_state", "of_state")


@dataclass(frozen=True, slots=True)
class SessionMark:
    """How a session stands, by its last attempt, which is the `attempts`th. One that waits counts as queued."""

    session_id: int
    session_time: datetime
    attempt_id: int
    attempts: int
    status: AttemptStatus
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ScheduleRows:
    """Some schedules of each state, and how many there are of each in all."""

    counts: Mapping[str, int]
    rows: Sequence[tuple[str, StoredSchedule | UnreadableRow]]


class OverviewStore:
    """Reading only."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_page(
        self, *, text: str | None, project: str | None, state: str | None, behind: int | None, limit: int
    ) -> ScheduleRows:
        """At most `limit` of each state, by their names; `behind` the schedule of that id."""
        rows = await self._pool.fetch(_sql.list_overview, text, project, state, behind, limit)
        counts = {row["counted_state"]: row["of_state"] for row in rows}
        return ScheduleRows(counts, [(row["state"], made(row, _schedule)) for row in rows if row["id"] is not None])

    async def recent(self, workflow_ids: Collection[int], each: int) -> dict[int, list[SessionMark]]:
        """The newest sessions of some workflows by session time, newest first."""
        found: dict[int, list[SessionMark]] = {id: [] for id in workflow_ids}
        for row in await self._pool.fetch(_sql.list_recent, list(workflow_ids), each):
            found[row["workflow_id"]].append(_mark(row))
        return found

    async def between(self, workflow_id: int, first: datetime, last: datetime) -> list[SessionMark]:
        """The sessions of a workflow between two session times, both included, ascending."""
        return await sessions_between(self._pool, workflow_id, first, last)

    async def newest(
        self, workflow_id: int, *, before: datetime | None, state: str | None, looked_at: int, limit: int
    ) -> list[Attempt]:
        """The last attempts of sessions, newest session time first: of the `looked_at` newest those of a state."""
        rows = await self._pool.fetch(_sql.list_newest, workflow_id, before, state, looked_at, limit)
        ids = [row["id"] for row in rows]
        found = {attempt.id: attempt for attempt in await list_attempts(self._pool, ids)}
        return [found[id] for id in ids if id in found]

    async def schedule_of(self, workflow_id: int) -> int | None:
        """The id of the schedule that a workflow has."""
        id: int | None = await self._pool.fetchval(_sql.find_schedule_of, workflow_id)
        return id

    async def backfills(self, numbers: Collection[int]) -> dict[int, tuple[UUID, str | None]]:
        """The ids and names of backfills that are still there."""
        rows = await self._pool.fetch(_sql.list_backfills, list(numbers))
        return {row["number"]: (row["id"], row["name"]) for row in rows}

    async def names(self, identities: Collection[str]) -> dict[str, str]:
        """What the keys among some callers are called."""
        rows = await self._pool.fetch(_sql.list_key_names, list(identities))
        return {row["identity"]: row["name"] for row in rows}


async def sessions_between(
    on: Connection | Pool, workflow_id: int, first: datetime, last: datetime
) -> list[SessionMark]:
    """The sessions of a workflow between two session times, both included, ascending."""
    return [_mark(row) for row in await on.fetch(_sql.list_between, workflow_id, first, last)]


def _schedule(row: asyncpg.Record) -> StoredSchedule:
    columns = {name: value for name, value in row.items() if name not in _OURS}
    return StoredSchedule(**{**columns, "definition": orjson.loads(row["definition"])})


def _mark(row: asyncpg.Record) -> SessionMark:
    return SessionMark(
        row["session_id"], row["session_time"], row["attempt_id"], row["index"], _status(row), row["finished_at"]
    )  # fmt: skip


def _status(row: asyncpg.Record) -> AttemptStatus:
    """As of an attempt itself, but for the chains of backfills, which are not looked at here."""
    if row["succeeded"]:
        return AttemptStatus.SUCCESS
    if row["finished_at"] is not None:
        return AttemptStatus.KILLED if row["cancel_requested_at"] is not None else AttemptStatus.ERROR
    if row["cancel_requested_at"] is not None:
        return AttemptStatus.CANCELING
    return AttemptStatus.RUNNING if row["running_since"] is not None else AttemptStatus.QUEUED
