"""A plan over our own entities is made where they lie, and is the one that reading them would have made."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.engine.test_planner import Making, making
from tests.support.clock import NOON, FakeClock

from backfilld.engine.backfills.planning.planner import Planner
from backfilld.sources.base import EntityQuery
from backfilld.sources.builtin import BuiltinSource
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.plans import FenceLost, PlanStore
from backfilld.store.connection.pool import Pool
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.uploads import EntityRow, EntityUploads, UploadTerms
from backfilld.store.ledger.last_runs import LastRunsStore

ENTITIES = 40
OPEN = {"combinator": "and", "not": False, "rules": [{"field": "status", "operator": "=", "value": "open"}]}
FOLDED = {
    "combinator": "and",
    "not": False,
    "rules": [{"field": "name", "operator": "=", "value": "STRASSE", "case_sensitive": False}],
}


class Lister(BuiltinSource):
    """The built-in source, as one that is somewhere else."""

    def selection(self, query: EntityQuery) -> None:
        return None


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    monkeypatch.setattr("backfilld.engine.backfills.planning.plan_walk.PAGE", 7)
    monkeypatch.setattr("backfilld.engine.backfills.planning.planner.PAGE_IN_PLACE", 7)
    monkeypatch.setattr("backfilld.engine.backfills.planning.planner.IDS_AT_ONCE", 3)


@pytest.fixture
async def store(pool: Pool) -> EntityStore:
    """Tickets, two of three of them open; some without a time, some of the same."""

    async def rows() -> AsyncIterator[Sequence[EntityRow]]:
        for n in range(ENTITIES):
            attributes = {"status": "open" if n % 3 else "closed", "name": "straße" if n % 2 else "strasse"}
            at = NOON - timedelta(hours=n * 7 % 11) if n % 5 else None
            attributes |= {"due": f"2026-01-{n % 28 + 1:02}T00:00:00Z"}
            yield [(n, f"t{n:02}", orjson.dumps(attributes).decode(), at)]

    await EntityUploads(pool).store(rows(), UploadTerms("ticket", NOON))
    return EntityStore(pool)


async def remember(pool: Pool, plan: Making) -> None:
    """Every fourth has succeeded under the workflow, and every fifth has failed."""
    for n in range(ENTITIES):
        status = "succeeded" if n % 4 == 0 else "failed" if n % 5 == 0 else None
        if status is not None:
            await pool.execute(
                "INSERT INTO last_runs VALUES ($1, 'ticket', $2, $3::text::outcome_status, $4)",
                plan.backfill.workflow_id, f"t{n:02}", status, NOON,
            )  # fmt: skip


async def made(pool: Pool, source: BuiltinSource, **settings) -> tuple[list[str], dict[str, str], tuple[int, int]]:
    plan = await making(pool, source, exclusive=False, **settings)
    await pool.execute("DELETE FROM plan_items")
    await pool.execute("DELETE FROM outcomes")
    await remember(pool, plan)
    rounds = 1
    while not await plan.gather(pages=2):  # a page, and the question at the end
        rounds += 1
        assert rounds < ENTITIES
    row = await pool.fetchrow(
        "SELECT planned, skipped FROM backfill_progress WHERE backfill_number = $1", plan.backfill.number
    )
    return await plan.freeze(), await plan.skipped(), tuple(row) if settings["order"] == "source" else (0, 0)


@pytest.mark.parametrize("order", ["source", "newest_first", "oldest_first"])
async def test_it_is_the_plan_that_listing_makes(pool: Pool, store: EntityStore, order: str):
    for behavior in ("none", "failed", "completed"):
        settings = {"order": order, "reprocess_behavior": behavior, "filter_resolved": OPEN}
        by_listing = await made(pool, Lister(store), **settings)
        in_place = await made(pool, BuiltinSource(store), **settings)

        assert by_listing == in_place, behavior
        assert len(in_place[0]) == sum(1 for n in range(ENTITIES) if n % 3), behavior
        assert bool(in_place[1]) == (behavior != "completed"), behavior


NAMED = ("t07", "nobody", "t31", "t00", "t08", "t25", "t04", "t05", "t10", "t15", "noone", "t20", "t22", "t01", "t02")


@pytest.mark.parametrize("order", ["source", "newest_first", "oldest_first"])
@pytest.mark.parametrize("filter_resolved", [OPEN, None])
async def test_named_ids_come_to_the_plan_that_reading_them_makes(
    pool: Pool, store: EntityStore, order: str, filter_resolved: Any
):
    for behavior in ("none", "failed", "completed"):
        settings = {"order": order, "reprocess_behavior": behavior, "filter_resolved": filter_resolved}
        by_reading = await made(pool, Lister(store), entity_ids=NAMED, **settings)
        in_place = await made(pool, BuiltinSource(store), entity_ids=NAMED, **settings)

        assert by_reading == in_place, behavior
        assert sorted(NAMED) == sorted(in_place[0]), behavior
        assert "not_found" == in_place[1]["nobody"], behavior
        assert ("not_matching" in in_place[1].values()) == (filter_resolved is not None), behavior
        assert ("already_succeeded" in in_place[1].values()) == (behavior == "failed"), behavior


async def test_ids_of_a_type_without_a_source_are_left_out_if_they_were_run(pool: Pool):
    plan = await making(pool, None, entity_type="none", entity_ids=NAMED, filter_resolved=None)
    await pool.execute(
        "INSERT INTO last_runs VALUES ($1, 'none', 't00', 'succeeded', $2), ($1, 'none', 't08', 'failed', $2)",
        plan.backfill.workflow_id, NOON,
    )  # fmt: skip
    await plan.gather(pages=2)
    await plan.gather()

    assert list(NAMED) == await plan.freeze()
    assert {"t00": "already_succeeded"} == await plan.skipped()


async def test_named_ids_planned_in_one_way_are_planned_on_in_the_other(pool: Pool, store: EntityStore):
    plan = await making(pool, BuiltinSource(store), entity_ids=NAMED)
    await plan.gather(pages=2)
    plan.source = Lister(store)
    await plan.gather(pages=2)
    plan.source = BuiltinSource(store)
    await plan.gather()

    assert list(NAMED) == await plan.freeze()


async def test_where_sql_selects_too_much_the_predicate_has_the_last_word(pool: Pool, store: EntityStore):
    ids, _, _ = await made(pool, BuiltinSource(store), order="source", filter_resolved=FOLDED)

    assert [f"t{n:02}" for n in range(ENTITIES)] == ids


async def test_an_order_by_an_attribute_is_kept(pool: Pool, store: EntityStore):
    plan = await making(pool, BuiltinSource(store), order="oldest_first")
    plan.time_field = "due"
    await plan.gather()
    ids = await plan.freeze()

    assert ["t00", "t28", "t01", "t29"] == ids[:4]


async def test_one_way_goes_on_where_the_other_left_off(pool: Pool, store: EntityStore):
    plan = await making(pool, BuiltinSource(store))
    await plan.gather(pages=2)
    plan.source = Lister(store)
    await plan.gather(pages=2)
    plan.source = BuiltinSource(store)
    await plan.gather()

    assert [f"t{n:02}" for n in range(ENTITIES)] == await plan.freeze()


async def test_a_plan_of_another_owner_is_left_alone(pool: Pool, store: EntityStore):
    plan = await making(pool, BuiltinSource(store))
    row = await BackfillStore(pool).get_by_number(plan.backfill.number)
    late = PlanStore(pool, plan.backfill.number, fence=0)

    async def may_go_on() -> bool:
        return True

    with pytest.raises(FenceLost):
        await Planner(row, late, BuiltinSource(store), LastRunsStore(pool), FakeClock(), may_go_on).gather()
    assert 0 == await pool.fetchval("SELECT count(*) FROM plan_items")


async def test_nothing_matching_is_an_empty_plan(pool: Pool, store: EntityStore):
    plan = await making(pool, BuiltinSource(store), entity_type="invoice")
    await plan.gather()

    assert [] == await plan.freeze()
