"""What is asked of attempts and schedules all the time goes along an index, however many there have been."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.store.test_query_plans import plan_of
from tests.support.backfills import make_workflow
from tests.support.clock import NOON

from backfilld.store.connection.pool import Pool, open_pool
from backfilld.store.connection.queries import load
from backfilld.store.sessions.live_attempts import count_waiting_alone

LIVE, FIRING = load("sessions.live_attempts"), load("schedules.firing")
PAST, WAITING = 20_000, 3_000
ASKED = {
    "take_attempt": (LIVE.take_attempt, ["i", "p", timedelta(seconds=3), NOON, 2, timedelta(days=1)]),
    "begin_try": (LIVE.begin_try, [1, 1, NOON, True]),
    "renew_attempts": (LIVE.renew_attempts, [[1], [1], timedelta(seconds=3), 1]),
    "list_killed": (LIVE.list_killed, [[1]]),
    "rest_attempt": (LIVE.rest_attempt, [1, 1, None, 1, 1, NOON, None, None, True, NOON]),
    "finish_attempt": (LIVE.finish_attempt, [1, 1, NOON, True, False, 1, *[None] * 7]),
    "kill_overdue": (LIVE.kill_overdue, [NOON, NOON]),
    "end_unheld": (LIVE.end_unheld, [NOON, "i", "p"]),
    "next_look": (LIVE.next_look, [NOON, "i/p", timedelta(days=1), timedelta(seconds=1)]),
    "count_waiting": (LIVE.count_waiting, []),
    "is_running": (FIRING.is_running, [1]),
    "count_crowd": (FIRING.count_crowd, [100]),
}


@pytest.fixture(scope="module")
async def attempts(databases: Any) -> AsyncIterator[Pool]:
    """Many that have finished, many that wait in a backfill, and a few that run."""
    async with databases.database() as dsn:
        pool = await open_pool(dsn, size=2)
        workflow = await make_workflow(pool)
        total = PAST + WAITING + 10
        await pool.execute(
            "INSERT INTO sessions (project_id, workflow_id, session_time, created_at)"
            " SELECT w.project_id, w.id, $2::timestamptz - n * interval '1 minute', $2"
            "   FROM workflows AS w, generate_series(1, $3::integer) AS n WHERE w.id = $1",
            workflow.workflow_id, NOON, total,
        )  # fmt: skip
        await pool.execute(
            "INSERT INTO attempts (session_id, index, name, project_id, workflow_id, revision_id, timezone, params,"
            "                      created_by, created_at, finished_at, backfill_number, position)"
            " SELECT id, 1, '', project_id, workflow_id, $1, 'UTC', '{}', 'me', $2::timestamptz,"
            "        CASE WHEN id <= $3 THEN $2::timestamptz END,"
            "        CASE WHEN id > $3 AND id <= $4 THEN 1 END, CASE WHEN id > $3 AND id <= $4 THEN id END"
            "   FROM sessions",
            workflow.revision_id, NOON, PAST, PAST + WAITING,
        )  # fmt: skip
        for table in ("sessions", "attempts"):
            await pool.execute(f"VACUUM ANALYZE {table}")
        yield pool
        await pool.close()


async def test_what_waits_outside_of_backfills_is_counted_until_somebody_is_at_it(attempts: Pool):
    waiting = await count_waiting_alone(attempts)
    await attempts.execute("UPDATE attempts SET running_since = $1 WHERE id = (SELECT max(id) FROM attempts)", NOON)
    fewer = await count_waiting_alone(attempts)
    await attempts.execute("UPDATE attempts SET running_since = NULL WHERE running_since IS NOT NULL")

    assert (10, 9) == (waiting, fewer)


@pytest.mark.parametrize("name", ASKED)
async def test_it_reads_no_table_whole(attempts, name):
    sql, values = ASKED[name]
    async with attempts.acquire() as connection:
        plan = await plan_of(connection, sql, values)
    whole = {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"}

    assert not whole & {"attempts", "sessions"}
