"""What is asked all the time costs what it is about, also of a backfill that the database's statistics do not know.

That is the everyday case: autovacuum has analyzed what ran yesterday, and a minute ago somebody has made a new
backfill. The planner expects one row of it then, whatever there is. Judged by the blocks that were touched, not by the
time.
"""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest
from tests.store.test_query_plans import batch
from tests.support.backfills import Workflow, make_backfill, make_workflow
from tests.support.clock import NOON
from tests.support.ledgers import rows_touched

from backfilld.store.backfills.plans import SHORTEST_GAP
from backfilld.store.connection.pool import Connection, Pool, open_pool
from backfilld.store.connection.queries import load

LEDGER, PAGES, PLAN, PLANS = (
    load("ledger.ledger"),
    load("ledger.pages"),
    load("ledger.plan_pages"),
    load("backfills.plans"),
)
REMEMBERED, REMOVAL, ENTITIES, SELECTIONS = (
    load("ledger.last_runs"),
    load("backfills.removal"),
    load("entities.entities"),
    load("backfills.selections"),
)
RECOVERY, GROUPS, UNPARSED = load("ledger.recovery"), load("history.error_groups"), load("entities.unparsed")
RECORDING = load("ledger.recording")
LEASES, BACKFILLS, IDS = load("backfills.leases"), load("backfills.backfills"), load("backfills.ids")
TABLES = ("plan_items", "outcomes", "retries", "tries", "last_runs", "entities", "backfills", "backfill_progress")
IN_FLIGHT = list(range(30))
ADDED = 60
COMMON_GROUP, RARE_GROUP = b"common", b"rare"
TOMORROW = NOON + timedelta(days=1)

# The backfills that nobody has analyzed, by number; each is as large as the one that is known.
KNOWN, LEFT_OUT, FAILED, RETRYING, UNTOUCHED, REST = range(1, 7)


@dataclass(frozen=True)
class World:
    pool: Pool
    items: int
    workflow: Workflow

    @cached_property
    def ids(self) -> list[str]:
        return [f"e{n:07}" for n in range(self.items)]


@pytest.fixture(scope="module", params=[10_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def world(request: pytest.FixtureRequest, databases: Any) -> AsyncIterator[World]:
    async with databases.database() as dsn:
        pool = await open_pool(dsn, size=2)
        workflow = await make_workflow(pool)
        world = World(pool, request.param, workflow)
        await _fill(world, KNOWN, "succeeded")
        for table in TABLES:
            await pool.execute(f"VACUUM ANALYZE {table}")  # our own names
            await pool.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        await _fill_unknown(world)
        yield world
        await pool.close()


async def _fill_unknown(world: World) -> None:
    await _fill(world, LEFT_OUT, "skipped")
    await world.pool.execute(PLANS.note_gaps, LEFT_OUT, SHORTEST_GAP)
    await _fill(world, FAILED, "failed")
    await _add_what_is_rare(world, FAILED)
    await _fill(world, RETRYING, None)
    await _wait_for_retries(world, RETRYING)
    await _fill(world, UNTOUCHED, None)
    await _fill(world, REST, None)
    await world.pool.execute(LEDGER.cancel_rest, REST, 1, NOON)
    await _fill_by_id(world)


async def _fill(world: World, number: int, status: str | None) -> None:
    """As many items as there are, all ended in a status (None: none), and some that nobody has touched."""
    backfill = await make_backfill(world.pool, world.workflow, exclusive=False)
    assert number == backfill.number
    await world.pool.execute(
        "INSERT INTO plan_items SELECT $1, n, 'e' || lpad(n::text, 7, '0')"
        "   FROM generate_series(0, $2::integer - 1) AS n",
        number, world.items + ADDED,
    )  # fmt: skip
    if status is not None:
        await world.pool.execute(
            "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, error_class,"
            "                      skip_reason)"
            " SELECT $1, n, $4::text::outcome_status, $3, $3, 1, CASE WHEN $4 = 'failed' THEN 'http_500' END,"
            "        CASE WHEN $4 = 'skipped' THEN 'already_succeeded' END"
            "   FROM generate_series(0, $2::integer - 1) AS n",
            number, world.items, NOON, status,
        )  # fmt: skip
    await world.pool.execute(
        "UPDATE backfill_progress SET planned = $2, skipped = $3, skipped_in_plan = $3, fence = 1"
        " WHERE backfill_number = $1",
        number, world.items + ADDED, world.items if status == "skipped" else 0,
    )  # fmt: skip
    await world.pool.execute("UPDATE backfills SET status = 'running', planned_at = $2 WHERE number = $1", number, NOON)


async def _add_what_is_rare(world: World, number: int) -> None:
    """The last of many failures is of another class and group, and what comes behind it was skipped."""
    await world.pool.execute("UPDATE outcomes SET fingerprint = $2 WHERE backfill_number = $1", number, COMMON_GROUP)
    await world.pool.execute(
        "UPDATE outcomes SET error_class = 'rare', fingerprint = $3 WHERE backfill_number = $1 AND position = $2",
        number, world.items - 1, RARE_GROUP,
    )  # fmt: skip
    await world.pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, finished_at, attempts, skip_reason)"
        " VALUES ($1, $2, 'skipped', $3, 0, 'entity_gone')",
        number, world.items, NOON,
    )  # fmt: skip


