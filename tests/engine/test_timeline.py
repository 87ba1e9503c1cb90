"""A backfill's timeline tells its whole life, in the order in which it was lived."""

from datetime import UTC, datetime

from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, SteppedClock, engine_on, entities

from backfilld.store.admin.audit_pages import AuditPages

MONDAYS = {"monday": [{"run_start_time": "12:00", "run_end_time": "13:00"}]}


async def test_planning_waiting_running_and_the_end_are_all_told(dsn, pool):
    clock = SteppedClock(datetime(2027, 3, 1, 11, 0, tzinfo=UTC))
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, daily_execution_windows=MONDAYS)
    async with engine_on(dsn, pool, source=ListSource(entities(5)), clock=clock) as engine:
        await engine.until(backfill, "waiting")
        clock.set(datetime(2027, 3, 1, 12, 0, 1, tzinfo=UTC))
        engine.scheduler.hear(None)
        await engine.until(backfill, "completed")
    events = await AuditPages(pool).list_timeline(backfill.no, limit=100)
    moves = [(event.old["status"], event.new["status"], event.new["status_reason"]) for event in events]

    assert [
        ("planning", "waiting", "outside_window"),
        ("waiting", "running", None),
        ("running", "completed", None),
    ] == moves
    assert "outside its windows" in events[0].reason
