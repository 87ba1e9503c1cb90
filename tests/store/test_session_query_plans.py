"""What is asked of sessions and attempts all the time is answered along an index, however many there have been."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.support.clock import NOON
from tests.support.schedules import ANNA, make_schedule, maker

from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.store.connection.pool import Pool, open_pool
from backfilld.store.connection.queries import load

HOURS, BACKFILLS = 3_000, 4
BIG = {"sessions", "attempts", "plan_items", "outcomes"}
ITEMS, PLANS, SESSIONS = load("ledger.session_items"), load("sessions.plans"), load("sessions.sessions")
PAGES, OVERVIEW = load("sessions.pages"), load("sessions.overview")
SOME = [NOON - timedelta(hours=hours) for hours in range(1, 40)]


@pytest.fixture(scope="module")
async def pool_with_years(databases: Any) -> AsyncIterator[Pool]:
    """A schedule of which most attempts have finished, analyzed."""
    async with databases.database() as dsn:
        pool = await open_pool(dsn, size=2)
        stored = await make_schedule(pool, {"hourly>": "00:00"})
        since = stored.next_session_at - timedelta(hours=HOURS)
        for number in range(BACKFILLS):
            request = ScheduleBackfillRequest(False, from_time=since, attempt_name=f"n{number}")
            await maker(pool).run(ANNA, stored.id, request)
        await pool.execute(
            "UPDATE attempts SET finished_at = $1, succeeded = true WHERE position < $2", NOON, HOURS - 50
        )
        await pool.execute(
            "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts)"
            " SELECT backfill_number, position, 'succeeded', finished_at, finished_at, 1"
            "   FROM attempts WHERE finished_at IS NOT NULL"
        )
        for table in BIG:
            await pool.execute(f"VACUUM ANALYZE {table}")  # our own names
        yield pool
        await pool.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


HOT: dict[str, tuple[str, Sequence[Any]]] = {
    "read_items": (ITEMS.read_items, [1, ["2027-02-27T00:00:00Z"]]),
    "note_running": (ITEMS.note_running, [1, 0, HOURS - 1, NOON, 1]),
    "find_unfinished_before": (ITEMS.find_unfinished_before, [1, HOURS - 10]),
    "list_killed": (ITEMS.list_killed, [1]),
    "finish_attempts": (ITEMS.finish_attempts, [[1], [HOURS - 1], [None]]),
    "rest_attempts": (ITEMS.rest_attempts, [[1], [HOURS - 1], [1], [NOON], [NOON], [None]]),
    "request_kill": (ITEMS.request_kill, [7, NOON]),
    "end_killed": (ITEMS.end_killed, [1, HOURS - 1, NOON]),
    "find_named": (PLANS.find_named, [1, SOME, "n1"]),
    "list_session_times": (PLANS.list_session_times, [1, SOME[-1], SOME[0]]),
    "find_session_before": (PLANS.find_session_before, [1, NOON]),
    "list_attempts_of_sessions": (PLANS.list_attempts_of_sessions, [1, ["2027-02-27T00:00:00Z"]]),
    "list_sessions": (PAGES.list_sessions, [2_000, 100]),
    "list_sessions_of_project": (PAGES.list_sessions_of_project, [2_000, 100, 1]),
    "list_sessions_of_workflow": (PAGES.list_sessions_of_workflow, [2_000, 100, 1]),
    "list_of_session": (PAGES.list_of_session, [None, 100, 7]),
    "list_all": (PAGES.list_all, [9_000, 100, False]),
    "list_of_project": (PAGES.list_of_project, [9_000, 100, True, 1]),
    "list_of_workflow": (PAGES.list_of_workflow, [9_000, 100, False, 1]),
    "list_overview": (OVERVIEW.list_overview, [None, None, None, None, 50]),
    "list_recent": (OVERVIEW.list_recent, [[1], 14]),
    "list_between": (OVERVIEW.list_between, [1, SOME[-1], SOME[0]]),
    "list_newest": (OVERVIEW.list_newest, [1, NOON, None, 50, 50]),
    "list_named": (PLANS.list_named, [1, SOME, "n1"]),
    "list_succeeded_times": (PLANS.list_succeeded_times, [1, SOME[-1], SOME[0]]),
    "list_attempts_by_id": (SESSIONS.list_attempts_by_id, [[1, 2, 3]]),
}


@pytest.mark.parametrize("name", HOT)
async def test_nothing_reads_years_of_sessions_to_answer_for_a_few(pool_with_years: Pool, name: str):
    sql, values = HOT[name]
    async with pool_with_years.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        prepared = await connection.prepare(f"EXPLAIN (FORMAT JSON) {sql}")
        plan = json.loads(await prepared.fetchval(*values))[0]["Plan"]
    whole = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"} & BIG

    assert set() == whole