async def _wait_for_retries(world: World, number: int) -> None:
    await world.pool.execute(
        "INSERT INTO retries (backfill_number, position, tries, counted, next_attempt_at, last_failed_at, error_class)"
        " SELECT $1, n, 1, 1, $3::timestamptz + n * interval '1 second', $3, 'http_500'"
        "   FROM generate_series(0, $2::integer - 1) AS n",
        number, world.items, NOON - timedelta(days=2),
    )  # fmt: skip
    await world.pool.execute(
        "INSERT INTO tries (backfill_number, position, attempt, finished_at, error_class)"
        " SELECT backfill_number, position, 1, $2, 'http_500' FROM retries WHERE backfill_number = $1",
        number, NOON,
    )  # fmt: skip
    await world.pool.execute(
        "UPDATE backfill_progress SET retrying = $2 WHERE backfill_number = $1", number, world.items
    )


async def _fill_by_id(world: World) -> None:
    """As many entities, and last runs, of a type that nobody has analyzed."""
    await world.pool.execute(
        "INSERT INTO entities (entity_type, id, attributes, loaded_at)"
        " SELECT 'ticket', 'e' || lpad(n::text, 7, '0'), '{}', $2 FROM generate_series(0, $1::integer - 1) AS n",
        world.items, NOON,
    )  # fmt: skip
    await world.pool.execute("INSERT INTO entity_types (name, entities) VALUES ('ticket', $1)", world.items)
    await world.pool.execute(
        "INSERT INTO last_runs SELECT $3, 'ticket', 'e' || lpad(n::text, 7, '0'), 'succeeded', $2"
        "   FROM generate_series(0, $1::integer - 1) AS n",
        world.items, NOON, world.workflow.workflow_id,
    )  # fmt: skip


