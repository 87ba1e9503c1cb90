"""From a filter to a plan: each entity once, however often the planner is interrupted and whatever moves meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import FakeClock
from tests.support.engine import ListSource, entities

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.entities.records import Entity
from backfilld.engine.backfills.planning.planner import Planner
from backfilld.sources.base import EntityQuery, EntitySource, Page
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.backfills.plans import PlanStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.last_runs import LastRunsStore

ALL = {"filter_resolved": {"match_all": True}}


class Making:
    """A plan in the making, by planners that may be interrupted."""

    time_field: str | None = None

    def __init__(self, pool: Pool, backfill: Backfill, fence: int, source: EntitySource | None) -> None:
        self.pool, self.backfill, self.source = pool, backfill, source
        self.plan = PlanStore(pool, backfill.number, fence)

    async def gather(self, pages: int = 10**6) -> bool:
        """A new planner, from what the database holds, for so many pages at most."""

        async def may_go_on() -> bool:
            nonlocal pages
            pages -= 1
            return pages >= 0

        row = await BackfillStore(self.pool).get_by_number(self.backfill.number)
        return await Planner(
            row, self.plan, self.source, LastRunsStore(self.pool), FakeClock(), may_go_on, self.time_field
        ).gather()

    async def freeze(self) -> list[str]:
        drafts = self.backfill.settings.order != "source"
        async with self.pool.acquire() as connection, connection.transaction():
            await self.plan.freeze(
                connection, at=FakeClock().now(), drafts=drafts, sample_size=None,
                newest_first=self.backfill.settings.order == "newest_first",
            )  # fmt: skip
        rows = await self.pool.fetch("SELECT entity_id FROM plan_items ORDER BY position")
        return [row["entity_id"] for row in rows]

    async def skipped(self) -> dict[str, str]:
        rows = await self.pool.fetch(
            "SELECT entity_id, skip_reason FROM outcomes JOIN plan_items USING (backfill_number, position)"
        )
        return dict(tuple(row) for row in rows)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    monkeypatch.setattr("backfilld.engine.backfills.planning.plan_walk.PAGE", 7)
    monkeypatch.setattr("backfilld.engine.backfills.planning.planner.PAGE_IN_PLACE", 7)
    monkeypatch.setattr("backfilld.engine.backfills.planning.planner.IDS_AT_ONCE", 3)


async def making(pool: Pool, source: EntitySource | None, **settings) -> Making:
    backfill = await make_backfill(pool, **ALL | settings)
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.number)
    return Making(pool, backfill, grant.fence, source)


def ids(count: int) -> list[str]:
    return [entity.id for entity in entities(count)]


@pytest.mark.parametrize("order", ["source", "newest_first", "oldest_first"])
async def test_interrupted_after_every_page_it_misses_and_doubles_nothing(pool, order: str):
    plan = await making(pool, ListSource(entities(50)), order=order)
    rounds = 1
    while not await plan.gather(pages=1):
        rounds += 1
        assert rounds < 50

    assert ids(50) == await plan.freeze()
    assert rounds > 5


async def test_entities_that_come_and_go_while_it_is_planned_neither_shift_nor_double_the_rest(pool):
    source = ListSource(entities(40))
    plan = await making(pool, source)
    await plan.gather(pages=2)
    del source.entities["e000003"]  # behind the cursor
    del source.entities["e000030"]  # before it
    source.entities["e000002x"] = Entity("e000002x", {})
    source.entities["e000035x"] = Entity("e000035x", {})
    await plan.gather()

    assert sorted({*ids(40), "e000035x"} - {"e000030"}) == await plan.freeze()


async def test_an_entity_that_moves_in_time_is_neither_missed_nor_planned_twice(pool):
    at = {n: datetime(2020, 1, 1 + n, tzinfo=UTC) for n in range(25)}
    source = ListSource([replace(entity, updated_at=at[n]) for n, entity in enumerate(entities(25))])
    plan = await making(pool, source, order="newest_first")
    await plan.gather(pages=2)
    for id in ("e000000", "e000024"):  # one that is planned already, one that is not
        source.entities[id] = Entity(id, {}, updated_at=datetime(2021, 1, 1, tzinfo=UTC))
    await plan.gather()
    planned = await plan.freeze()

    assert ids(25) == sorted(planned)
    assert ["e000024", "e000023"] == planned[:2]
    assert "e000000" == planned[-1]  # as it was when it was read


class Stutterer(ListSource):
    """Lists everything twice, and the last of each page at the head of the next."""

    async def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int):
        async for page in super().pages(query, cursor=cursor, page_size=page_size):
            yield Page([*page.entities, *page.entities], page.cursor)
            yield Page(page.entities[-1:], page.cursor)


@pytest.mark.parametrize("order", ["source", "oldest_first"])
async def test_what_a_source_lists_twice_is_planned_once(pool, order: str):
    plan = await making(pool, Stutterer(entities(30)), order=order)
    await plan.gather(pages=3)
    await plan.gather()

    assert ids(30) == await plan.freeze()


async def test_named_ids_are_planned_once_each_through_any_number_of_restarts(pool):
    named = ("e000004", "nobody", "e000001", "e000004", "e000009", "e000000", "e000008", "nobody", "e000002")
    plan = await making(pool, ListSource(entities(10)), entity_ids=named)
    while not await plan.gather(pages=1):
        pass

    assert list(dict.fromkeys(named)) == await plan.freeze()
    assert {"nobody": "not_found"} == await plan.skipped()


async def test_named_ids_of_a_type_without_a_source_stand_for_themselves(pool):
    plan = await making(pool, None, entity_type="none", entity_ids=("b", "a"))
    await plan.gather()

    assert ["b", "a"] == await plan.freeze()
    assert {} == await plan.skipped()


async def test_what_cannot_be_read_again_is_frozen_as_it_was(pool):
    class Once(ListSource):
        can_be_read_again = False

    plan = await making(pool, Once([Entity("a", {"n": 2**70, "t": "Grüße"})]))
    await plan.gather()
    await plan.freeze()

    assert f'{{"n": {2**70}, "t": "Grüße"}}' == await pool.fetchval("SELECT attributes FROM plan_items")


@pytest.mark.parametrize(
    ("behavior", "left_out"),
    [
        ("none", {"e000000": "already_run", "e000001": "already_run"}),
        ("failed", {"e000000": "already_succeeded"}),
        ("completed", {}),
    ],
)
async def test_what_ran_before_is_left_out_as_wished(pool, behavior: str, left_out: dict):
    plan = await making(pool, ListSource(entities(4)), reprocess_behavior=behavior)
    for id, status in (("e000000", "succeeded"), ("e000001", "failed")):
        await pool.execute(
            "INSERT INTO last_runs VALUES ($1, 'ticket', $2, $3::text::outcome_status, $4)",
            plan.backfill.workflow_id, id, status, FakeClock().now(),
        )  # fmt: skip
    await plan.gather()
    await plan.freeze()

    assert left_out == await plan.skipped()
