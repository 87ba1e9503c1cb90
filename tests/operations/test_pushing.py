"""Pushes beside others who write at the same time."""

import asyncio

import pytest
from tests.support.clock import FakeClock
from tests.support.project_archives import packed
from tests.support.waiting import eventually

from backfilld.domain.access.callers import SYSTEM, Actor
from backfilld.domain.errors import Conflict
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.operations.projects import ProjectOperations, PushRequest
from backfilld.store.connection.pool import Pool

ASKER = Actor(SYSTEM)
DAILY = "schedule:\n  daily>: {}\n+t:\n  echo>: hi\n"


@pytest.fixture
def projects(pool: Pool, clock: FakeClock) -> ProjectOperations:
    return ProjectOperations(pool, clock, DefinitionRules)


def request(revision: str, time: str = "07:00:00") -> PushRequest:
    return PushRequest("p", revision, packed({"a.dig": DAILY.format(time)}))


async def test_of_two_pushes_of_one_revision_one_is_told_so(projects: ProjectOperations, pool: Pool) -> None:
    pushes = [projects.push(ASKER, request("1")) for _ in range(2)]
    results = await asyncio.gather(*pushes, return_exceptions=True)

    assert 1 == sum(isinstance(result, Conflict) for result in results)
    assert (1, 1) == tuple(
        await pool.fetchrow("SELECT (SELECT count(*) FROM projects), (SELECT count(*) FROM schedules)")
    )


async def test_pushes_of_one_project_come_one_after_the_other(projects: ProjectOperations, pool: Pool) -> None:
    await asyncio.gather(*(projects.push(ASKER, request(str(number))) for number in range(8)))

    assert (1, 8) == tuple(await pool.fetchrow("SELECT count(*), max(version) FROM workflows"))


async def test_a_push_and_a_backfill_do_not_wait_for_each_other(projects: ProjectOperations, pool: Pool) -> None:
    await projects.push(ASKER, request("1"))
    async with pool.acquire() as connection, connection.transaction():
        workflow = await connection.fetchval("SELECT workflow_id FROM schedules FOR UPDATE")
        pushing = asyncio.create_task(projects.push(ASKER, request("2", "08:00:00")))
        await eventually(lambda: _waits(pool))
        # what a new backfill does to the workflow that it refers to
        found = await connection.fetchval("SELECT id FROM workflows WHERE id = $1 FOR KEY SHARE NOWAIT", workflow)
    await pushing

    assert workflow == found


async def _waits(pool: Pool) -> bool:
    """Whether somebody waits for a lock."""
    query = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"
    )
    return bool(await pool.fetchval(query))