def asked(world: World) -> dict[str, tuple[str, Sequence[Any], int]]:
    """The statements, with values; and how many items each is about."""
    many, workflow = world.items, world.workflow.workflow_id
    some = world.ids[1000:2000]
    return {
        "read_plan behind what was left out": (PLAN.read_plan, [LEFT_OUT, 0, 1000], ADDED),
        "read_plan behind what failed": (PLAN.read_plan, [FAILED, many - 500, 1000], 1000),
        "read_plan behind retries": (PLAN.read_plan, [RETRYING, many - 500, 1000], 1000),
        "read_plan": (PLAN.read_plan, [UNTOUCHED, many // 2, 1000], 1000),
        "read_sample": (PLAN.read_sample, [LEFT_OUT, 0, 1000], 0),
        "read_retries": (LEDGER.read_retries, [RETRYING, 1, TOMORROW, IN_FLIGHT, 100], 2 * 100),
        "read_repeats": (RECOVERY.read_repeats, [RETRYING, 2, IN_FLIGHT, 100], many),
        "put_back_retries": (RECOVERY.put_back_retries, [RETRYING, 1, IN_FLIGHT], len(IN_FLIGHT)),
        "take_due": (RECOVERY.take_due, [RETRYING, TOMORROW, 100], 100),
        "count_taken": (RECOVERY.count_taken, [RETRYING, 2], many),
        "lock_account": (RECOVERY.lock_account, [RETRYING, 1], 1),
        "open_hand_out": (RECOVERY.open_hand_out, [RETRYING, 1, True, 100], 1),
        "next_retry": (LEDGER.next_retry, [RETRYING, IN_FLIGHT], 1),
        "wait_anew": (LEDGER.wait_anew, [RETRYING, 1, NOON, timedelta(minutes=1)], 1),
        "has_unfinished": (LEDGER.has_unfinished, [RETRYING], 1),
        "find_alone": (RECOVERY.find_alone, [RETRYING], 1),
        "start_alone": (RECOVERY.start_alone, [RETRYING, 1, 5, "a/1"], 1),
        "charge_interruption": (RECOVERY.charge_interruption, [RETRYING, 1, 5, 2, NOON, "a/1"], 1),
        "cancel_rest": (LEDGER.cancel_rest, [UNTOUCHED, 1, NOON], 1),
        "cancel_retries": (LEDGER.cancel_retries, [RETRYING, 1, 2000, NOON], 2 * 2000),
        "cancel_retries where there are none": (LEDGER.cancel_retries, [UNTOUCHED, 1, 2000, NOON], 1),
        "list_rest_ids": (PAGES.list_rest_ids, [REST], many),
        "copy_failed": (IDS.copy_failed, [99, FAILED], many),
        "copy_failed_of_class that is rare": (IDS.copy_failed_of_class, [99, FAILED, "rare"], 1),
        "copy_failed_of_group that is rare": (IDS.copy_failed_of_group, [99, FAILED, RARE_GROUP, None], 1),
        "copy_ended, skipped": (IDS.copy_ended, [99, FAILED, ["skipped"]], 1),
        "copy_ended, cancelled with the rest": (IDS.copy_ended, [99, REST, ["cancelled"]], many),
        "list_items of what was cancelled with the rest": (PAGES.list_items, [REST, many // 2, 100, []], 100),
        "find_owner": (LEASES.find_owner, [RETRYING], 1),
        "find_progress": (BACKFILLS.find_progress, [RETRYING], 1),
        "list_items": (PAGES.list_items, [FAILED, many // 2, 100, IN_FLIGHT], 100),
        "list_failed": (PAGES.list_failed, [FAILED, many // 2, 100], 100),
        "list_failed where nothing failed": (PAGES.list_failed, [LEFT_OUT, -1, 100], 0),
        "list_failed_of_class": (PAGES.list_failed_of_class, [FAILED, many // 2, 100, "http_500"], 100),
        "list_failed_of_class that is rare": (PAGES.list_failed_of_class, [FAILED, -1, 100, "rare"], 1),
        "list_failed_of_group": (PAGES.list_failed_of_group, [FAILED, -1, 100, COMMON_GROUP, None], 100),
        "list_failed_of_group that is rare": (PAGES.list_failed_of_group, [FAILED, -1, 100, RARE_GROUP, None], 1),
        "list_succeeded behind what was left out": (PAGES.list_succeeded, [LEFT_OUT, -1, 100], 0),
        "list_succeeded": (PAGES.list_succeeded, [KNOWN, many // 2, 100], 100),
        "list_unusual": (PAGES.list_unusual, [LEFT_OUT, many // 2, 100, "skipped"], 100),
        "list_unusual of failures": (PAGES.list_unusual, [FAILED, -1, 100, "skipped"], 1),
        "list_unusual of successes": (PAGES.list_unusual, [KNOWN, -1, 100, "skipped"], 0),
        "list_unusual_ids of failures": (PAGES.list_unusual_ids, [FAILED, "skipped"], 1),
        "list_failed_ids_of_class that is rare": (PAGES.list_failed_ids_of_class, [FAILED, "rare"], 1),
        "list_failed_ids_of_group that is rare": (PAGES.list_failed_ids_of_group, [FAILED, RARE_GROUP, None], 1),
        "count_failed_of_class that is rare": (PAGES.count_failed_of_class, [FAILED, "rare"], 1),
        "count_failed_of_group that is rare": (PAGES.count_failed_of_group, [FAILED, RARE_GROUP, None], 1),
        "list_error_classes": (PAGES.list_error_classes, [FAILED, 20], 2),
        "find_counters": (PAGES.find_counters, [FAILED], 1),
        "find_group that is rare": (GROUPS.find_group, [FAILED, RARE_GROUP], 1),
        "list_examples": (GROUPS.list_examples, [FAILED, [COMMON_GROUP, RARE_GROUP], 5], 10),
        "list_at in flight": (PAGES.list_at, [RETRYING, -1, 100, ["in_flight"], None, IN_FLIGHT], 100),
        "list_at retrying": (PAGES.list_at, [RETRYING, many // 2, 100, ["retrying"], None, IN_FLIGHT], 100),
        "find_item": (PAGES.find_item, [RETRYING, "e0000077", IN_FLIGHT], 1),
        "list_tries": (PAGES.list_tries, [RETRYING, 77], 1),
        "list_failed_ids": (PAGES.list_failed_ids, [FAILED], many),
        "list_ended_among": (PAGES.list_ended_among, [FAILED, None, some, ["failed"], None], len(some)),
        "list_planned_ids": (PAGES.list_planned_ids, [LEFT_OUT, some], len(some)),
        "count_run_before": (PAGES.count_run_before, [workflow, "ticket", some], len(some)),
        "list_planned": (PLANS.list_planned, [LEFT_OUT, some], len(some)),
        "last_outcomes": (REMEMBERED.last_outcomes, [workflow, "ticket", some], len(some)),
        "draw_sample": (PLANS.draw_sample, [LEFT_OUT, 20], many),
        "note_gaps": (PLANS.note_gaps, [FAILED, SHORTEST_GAP], many),
        "plan_selected": (
            SELECTIONS.plan_selected,
            [9, 0, NOON, False, "ticket", world.ids[1000], 1000, workflow, "already_succeeded", None],
            2 * 1000,
        ),
        "remember": (REMEMBERED.remember, [FAILED, 0, many, 2000, True], 2000),
        "remember beside retries": (REMEMBERED.remember, [RETRYING, 0, 2000, 2000, True], 2000),
        "remember_waiting": (REMEMBERED.remember_waiting, [RETRYING], 1),
        "list_unremembered": (REMEMBERED.list_unremembered, [workflow, False], 10),
        "delete_positions": (REMOVAL.delete_positions, [RETRYING, 1000, 2000], 1000),
        "find_stale_entities": (REMOVAL.find_stale_entities, ["ticket", some[0], NOON, 1000], 1000),
        "delete_stale_entities": (REMOVAL.delete_stale_entities, ["ticket", some, TOMORROW], len(some)),
        "read_entities": (ENTITIES.read_entities, ["ticket", some], len(some)),
        "read_by_key": (UNPARSED.read_by_key, ["ticket", json.dumps(some)], len(some)),
        "read_range": (UNPARSED.read_range, ["ticket", some[0], some[-1], len(some)], len(some)),
        "read_range of few": (UNPARSED.read_range, ["ticket", some[0], some[-1], 20], 20),
    }


NAMES = list(asked(World(None, 2000, Workflow(1, 1))))  # type: ignore[arg-type] # nothing is asked of it


async def blocks(pool: Pool, sql: str, values: Sequence[Any], mode: str) -> int:
    """How many blocks the execution touched; whatever it wrote is undone."""
    async with pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        try:
            await connection.execute(f"SET LOCAL plan_cache_mode = force_{mode}_plan")
            prepared = await connection.prepare(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}")
            plan = json.loads(await prepared.fetchval(*values))[0]["Plan"]
            return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        finally:
            await undone.rollback()


async def most_blocks(pool: Pool, sql: str, values: Sequence[Any]) -> int:
    """Whether it is planned for these values or for any."""
    return max([await blocks(pool, sql, values, mode) for mode in ("custom", "generic")])


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_asked_costs_what_it_is_about(world: World, name: str):
    sql, values, items = asked(world)[name]

    assert await most_blocks(world.pool, sql, values) <= 100 + 30 * items


async def test_plans_that_were_made_when_everything_was_empty_hold_on_the_first_day(databases: Any):
    """A statement keeps its plan until somebody analyzes the tables: for a minute, or for the whole first backfill."""
    async with databases.database() as dsn:
        pool = await open_pool(dsn, size=2, plan_cache_mode="force_generic_plan")
        world = World(pool, 2_000, await make_workflow(pool))
        too_many = {}
        async with pool.acquire() as connection:
            prepared = {name: await connection.prepare(sql) for name, (sql, _, _) in asked(world).items()}
            for name, (_, values, _) in asked(world).items():
                await _undone(connection, prepared[name], values)
            await _fill(world, KNOWN, "succeeded")
            await _fill_unknown(world)
            for name, (_, values, items) in asked(world).items():
                touched = await _undone(connection, prepared[name], values)
                if touched > 100 + 6 * items:
                    too_many[name] = touched
        await pool.close()

    assert {} == too_many


async def _undone(connection: Connection, statement: Any, values: Sequence[Any]) -> int:
    """Execute it, undo it, and tell how many rows it looked at."""
    undone = connection.transaction()
    await undone.start()
    try:
        before = await rows_touched(connection)
        await statement.fetch(*values)
        return await rows_touched(connection) - before
    finally:
        await undone.rollback()


@pytest.mark.parametrize("name", RECORDING.names())
async def test_an_outcome_that_had_retries_is_recorded_without_looking_at_the_other_retries(world: World, name: str):
    sql, values = (await batch(RETRYING))[name]

    assert await blocks(world.pool, sql, values, "generic") <= 100


async def test_no_second_index_can_be_taken_for_the_key_of_an_item(world: World):
    """With two that begin alike, and one row expected, the planner takes either."""
    indexes = await world.pool.fetch(
        "SELECT tablename || ': ' || indexdef FROM pg_indexes"
        " WHERE tablename IN ('plan_items', 'retries', 'outcomes') AND indexname NOT LIKE '%_pkey'"
    )

    assert [] == [row[0] for row in indexes if "(backfill_number," in row[0] and "WHERE" not in row[0]]
