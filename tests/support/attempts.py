"""Attempts outside of backfills, made as a start by hand makes them."""

from datetime import timedelta
from typing import Any

from tests.support.backfills import make_workflow
from tests.support.clock import NOON
from tests.support.engine import Engine
from tests.support.waiting import eventually

from backfilld.domain.sessions.records import Attempt, AttemptStatus
from backfilld.store.connection.pool import Pool
from backfilld.store.schedules.positions import tell_live
from backfilld.store.sessions.sessions import NewAttempts, list_attempts, open_attempts

ENDED = {AttemptStatus.SUCCESS, AttemptStatus.ERROR, AttemptStatus.KILLED}


async def make_attempts(pool: Pool, count: int = 1, *, name: str = "", **definition: Any) -> list[int]:
    """One attempt of each of `count` sessions of a workflow of its own; their ids."""
    workflow = await make_workflow(pool, **definition)
    project = await pool.fetchval("SELECT project_id FROM workflows WHERE id = $1", workflow.workflow_id)
    times = [NOON + timedelta(hours=n) for n in range(count)]
    made = NewAttempts(
        project, workflow.workflow_id, workflow.revision_id, "UTC", name, "key:test", NOON, times,
        [{"n": n} for n in range(count)],
    )  # fmt: skip
    async with pool.acquire() as connection, connection.transaction():
        opened = await open_attempts(connection, made)
        await tell_live(connection)
    return [attempt.id for attempt in opened]


async def attempt_of(pool: Pool, id: int) -> Attempt:
    return (await list_attempts(pool, [id]))[0]


async def statuses(pool: Pool, ids: list[int]) -> list[str]:
    return [attempt.status.value for attempt in await list_attempts(pool, ids)]


async def all_ended(engine: Engine | Pool, ids: list[int], *, seconds: float = 20.0) -> list[Attempt]:
    """The attempts, once every one of them is finished."""
    pool = engine.pool if isinstance(engine, Engine) else engine

    async def look() -> list[Attempt]:
        found = await list_attempts(pool, ids)
        return found if all(attempt.status in ENDED for attempt in found) else []

    return await eventually(look, seconds=seconds)
