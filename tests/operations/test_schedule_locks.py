"""Whoever writes a workflow, moves its schedule or fires it does so beside the others, without a deadlock."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from tests.support.clock import NOON, FakeClock
from tests.support.schedules import ANNA, maker

from backfilld.bus import Bus
from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import BackfilldError
from backfilld.engine.schedules.firing import Firing
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules
from backfilld.operations.schedules.steer import ScheduleOperations
from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.operations.workflows import WorkflowOperations
from backfilld.store.admin.workflows import WorkflowStore
from backfilld.store.connection.pool import Pool

DEFINITION = {
    "name": "w", "executor": {"type": "http", "url": "https://t.example/"}, "schedule": {"minutes_interval>": 1},
}  # fmt: skip
ME = Actor.local("cli")
ROUNDS = 15


@pytest.fixture
async def workflow_id(pool: Pool, clock: FakeClock) -> int:
    operations = WorkflowOperations(pool, clock, DefinitionRules(("http",)))
    return (await operations.create(WorkflowDefinition.model_validate(DEFINITION), ME)).id


def firing(pool: Pool, clock: FakeClock) -> Firing:
    return Firing(pool, clock, Bus(), most_unfinished=10_000)


async def test_a_tick_does_not_wait_for_who_writes_the_workflow(pool, clock, workflow_id):
    clock.set(NOON + timedelta(minutes=5))
    async with pool.acquire() as connection, connection.transaction():
        await WorkflowStore(pool).lock(connection, workflow_id)
        async with asyncio.timeout(5):
            wake_at = await firing(pool, clock).tick()
        fired_meanwhile = await pool.fetchval("SELECT count(*) FROM sessions")
    await firing(pool, clock).tick()

    assert (0, clock.now() + timedelta(seconds=1)) == (fired_meanwhile, wake_at)
    assert 6 == await pool.fetchval("SELECT count(*) FROM sessions")


async def test_all_of_them_at_once_run_into_no_deadlock(pool, clock, workflow_id):
    schedule_id = await pool.fetchval("SELECT id FROM schedules")
    workflows = WorkflowOperations(pool, clock, DefinitionRules(("http",)))
    steering, ticks = ScheduleOperations(pool, clock), firing(pool, clock)
    backfills = maker(pool, clock)

    async def write() -> None:
        for n in range(ROUNDS):
            await workflows.patch(workflow_id, {"schedule": {"minutes_interval>": 1 + n % 2}}, ME)

    async def fire() -> None:
        for n in range(ROUNDS):
            clock.set(NOON + timedelta(minutes=3 * n))
            await ticks.tick()

    async def steer() -> None:
        for _ in range(ROUNDS):
            await steering.disable(ANNA, schedule_id)
            await steering.enable(ANNA, schedule_id, skip_schedule=False)

    async def backfill() -> None:
        for n in range(ROUNDS):
            request = ScheduleBackfillRequest(False, NOON - timedelta(minutes=20), f"again {n}", 5)
            with suppress(BackfilldError):  # fewer sessions than that, as the schedule stands in this moment
                await backfills.run(ANNA, schedule_id, request)

    async with asyncio.timeout(60):
        await asyncio.gather(write(), write(), fire(), fire(), steer(), backfill())

    assert 0 == await pool.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
