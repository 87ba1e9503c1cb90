"""The overview of thousands of backfills: each group is read along its index, and a page does not grow with them."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.database import Databases

from backfilld.domain.backfills.holding import ENTRIES, NEWS_FOR, group_of
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.store.backfills.backfills import BackfillFilter, BackfillStore
from backfilld.store.connection.pool import Pool, open_pool
from backfilld.store.connection.queries import load

MANY = 10_000
FEW = 1_700  # of each group some: every hundredth has not ended, and every eight hundredth needs a person
BIG = ("backfills", "backfill_progress")
STOPPABLE = (Status.PLANNING, Status.RUNNING, Status.WAITING)
NEED_PERSON = sorted(code for code, entry in ENTRIES.items() if entry.needs_person)
SQL = load("backfills.backfills")
LISTS = {
    "attention": SQL.list_attention, "ended": SQL.list_ended_group, "working": SQL.list_active_group,
    "paused": SQL.list_active_group, "waiting": SQL.list_active_group,
}  # fmt: skip
COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = 'backfills'"
MADE = "id, exclusive, status, reason_code, reason_message, reason_since, completed_at, planned_at, name"


@pytest.fixture(scope="module")
async def crowd(databases: Databases) -> AsyncIterator[Pool]:
    async with crowded(databases, MANY) as pool:
        yield pool


@pytest.fixture(scope="module")
async def few(databases: Databases) -> AsyncIterator[Pool]:
    async with crowded(databases, FEW) as pool:
        yield pool


@asynccontextmanager
async def crowded(databases: Databases, many: int) -> AsyncIterator[Pool]:
    """Most have ended; of the others some need a person."""
    async with databases.database() as dsn:
        pool = await open_pool(dsn)
        await make_backfill(pool)
        known = [row["column_name"] for row in await pool.fetch(COLUMNS)]
        same = ", ".join(name for name in known if name not in ("number", *MADE.split(", ")))
        await pool.execute("UPDATE backfills SET exclusive = false")
        await pool.execute(
            f"INSERT INTO backfills ({MADE}, {same})"  # noqa: S608  # names of columns
            " SELECT gen_random_uuid(), false,"
            "   CASE WHEN g % 100 > 0 THEN (ARRAY['completed', 'cancelled', 'failed'])[1 + g % 3]"
            "        ELSE (ARRAY['running', 'waiting', 'paused'])[1 + g / 100 % 3] END,"
            "   CASE WHEN g % 800 = 0 THEN 'target_refuses' END, CASE WHEN g % 800 = 0 THEN 'no' END,"
            "   CASE WHEN g % 800 = 0 THEN $1::timestamptz END,"
            "   CASE WHEN g % 100 > 0 THEN $1::timestamptz - g * interval '1 hour' END, $1, 'number ' || g,"
            f"  {same} FROM backfills, generate_series(1, $2::integer - 1) AS g",
            NOON, many,
        )  # fmt: skip
        await pool.execute(
            "INSERT INTO backfill_progress (backfill_number) SELECT number FROM backfills ON CONFLICT DO NOTHING"
        )
        await pool.execute("VACUUM ANALYZE")
        yield pool
        await pool.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


async def read_whole(pool: Pool, sql: str, *values: Any) -> list[str]:
    """Tables that a statement reads from end to end, and really does; once for each time."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        prepared = await connection.prepare(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
        plan = json.loads(await prepared.fetchval(*values))[0]["Plan"]
    scans = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan" and node["Actual Loops"] > 0]
    return [node["Relation Name"] for node in scans if node["Relation Name"] in BIG]


@pytest.mark.parametrize("group", LISTS)
async def test_a_group_is_read_along_its_index(crowd: Pool, group: str) -> None:
    rest = [None, None, None, None, None, None, None]
    whole = await read_whole(crowd, LISTS[group], group, NEED_PERSON, NOON - NEWS_FOR, False, None, None, 51, *rest)

    assert [] == whole


async def test_of_those_that_are_counted_only_what_has_ended_is_gone_through(crowd: Pool) -> None:
    """Along its index where the table is vacuumed, and that it cannot be while somebody has it open."""
    whole = await read_whole(crowd, SQL.count_groups, None, NEED_PERSON, NOON - NEWS_FOR, False, None)

    assert whole in ([], ["backfills"])


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("text", [None, "number 1", "NUMBER 80", "no such thing"])
async def test_every_backfill_is_of_one_group_that_lists_and_counts_it(
    few: Pool, stopped: bool, text: str | None
) -> None:
    store, now = BackfillStore(few), NOON + timedelta(hours=1)
    every = await store.list_page(BackfillFilter(text=text), now=now, stopped=stopped, limit=FEW)
    expected: dict[str, list[int]] = {}
    for found in every:
        assert isinstance(found, tuple)
        backfill = found[0]
        code = backfill.reason.code if backfill.reason else None
        if stopped and backfill.status in STOPPABLE:
            code = ReasonCode.STOPPED_BY_OPERATOR
        ended_for = now - backfill.completed_at if backfill.completed_at else None
        group = group_of(backfill.status, code, ended_for=ended_for)
        expected.setdefault(group, []).append(backfill.number)
    listed = {
        group: [one[0].number for one in rows if isinstance(one, tuple)]
        for group in LISTS
        if (rows := await store.list_page(BackfillFilter(group=group, text=text), now=now, stopped=stopped, limit=FEW))  # type: ignore[arg-type]
    }

    assert text is not None or stopped or {*LISTS} == {*expected}
    assert expected == listed
    assert {group: len(numbers) for group, numbers in listed.items()} == await store.count_groups(
        now, stopped=stopped, text=text
    )
