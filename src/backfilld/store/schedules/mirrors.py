"""Schedules that stand on an engine, and the workflows here that run them."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

_sql = load("schedules.mirrors")


class MirrorTaken(Exception):
    """There is one of that workflow already."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """`…_here` are ours; `project`, `workflow`, `project_id` and `schedule_id` are the engine's. `advance_to`: the run
    time at which the schedule there is still to go on. `problem`: why it could not be read since `read_at`."""

    id: int
    workflow_id: int
    schedule_here: int | None
    project_here: str
    workflow_here: str
    engine: str
    project: str
    workflow: str
    project_id: str
    schedule_id: str
    advance_to: datetime | None
    read_at: datetime
    problem: str | None
    created_by: str
    created_at: datetime


class MirrorStore:
    """Reading from the pool; whatever changes something takes the connection of a transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list(self) -> list[Mirror]:
        """All of them, by id."""
        return [Mirror(**row) for row in await self._pool.fetch(_sql.list_mirrors, None, None)]

    async def find(self, id: int, *, on: Connection | None = None) -> Mirror | None:
        row = await (on or self._pool).fetchrow(_sql.list_mirrors, id, None)
        return Mirror(**row) if row else None

    async def find_of(self, workflow_id: int, *, on: Connection | None = None) -> Mirror | None:
        """The mirror that is a workflow here."""
        row = await (on or self._pool).fetchrow(_sql.list_mirrors, None, workflow_id)
        return Mirror(**row) if row else None

    async def insert(
        self,
        on: Connection,
        workflow_id: int,
        *,
        engine: str,
        project: str,
        workflow: str,
        project_id: str,
        schedule_id: str,
        by: str,
        at: datetime,
    ) -> int:
        """Its id. MirrorTaken."""
        try:
            id: int = await on.fetchval(
                _sql.insert_mirror, workflow_id, engine, project, workflow, project_id, schedule_id, by, at
            )
        except asyncpg.UniqueViolationError as problem:
            raise MirrorTaken from problem
        return id

    async def delete(self, on: Connection, id: int) -> None:
        await on.execute(_sql.delete_mirror, id)

    async def was_read(self, on: Connection, id: int, *, project_id: str, schedule_id: str, at: datetime) -> None:
        await on.execute(_sql.was_read, id, project_id, schedule_id, at)

    async def could_not_be_read(self, id: int, why: str) -> None:
        await self._pool.execute(_sql.could_not_be_read, id, why)

    async def put_schedule(
        self,
        on: Connection,
        workflow_id: int,
        *,
        next_session_at: datetime,
        next_run_at: datetime,
        disabled_at: datetime | None,
        at: datetime,
    ) -> None:
        """Let the schedule here stand where that of the engine does."""
        await on.execute(_sql.put_schedule, workflow_id, next_session_at, next_run_at, disabled_at, at)

    async def advance(self, on: Connection, workflow_id: int, run_time: datetime) -> None:
        """The schedule there is to go on at that run time; kept until the engine has said so."""
        await on.execute(_sql.advance, workflow_id, run_time)

    async def advanced(self, id: int, run_time: datetime) -> None:
        """It does."""
        await self._pool.execute(_sql.advanced, id, run_time)
