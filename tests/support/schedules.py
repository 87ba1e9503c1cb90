"""Schedules as rows, and backfills over them, for tests that are not about how schedules come to be."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.support.backfills import make_workflow
from tests.support.clock import NOON
from tests.support.fake_control import FakeControl

from backfilld.bus import Bus
from backfilld.clock import Clock, SystemClock
from backfilld.domain.access.callers import Actor, Caller
from backfilld.domain.sessions.records import StoredSchedule, schedule_of
from backfilld.engine.control import Control
from backfilld.operations.sessions.backfill_schedule import ScheduleBackfillAnswer, ScheduleBackfills, ScheduleLimits
from backfilld.operations.sessions.create import SessionBackfills
from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool
from backfilld.store.schedules.schedules import ScheduleStore

DAILY = {"daily>": "09:00:00"}
ANNA = Actor(Caller("anna", "Anna", "operator", "key"))
DAYS = 10


async def make_schedule(
    pool: Pool, schedule: Mapping[str, Any] = DAILY, *, next_session_at: datetime | None = None, **definition: Any
) -> StoredSchedule:
    """A schedule of a workflow of its own, standing at `next_session_at` (else: the first slot after noon)."""
    workflow = await make_workflow(pool, schedule=dict(schedule), **definition)
    parsed = schedule_of({"schedule": dict(schedule), **definition})
    slot = parsed.first(NOON) if next_session_at is None else parsed.next(next_session_at - timedelta(seconds=1))
    assert slot is not None
    id = await pool.fetchval(
        "INSERT INTO schedules (workflow_id, next_session_at, next_run_at, created_at, updated_at)"
        " VALUES ($1, $2, $3, $4, $4) RETURNING id",
        workflow.workflow_id, slot.session_time, slot.run_time, NOON,
    )  # fmt: skip
    found = await ScheduleStore(pool).find(id)
    assert found is not None
    return found


def maker(
    pool: Pool, clock: Clock | None = None, control: Control | None = None, limits: ScheduleLimits | None = None
) -> ScheduleBackfills:
    """The operation, beside an engine or without one."""
    clock = clock or SystemClock()
    rows = SessionBackfills(BackfillStore(pool), control or FakeControl(), clock, Bus())
    return ScheduleBackfills(pool, rows, clock, limits or ScheduleLimits())


async def backfill_days(
    pool: Pool, stored: StoredSchedule, days: int = DAYS, name: str = "again", **options: Any
) -> ScheduleBackfillAnswer:
    """Run the last `days` sessions before the schedule's own."""
    request = ScheduleBackfillRequest(
        False, from_time=stored.next_session_at - timedelta(days=days), attempt_name=name, **options
    )
    return await maker(pool).run(ANNA, stored.id, request)
