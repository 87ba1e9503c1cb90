"""A backfill's timeline tells its whole life, in the order in which it was lived."""

from datetime import UTC, datetime, timedelta

from tests.engine.test_trouble import REFUSED, Moody, says
from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.verdicts import SUCCEEDED
from backfilld.store.admin import audit
from backfilld.store.admin.audit_pages import AuditFilter, AuditPages

MONDAYS = {"monday": [{"run_start_time": "12:00", "run_end_time": "13:00"}]}


async def test_planning_waiting_running_and_the_end_are_all_told(dsn, pool):
    clock = SteppedClock(datetime(2027, 3, 1, 11, 0, tzinfo=UTC))
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, daily_execution_windows=MONDAYS)
    async with engine_on(dsn, pool, source=ListSource(entities(5)), clock=clock) as engine:
        await engine.until(backfill, "waiting")
        clock.set(datetime(2027, 3, 1, 12, 0, 1, tzinfo=UTC))
        engine.scheduler.hear(None)
        await engine.until(backfill, "completed")
    events = await AuditPages(pool).list_timeline(backfill.number, limit=100)
    moves = [(event.old["status"], event.new["status"], event.new["status_reason"]) for event in events]

    assert [
        ("planning", "waiting", "outside_window"),
        ("waiting", "running", None),
        ("running", "completed", None),
    ] == moves
    assert "Closed now. The next opening starts Mon 2027-03-01 12:00 UTC." == events[0].reason


async def test_an_outage_is_one_event_over_probes_and_a_restart(dsn, pool, monkeypatch):
    monkeypatch.setattr("backfilld.engine.starting.targets.target_health.FIRST_REFUSAL_SECONDS", 1.1)
    target = Moody()
    target.says = REFUSED
    backfill = await make_backfill(pool, filter_resolved={"match_all": True}, max_in_flight=3)
    async with engine_on(dsn, pool, ScriptedExecutor(target), ListSource(entities(30))) as engine:
        await says(engine, backfill, "target_refuses")
        since = (await engine.tools.backfills.get(backfill.id)).reason.since
    async with engine_on(dsn, pool, ScriptedExecutor(target), ListSource(entities(30))) as engine:
        await eventually(lambda: outage_with(pool, backfill, probes=2))
        row = await engine.tools.backfills.get(backfill.id)
        target.says = SUCCEEDED
        await engine.until(backfill, "completed")
    events = await AuditPages(pool).list_timeline(backfill.number, AuditFilter(action="backfill.outage"), limit=100)
    moves = await AuditPages(pool).list_timeline(backfill.number, AuditFilter(action="backfill.status"), limit=100)

    assert [({"status_reason": "target_refuses"}, since)] == [(event.new, event.began_at) for event in events]
    assert events[0].ended_at > events[0].began_at
    assert since == row.reason.since
    assert ["running", "completed"] == [event.new["status"] for event in moves]


async def outage_with(pool, backfill, *, probes: int) -> bool:
    events = await AuditPages(pool).list_timeline(backfill.number, limit=100)
    return any(event.probes is not None and event.probes >= probes for event in events)


async def test_orders_that_held_it_and_reruns_of_it_are_told(pool):
    backfill = await make_backfill(pool)
    child = await make_backfill(pool, backfill, parent_number=backfill.number, parent_id=backfill.id, exclusive=False)
    async with pool.acquire() as connection:
        for minutes, action, number in (
            (-5, "daemon.stop_all", None), (1, "daemon.stop_all", None), (2, "daemon.start_all", None),
            (3, "backfill.rerun", child.number), (4, "backfill.pause", child.number), (5, "workflow.edit", None),
        ):  # fmt: skip
            at = backfill.created_at + timedelta(minutes=minutes)
            await audit.record(connection, Actor.local("cli"), action, "x", at=at, backfill_number=number)
    events = await AuditPages(pool).list_timeline(backfill.number, limit=100)

    assert ["daemon.stop_all", "daemon.start_all", "backfill.rerun"] == [event.action for event in events]
    assert [None, None, child.id] == [event.backfill_id for event in events]
