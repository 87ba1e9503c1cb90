"""A plan while it is made and when it freezes: each entity once, in order, with exact totals, under the fence alone."""

from datetime import timedelta

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import NOON

from backfilld.domain.backfills.records import Backfill
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.backfills.plans import FenceLost, PlannedEntity, PlanStore, Totals
from backfilld.store.connection.pool import Pool, open_pool


@pytest.fixture
async def backfill(pool: Pool) -> Backfill:
    return await make_backfill(pool)


@pytest.fixture
async def plan(pool: Pool, backfill: Backfill) -> PlanStore:
    grant = await LeaseStore(pool, instance="a", process="1").acquire(backfill.number)
    return PlanStore(pool, backfill.number, grant.fence)


def some(*ids: str, skip: str | None = None) -> list[PlannedEntity]:
    return [PlannedEntity(id, skip) for id in ids]


async def add(plan: PlanStore, *entities: PlannedEntity, cursor: str | None = None, drafts: bool = False) -> None:
    await plan.add_page(entities, cursor=cursor, at=NOON, drafts=drafts)


async def freeze(pool: Pool, plan: PlanStore, **how) -> Totals:
    settings = {"drafts": False, "newest_first": False, "sample_size": None}
    async with pool.acquire() as connection, connection.transaction():
        return await plan.freeze(connection, at=NOON, **settings | how)


async def planned(pool: Pool) -> str:
    rows = await pool.fetch("SELECT position, entity_id FROM plan_items ORDER BY position")
    assert list(range(len(rows))) == [row["position"] for row in rows]
    return "".join(row["entity_id"] for row in rows)


async def test_pages_follow_each_other_and_move_the_cursor(pool, plan):
    await add(plan, *some("a", "b"), cursor="b")
    await add(plan, cursor="c")
    await add(plan, *some("d"), cursor="d")

    assert "abd" == await planned(pool)
    assert "d" == await pool.fetchval("SELECT source_cursor FROM backfills")


@pytest.mark.parametrize("drafts", [False, True])
async def test_what_is_listed_twice_is_planned_once(pool, plan, drafts: bool):
    await add(plan, *some("a", "b", "c"), drafts=drafts)
    await add(plan, *some("c", "d", "d", "a", "e"), drafts=drafts)
    totals = await freeze(pool, plan, drafts=drafts)

    assert "abcde" == await planned(pool)
    assert Totals(5, 0) == totals


async def test_a_page_of_nothing_but_known_entities_moves_the_cursor_nevertheless(pool, plan):
    await add(plan, *some("a", "b"), cursor="1")
    await add(plan, *some("a", "b"), cursor="2")

    assert "ab" == await planned(pool)
    assert "2" == await pool.fetchval("SELECT source_cursor FROM backfills")


@pytest.mark.parametrize("drafts", [False, True])
async def test_what_is_skipped_in_the_plan_has_its_outcome_and_is_counted(pool, plan, drafts: bool):
    await add(plan, *some("a"), *some("b", "c", skip="already_succeeded"), *some("d"), drafts=drafts)
    totals = await freeze(pool, plan, drafts=drafts)
    rows = await pool.fetch("SELECT position, status::text, skip_reason, attempts FROM outcomes ORDER BY position")
    outcomes = [tuple(row) for row in rows]
    counters = await pool.fetchrow("SELECT planned, skipped, skipped_in_plan FROM backfill_progress")

    assert (Totals(4, 2), 2) == (totals, totals.to_run)
    assert [(1, "skipped", "already_succeeded", 0), (2, "skipped", "already_succeeded", 0)] == [
        tuple(o) for o in outcomes
    ]
    assert (4, 2, 2) == tuple(counters)


@pytest.mark.parametrize(("newest_first", "expected"), [(True, "cabdex"), (False, "dabcex")])
async def test_drafts_are_ordered_by_time_then_id_and_those_without_time_come_last(
    pool, plan, newest_first: bool, expected: str
):
    days = {"a": 2, "b": 2, "c": 3, "d": 1, "x": None, "e": None}
    for id, day in days.items():
        await add(plan, PlannedEntity(id, None, NOON + timedelta(days=day) if day else None), drafts=True)
    await freeze(pool, plan, drafts=True, newest_first=newest_first)

    assert expected == await planned(pool)
    assert 0 == await pool.fetchval("SELECT count(*) FROM plan_drafts")


