"""How PostgreSQL carries out what is asked all the time: along an index, however much the ledger has grown.

A table that is read whole costs nothing in a test and everything in the second year. The plans are asked for as the
server caches them, without the values, and for tables with enough rows to make the difference.
"""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from typing import Any

import pytest
from tests.support.backfills import make_backfill, make_workflow
from tests.support.clock import NOON

from backfilld.domain.backfills.records import Outcome, Try
from backfilld.store.connection.pool import Connection, Pool, open_pool
from backfilld.store.connection.queries import load
from backfilld.store.ledger.entries import Checkpoint, EndedItem, TriedItem
from backfilld.store.ledger.recording import record

BIG = {"plan_items", "outcomes", "retries", "tries"}
ITEMS, BACKFILLS = 6_000, 4
RUNNABLE = ["cancelling", "planning", "running", "waiting"]
EVERY = list(range(30))


@pytest.fixture(scope="module")
async def ledgers(databases: Any) -> AsyncIterator[Pool]:
    """Backfills in the middle of their work, and analyzed."""
    async with databases.database() as dsn:
        pool = await open_pool(dsn, size=2)
        workflow = await make_workflow(pool)
        for _ in range(BACKFILLS):
            backfill = await make_backfill(pool, workflow, exclusive=False)
            await _fill(pool, backfill.number)
        for _ in range(400):  # what has ended long ago
            await make_backfill(pool, workflow, exclusive=False)
        await pool.execute(
            "UPDATE backfills SET status = 'completed', completed_at = $1, planned_at = $1 WHERE number > $2",
            NOON,
            BACKFILLS,
        )
        await pool.execute(
            "INSERT INTO leases (backfill_number, holder, fence, expires_at)"
            " SELECT number, 'a/1', 1, $1 FROM backfills ON CONFLICT DO NOTHING",
            NOON,
        )
        for table in ("plan_items", "outcomes", "retries", "tries", "backfills", "backfill_progress", "leases"):
            await pool.execute(f"VACUUM ANALYZE {table}")
        yield pool
        await pool.close()


async def _fill(pool: Pool, number: int) -> None:
    """Two thirds are through, some wait for a retry, the rest is untouched."""
    await pool.execute(
        "INSERT INTO plan_items SELECT $1, n, 'e' || n FROM generate_series(0, $2::integer - 1) AS n", number, ITEMS
    )
    await pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, error_class)"
        " SELECT $1, n, (CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'succeeded' END)::outcome_status, $3, $3, 1,"
        "        CASE WHEN n % 100 = 0 THEN 'http_500' END"
        "   FROM generate_series(0, $2::integer * 2 / 3) AS n WHERE n % 10 <> 7",
        number, ITEMS, NOON,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO retries (backfill_number, position, tries, counted, next_attempt_at, last_failed_at, error_class)"
        " SELECT $1, n, 1, 1, $3::timestamptz + n * interval '1 second', $3, 'http_500'"
        "   FROM generate_series(0, $2::integer * 2 / 3) AS n WHERE n % 10 = 7",
        number, ITEMS, NOON,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO tries (backfill_number, position, attempt, finished_at, error_class)"
        " SELECT backfill_number, position, 1, $2, 'http_500' FROM retries WHERE backfill_number = $1",
        number, NOON,
    )  # fmt: skip
    await pool.execute(
        "UPDATE backfill_progress SET planned = $2, fence = 1, low_water_mark = $2 * 2 / 3 WHERE backfill_number = $1",
        number, ITEMS,
    )  # fmt: skip
    await pool.execute("UPDATE backfills SET status = 'running', planned_at = $2 WHERE number = $1", number, NOON)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


