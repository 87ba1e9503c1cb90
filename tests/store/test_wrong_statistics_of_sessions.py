"""As `test_wrong_statistics`, of sessions and attempts: a workflow with a long history that nobody has analyzed."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from tests.store.test_wrong_statistics import most_blocks
from tests.support.backfills import Workflow, make_backfill, make_workflow
from tests.support.clock import NOON

from backfilld.store.connection.pool import Pool, open_pool
from backfilld.store.connection.queries import load

ITEMS, PLANS, PAGES = load("ledger.session_items"), load("sessions.plans"), load("sessions.pages")
SESSIONS, LIVE, FIRING = load("sessions.sessions"), load("sessions.live_attempts"), load("schedules.firing")
TABLES = ("sessions", "attempts", "plan_items", "outcomes", "retries")
BACKFILLS = load("backfills.backfills")
HOUR = timedelta(hours=1)
SINCE = NOON - 200_000 * HOUR


@dataclass(frozen=True)
class World:
    pool: Pool
    many: int
    workflow: Workflow  # whose attempts are not known
    backfill: int
    first: int  # of the attempts that are not known

    def entity_id(self, n: int) -> str:
        return (SINCE + n * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module", params=[10_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def world(request: pytest.FixtureRequest, databases: Any) -> AsyncIterator[World]:
    async with databases.database() as dsn:
        pool = await open_pool(dsn, size=2)
        many = request.param
        known = await make_workflow(pool)
        await _fill(pool, known, many, finished=True)
        for table in TABLES:
            await pool.execute(f"VACUUM ANALYZE {table}")  # our own names
            await pool.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        workflow = await make_workflow(pool)
        backfill = await _fill(pool, workflow, many, finished=False)
        first = await pool.fetchval("SELECT min(id) FROM attempts WHERE backfill_number = $1", backfill)
        yield World(pool, many, workflow, backfill, first)
        await pool.close()


async def _fill(pool: Pool, workflow: Workflow, many: int, *, finished: bool) -> int:
    """A backfill of so many sessions; half of the attempts of an unfinished one are over."""
    backfill = await make_backfill(pool, workflow, exclusive=False)
    project = await pool.fetchval("SELECT project_id FROM workflows WHERE id = $1", workflow.workflow_id)
    await pool.execute(
        "INSERT INTO sessions (project_id, workflow_id, session_time, created_at)"
        " SELECT $1, $2, $3::timestamptz + n * interval '1 hour', $4 FROM generate_series(0, $5::integer - 1) AS n"
        "  ORDER BY n",
        project, workflow.workflow_id, SINCE, NOON, many,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO attempts (session_id, index, name, project_id, workflow_id, revision_id, timezone, params,"
        "                      created_by, created_at, backfill_number, position, finished_at, succeeded)"
        " SELECT s.id, 1, '', $1, $2, $3, 'UTC', '{}', 'key:test', $4, $5, n,"
        "        CASE WHEN n < $6 THEN $4::timestamptz END, n < $6"
        "   FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM sessions WHERE workflow_id = $2) AS s",
        project, workflow.workflow_id, workflow.revision_id, NOON, backfill.number, many if finished else many // 2,
    )  # fmt: skip
    await pool.execute(PLANS.plan_sessions, backfill.number)
    await pool.execute(PLANS.count_plan, backfill.number, many)
    await pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts)"
        " SELECT backfill_number, position, 'succeeded', $2, $2, 1 FROM attempts"
        "  WHERE backfill_number = $1 AND finished_at IS NOT NULL",
        backfill.number, NOON,
    )  # fmt: skip
    return backfill.number


def asked(world: World) -> dict[str, tuple[str, Sequence[Any], int]]:
    """The statements, with values; and how many sessions each is about."""
    number, half, last = world.backfill, world.many // 2, world.first + world.many
    some = [world.entity_id(n) for n in range(half, half + 100)]
    times = [SINCE + n * HOUR for n in range(100)]
    workflow = world.workflow.workflow_id
    return {
        "read_items": (ITEMS.read_items, [number, some], len(some)),
        "note_running": (ITEMS.note_running, [number, 0, half, NOON, 1], 1),
        "find_unfinished_before": (ITEMS.find_unfinished_before, [number, half], 1),
        "finish_attempts": (ITEMS.finish_attempts, [[number], [half], [None]], 1),
        "rest_attempts": (ITEMS.rest_attempts, [[number], [half], [1], [NOON], [NOON], [None]], 1),
        "request_kill": (ITEMS.request_kill, [world.first + half, NOON], 1),
        "end_killed": (ITEMS.end_killed, [number, half, NOON], 1),
        "cancel_attempts": (ITEMS.cancel_attempts, [number, NOON], world.many),
        "find_named": (PLANS.find_named, [workflow, times, "n"], len(times)),
        "list_session_times": (PLANS.list_session_times, [workflow, times[0], times[-1]], len(times)),
        "find_session_before": (PLANS.find_session_before, [workflow, NOON], 1),
        "list_attempts_of_sessions": (PLANS.list_attempts_of_sessions, [number, some], len(some)),
        "list_rerun_names": (PLANS.list_rerun_names, [workflow, times, "n"], len(times)),
        "move_backfill": (BACKFILLS.move_backfill, [number, "paused", ["planning"], NOON, *[None] * 13], 1),
        "count_waiting": (PLANS.count_waiting, [1000], 1000),
        "list_sessions": (PAGES.list_sessions, [None, 100], 100),
        "list_sessions_of_workflow": (PAGES.list_sessions_of_workflow, [None, 100, workflow], 100),
        "list_all": (PAGES.list_all, [None, 100, False], 100),
        "list_of_workflow": (PAGES.list_of_workflow, [last, 100, False, workflow], 100),
        "list_attempts_by_id": (SESSIONS.list_attempts_by_id, [[last - n for n in range(1, 101)]], 100),
        "is_running": (FIRING.is_running, [workflow], 1),
        "count_crowd": (FIRING.count_crowd, [100], 1),
        "next_look": (LIVE.next_look, [NOON, "a/1", HOUR, HOUR], 1),
        "kill_overdue": (LIVE.kill_overdue, [NOON - HOUR, NOON], 1),
    }


NAMES = list(asked(World(None, 2000, Workflow(1, 1), 1, 1)))  # type: ignore[arg-type] # nothing is asked of it


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_asked_of_sessions_costs_what_it_is_about(world: World, name: str):
    sql, values, sessions = asked(world)[name]

    assert await most_blocks(world.pool, sql, values) <= 100 + 30 * sessions