@pytest.mark.parametrize(
    ("size", "expected"), [(1, [10]), (2, [5, 10]), (3, [4, 7, 10]), (10, list(range(1, 11))), (99, list(range(1, 11)))]
)
async def test_the_sample_is_spread_over_what_is_left_to_run(pool, plan, size: int, expected: list[int]):
    await add(plan, *some("s", skip="already_run"), *some(*"abcdefghij"), *some("t", skip="already_run"))
    await freeze(pool, plan, sample_size=size)

    assert expected == [row[0] for row in await pool.fetch("SELECT position FROM sample_items ORDER BY position")]
    assert await pool.fetchval("SELECT sample_open FROM backfills")


async def test_nothing_to_run_has_no_sample(pool, plan):
    await add(plan, *some("s", skip="already_run"))
    await freeze(pool, plan, sample_size=5)

    assert not await pool.fetchval("SELECT sample_open FROM backfills")


async def test_freezing_marks_the_plan_and_forgets_the_cursor(pool, plan):
    await add(plan, *some("a"), cursor="a")
    await freeze(pool, plan)

    assert (NOON, None) == tuple(await pool.fetchrow("SELECT planned_at, source_cursor FROM backfills"))


async def test_a_freeze_that_is_rolled_back_changes_nothing_and_can_be_repeated(pool, plan):
    await add(plan, *some(*"abc"), *some("d", skip="already_run"), drafts=True)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await plan.freeze(connection, at=NOON, drafts=True, newest_first=True, sample_size=2)
        await transaction.rollback()
    before = await pool.fetchval("SELECT count(*) FROM plan_items")
    totals = await freeze(pool, plan, drafts=True, newest_first=True, sample_size=2)

    assert 0 == before
    assert Totals(4, 1) == totals
    assert "abcd" == await planned(pool)


async def test_whoever_lost_the_lease_writes_nothing(pool, plan, backfill):
    await add(plan, *some("a"), cursor="a")
    await LeaseStore(pool, instance="a", process="2").acquire(backfill.number)
    for drafts in (False, True):
        with pytest.raises(FenceLost):
            await add(plan, *some("b"), cursor="b", drafts=drafts)
    with pytest.raises(FenceLost):
        await freeze(pool, plan)

    assert "a" == await planned(pool)
    assert ("a", None) == tuple(await pool.fetchrow("SELECT source_cursor, planned_at FROM backfills"))
    assert 0 == await pool.fetchval("SELECT count(*) FROM plan_drafts")


SLOWLY = """
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END$$;
CREATE TRIGGER slowly AFTER INSERT ON plan_items EXECUTE FUNCTION slowly();
CREATE TRIGGER slowly AFTER INSERT ON outcomes EXECUTE FUNCTION slowly();
"""


async def test_a_large_plan_may_take_longer_to_freeze_than_other_statements(dsn, pool, plan):
    await add(plan, *some("a", "b"), drafts=True)
    await pool.execute(SLOWLY)
    hasty = await open_pool(dsn, size=1, statement_timeout="150ms")
    totals = await freeze(hasty, plan, drafts=True)
    usual = await hasty.fetchval("SHOW statement_timeout")
    await hasty.close()

    assert (Totals(2, 0), "150ms") == (totals, usual)


async def test_the_ids_that_a_backfill_was_given_are_told_page_by_page(pool):
    backfill = await make_backfill(pool, entity_ids=["e", "d", "a", "e", "b"])
    other = await make_backfill(pool, entity_ids=["x"])
    plan = PlanStore(pool, backfill.number, fence=1)

    assert (["e", "d", "a"], ["b"], []) == (
        await plan.list_named(since=0, most=3), await plan.list_named(since=3, most=3),
        await plan.list_named(since=4, most=3),
    )  # fmt: skip
    assert ["x"] == await PlanStore(pool, other.number, fence=1).list_named(since=0, most=3)