async def plan_of(connection: Connection, sql: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    """The plan for any values, as it is after the first five executions."""
    async with connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        prepared = await connection.prepare(f"EXPLAIN (FORMAT JSON) {sql}")
        return list(nodes(json.loads(await prepared.fetchval(*values))[0]["Plan"]))


class Spy:
    """A connection that only notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Sequence[Any]]] = []

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        self.asked.append((sql, values))
        return []

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()


async def batch(number: int = 1) -> dict[str, tuple[str, Sequence[Any]]]:
    """The statements of the recorder, with the values of a batch of one outcome and one try."""
    spy = Spy()
    done = EndedItem(number, ITEMS - 1, Outcome("succeeded", NOON, NOON, 1), had_retry=True)
    again = TriedItem(number, ITEMS - 2, Try(1, 1, NOON, NOON, NOON, "http_500"))
    await record(spy, [Checkpoint(number, 1, 0, 1.0)], [done], [again], NOON)  # type: ignore[arg-type] # all that it uses
    asked = dict(zip(["record_tries", "record_retried"], spy.asked, strict=True))
    values = asked["record_retried"][1]
    return asked | {
        "record_missing": (RECORDING.record_missing, values),
        "record_outcomes": (RECORDING.record_outcomes, values[:-2]),
    }


LEDGER, RECORDING, LEASES, PAGES, BACKFILL = (
    load("ledger.ledger"),
    load("ledger.recording"),
    load("backfills.leases"),
    load("ledger.pages"),
    load("backfills.backfills"),
)
PLAN = load("ledger.plan_pages")
RECOVERY = load("ledger.recovery")
HOT: dict[str, tuple[str, Sequence[Any]]] = {
    "read_plan": (PLAN.read_plan, [1, ITEMS * 2 // 3, 1000]),
    "read_sample": (PLAN.read_sample, [1, 0, 1000]),
    "read_retries": (LEDGER.read_retries, [1, 1, NOON, EVERY, 100]),
    "next_retry": (LEDGER.next_retry, [1, EVERY]),
    "wait_anew": (LEDGER.wait_anew, [1, 1, NOON, timedelta(minutes=1)]),
    "has_unfinished": (LEDGER.has_unfinished, [1]),
    "find_alone": (RECOVERY.find_alone, [1]),
    "start_alone": (RECOVERY.start_alone, [1, 1, 5, "a/1"]),
    "open_hand_out": (RECOVERY.open_hand_out, [1, 1, True, 20]),
    "put_back_retries": (RECOVERY.put_back_retries, [1, 1, EVERY]),
    "list_candidates": (LEASES.list_candidates, [RUNNABLE, NOON, "a", False]),
    "next_look": (LEASES.next_look, [RUNNABLE, NOON, "a"]),
    "list_over_pauses": (LEASES.list_over_pauses, [NOON]),
    "find_owner": (LEASES.find_owner, [1]),
    "renew_leases": (
        LEASES.renew_leases,
        [[1, 2], [1, 1], timedelta(seconds=3), [0, 0], [0, 0], 0, [None, "[]"], [None, "{}"]],
    ),
    "find_progress": (BACKFILL.find_progress, [1]),
    "list_items": (PAGES.list_items, [1, 3000, 100, EVERY]),
    "list_failed": (PAGES.list_failed, [1, 3000, 100]),
    "list_failed_of_class": (PAGES.list_failed_of_class, [1, 3000, 100, "http_500"]),
    "list_failed_of_group": (PAGES.list_failed_of_group, [1, 3000, 100, b"x", None]),
    "list_at": (PAGES.list_at, [1, 0, 100, ["retrying"], None, EVERY]),
    "list_succeeded": (PAGES.list_succeeded, [1, 3000, 100]),
    "list_unusual": (PAGES.list_unusual, [1, 3000, 100, "skipped"]),
    "list_ended_among": (PAGES.list_ended_among, [1, None, ["e77"], ["failed", "skipped"], None]),
    "find_item": (PAGES.find_item, [1, "e77", EVERY]),
    "find_usual_seconds": (PAGES.find_usual_seconds, [1, 3000, 1000, 20]),
    "find_attributes": (PAGES.find_attributes, [1, 77]),
    "list_tries": (PAGES.list_tries, [1, 77]),
    "list_elsewhere": (PAGES.list_elsewhere, [1, "e77", 200, 20]),
}


SELDOM = {"wait_anew"}  # it goes through the retries only where a clock was set back


@pytest.mark.parametrize("name", [*(name for name in HOT if name not in SELDOM), *RECORDING.names()])
async def test_what_is_asked_all_the_time_reads_no_ledger_whole(ledgers: Pool, name: str):
    asked = HOT | await batch()
    async with ledgers.acquire() as connection:
        plan = await plan_of(connection, *asked[name])
    whole = {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan" and "Relation Name" in node}

    assert set() == whole & BIG


@pytest.mark.parametrize("name", ["list_candidates", "next_look", "list_over_pauses"])
async def test_a_look_at_what_is_due_passes_over_what_has_ended(ledgers: Pool, name: str):
    async with ledgers.acquire() as connection:
        plan = await plan_of(connection, *HOT[name])
    indexes = {node.get("Index Name") for node in plan}
    whole = {node.get("Relation Name") for node in plan if node["Node Type"] == "Seq Scan"}

    assert "backfills_active" in indexes
    assert "backfills" not in whole


@pytest.mark.parametrize("name", ["list_failed", "list_items", "next_retry"])
async def test_a_page_is_read_in_the_order_of_its_index_and_never_sorted(ledgers: Pool, name: str):
    async with ledgers.acquire() as connection:
        plan = await plan_of(connection, *HOT[name])

    assert [] == [node["Node Type"] for node in plan if "Sort" in node["Node Type"]]


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (PLAN.read_plan, [1, ITEMS * 2 // 3, 50]),
        (PAGES.list_items, [1, ITEMS * 2 // 3, 50, EVERY]),
    ],
    ids=["read_plan", "list_items"],
)
async def test_a_page_behind_thousands_touches_about_as_many_rows_as_it_gives(ledgers: Pool, sql: str, values: list):
    async with ledgers.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        prepared = await connection.prepare(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        found = json.loads(await prepared.fetchval(*values))[0]["Plan"]
    touched = [node["Actual Rows"] * node["Actual Loops"] for node in nodes(found)]

    assert max(touched) <= 200


async def test_ids_are_looked_up_in_a_plan_that_has_just_grown_without_reading_it_whole(pool: Pool):
    backfill = await make_backfill(pool)
    await pool.execute(
        "INSERT INTO plan_items SELECT $1, n, 'e' || n FROM generate_series(0, 19999) AS n", backfill.number
    )
    wanted = [f"e{number}" for number in range(19_950, 20_050)]
    async with pool.acquire() as connection:
        prepared = await connection.prepare(f"EXPLAIN (ANALYZE, FORMAT JSON) {load('backfills.plans').list_planned}")
        found = json.loads(await prepared.fetchval(backfill.number, wanted))[0]["Plan"]
    looked_at = [
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in nodes(found)
    ]

    assert max(looked_at) <= 200


@pytest.mark.parametrize(
    ("file", "name", "values"),
    [
        ("backfills.ids", "list_ids", [5000, 100]),
        ("backfills.ids", "list_lines", [5000, 100]),
        ("backfills.selections", "plan_named", [0, NOON, True, "ticket", 5000, 100, 1, None, None]),
    ],
)
async def test_a_page_of_a_new_list_of_ids_reads_no_more_than_the_page(
    pool: Pool, file: str, name: str, values: list[Any]
) -> None:
    backfill = await make_backfill(pool, entity_ids=[f"e{number}" for number in range(ITEMS)])
    async with pool.acquire() as connection:
        prepared = await connection.prepare(f"EXPLAIN (ANALYZE, FORMAT JSON) {getattr(load(file), name)}")
        plan = json.loads(await prepared.fetchval(backfill.number, *values))[0]["Plan"]

    read = [node["Actual Rows"] for node in nodes(plan) if node.get("Relation Name") == "backfill_ids"]
    assert [100] == [int(rows) for rows in read]


async def test_no_index_stands_on_what_a_success_writes(ledgers: Pool):
    rows = await ledgers.fetch(
        "SELECT indexname, pg_get_expr(indpred, indrelid) AS only FROM pg_indexes"
        "  JOIN pg_index ON indexrelid = indexname::regclass"
        " WHERE tablename IN ('backfill_progress', 'leases', 'outcomes')"
    )
    of_all = [row["indexname"] for row in rows if row["only"] is None]

    assert ["backfill_progress_pkey", "leases_pkey", "outcomes_pkey"] == sorted(of_all)
    assert [] == [row["only"] for row in rows if "succeeded" in (row["only"] or "")]


async def test_a_page_of_our_own_entities_is_planned_along_two_keys(ledgers: Pool):
    values = [1, 0, NOON, False, "ticket", "", 1000, 1, "already_succeeded", None]
    async with ledgers.acquire() as connection, connection.transaction():
        for table in ("entities", "last_runs"):
            await _fill_by_id(connection, table)
        plan = await plan_of(connection, load("backfills.selections").plan_selected, values)
    indexes = {node.get("Index Name") for node in plan}
    kinds = {node["Node Type"] for node in plan}

    assert {"entities_pkey", "last_runs_pkey"} <= indexes
    assert not {"Seq Scan", "Sort", "Hash Join"} & kinds


async def _fill_by_id(connection: Connection, table: str) -> None:
    """As many of one type, and of one workflow."""
    columns = {
        "entities": "(entity_type, id, attributes, loaded_at) SELECT 'ticket', 'e' || n, '{}', $2",
        "last_runs": "SELECT 1, 'ticket', 'e' || n, 'succeeded', $2",
    }
    await connection.execute(
        f"INSERT INTO {table} {columns[table]} FROM generate_series(1, $1::integer) AS n", ITEMS, NOON
    )
    await connection.execute(f"ANALYZE {table}")
