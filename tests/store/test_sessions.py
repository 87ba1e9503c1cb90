"""Sessions and attempts as rows: one session per slot, one attempt per name, whoever comes at the same time."""

import asyncio
from datetime import datetime, timedelta

import pytest
from tests.support.backfills import Workflow, make_workflow
from tests.support.clock import NOON

from backfilld.domain.sessions.records import AttemptStatus
from backfilld.store.connection.pool import Pool
from backfilld.store.sessions.sessions import AttemptNameTaken, NewAttempts, list_attempts, open_attempts

DAYS = [NOON + timedelta(days=day) for day in range(3)]


@pytest.fixture
async def workflow(pool: Pool) -> Workflow:
    return await make_workflow(pool)


def wanted(workflow: Workflow, name: str, times: list[datetime] = DAYS, **more: object) -> NewAttempts:
    plain = NewAttempts(1, workflow.workflow_id, workflow.revision_id, "UTC", name, "me", NOON, times)
    return NewAttempts(**{field: getattr(plain, field) for field in plain.__dataclass_fields__} | more)  # type: ignore[arg-type]


async def opened(pool: Pool, new: NewAttempts) -> list[int]:
    async with pool.acquire() as connection, connection.transaction():
        return [made.id for made in await open_attempts(connection, new)]


async def test_each_slot_gets_one_session_and_each_name_one_attempt(pool: Pool, workflow: Workflow):
    await opened(pool, wanted(workflow, "one"))
    ids = await opened(pool, wanted(workflow, "two", DAYS[1:], params=[{"n": 1}, {"n": 2}]))
    attempts = await list_attempts(pool, ids)

    assert 3 == await pool.fetchval("SELECT count(*) FROM sessions")
    assert [(DAYS[1], 2, "two", {"n": 1}), (DAYS[2], 2, "two", {"n": 2})] == [
        (attempt.session_time, attempt.index, attempt.name, attempt.params) for attempt in attempts
    ]
    assert {AttemptStatus.QUEUED} == {attempt.status for attempt in attempts}


async def test_a_name_that_one_session_has_takes_nothing_in(pool: Pool, workflow: Workflow):
    await opened(pool, wanted(workflow, "x", DAYS[2:]))
    with pytest.raises(AttemptNameTaken):
        await opened(pool, wanted(workflow, "x"))

    assert 1 == await pool.fetchval("SELECT count(*) FROM sessions")


async def test_sessions_that_exist_are_left_out_if_wished(pool: Pool, workflow: Workflow):
    await opened(pool, wanted(workflow, "", DAYS[1:2]))
    ids = await opened(pool, wanted(workflow, "", backfill_number=7, skip_existing=True))
    attempts = await list_attempts(pool, ids)

    assert [(DAYS[0], 0), (DAYS[2], 1)] == [(attempt.session_time, attempt.position) for attempt in attempts]


async def test_many_that_come_at_once_get_an_index_each(pool: Pool, workflow: Workflow):
    await asyncio.gather(*(opened(pool, wanted(workflow, f"n{n}")) for n in range(8)))
    indexes = await pool.fetch("SELECT array_agg(index ORDER BY index) AS found FROM attempts GROUP BY session_id")

    assert [list(range(1, 9))] * 3 == [row["found"] for row in indexes]
