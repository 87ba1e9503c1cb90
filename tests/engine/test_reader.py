"""What is read ahead, how fresh it is, and that nothing is read twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.engine.parts import Target, a_lease, a_run
from tests.support.backfills import make_backfill
from tests.support.clock import NOON, FakeClock
from tests.support.engine import ListSource, entities
from tests.support.ledgers import make_ledger, rows_touched

from backfilld.domain.backfills.records import Backfill, Item
from backfilld.domain.entities.records import Entity
from backfilld.engine.backfills.gate import Gate
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.backfills.running.plan_reader import PlanReader
from backfilld.sources.base import SourceUnreachable
from backfilld.store.backfills.plans import PlanStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.ledger import Ledger

DUE = NOON + timedelta(hours=1)  # when the retries of `make_ledger` fall due


class Reading:
    """A plan of e000000, e000001, … in some state, and a reader of it."""

    def __init__(self, pool: Pool, clock: FakeClock, backfill: Backfill, source: ListSource, ledger: Ledger) -> None:
        self.pool, self.clock, self.source = pool, clock, source
        lease = a_lease(clock, backfill.number)
        self.account = RunState(lease, clock, mark=0, max_unrecorded=100, throughput=0.0)
        gate = Gate(backfill, lease, Target(clock).health, clock, ramp_seconds=0.0)
        self.reader = PlanReader(a_run(gate, clock, lease, ledger=ledger), source, self.account)

    async def rest(self, slots: int = 5) -> list[Item]:
        """Everything of the plan that is left."""
        found = []
        while (item := await self.reader.next_planned(slots)) is not None:
            found.append(item)
        return found


async def reading(
    pool: Pool, clock: FakeClock, *statuses: str, source: ListSource | None = None, ledger: Ledger | None = None, **kw
) -> Reading:
    backfill = await make_backfill(pool, filter_resolved={"match_all": True})
    await make_ledger(pool, backfill, {f"e{n:06}": status for n, status in enumerate(statuses)})
    found = source or ListSource(entities(len(statuses)))
    return Reading(pool, clock, replace(backfill, **kw), found, ledger or Ledger(pool))


def positions(items: list[Item]) -> list[int]:
    return [item.position for item in items]


async def test_the_plan_comes_in_order_without_what_has_ended_or_waits_for_a_retry(pool, clock):
    plan = await reading(pool, clock, "succeeded", "pending", "failed", "retrying", "pending", "skipped", "pending")

    assert [1, 4, 6] == positions(await plan.rest())
    assert plan.reader.is_exhausted


@pytest.mark.parametrize("slots", [1, 2, 7, 100])
async def test_a_plan_of_many_pages_comes_whole_and_once(pool, clock, slots: int):
    plan = await reading(pool, clock, *["pending"] * 61)

    assert list(range(61)) == positions(await plan.rest(slots))


async def test_what_was_read_holds_the_mark_until_it_is_recorded(pool, clock):
    plan = await reading(pool, clock, *["pending"] * 10)
    await plan.rest()

    assert 0 == plan.account.low_water_mark()
    for position in (0, 1, 3):
        plan.account.batched(position)
    assert 2 == plan.account.low_water_mark()


async def test_what_the_gate_sent_back_comes_before_everything_else(pool, clock):
    plan = await reading(pool, clock, *["pending"] * 6)
    first, second = [await plan.reader.next_planned(5) for _ in range(2)]
    plan.reader.give_back(first)
    plan.reader.give_back(second)

    assert [0, 1, 2, 3, 4, 5] == positions(await plan.rest())


async def test_attributes_are_those_of_the_moment_of_reading(pool, clock):
    plan = await reading(pool, clock, "pending")
    plan.source.entities["e000000"] = Entity("e000000", {"n": "changed"})
    item = await plan.reader.next_planned(5)

    assert {"n": "changed"} == item.attributes


async def test_an_item_is_read_again_if_it_was_read_too_long_ago(pool, clock):
    plan = await reading(pool, clock, *["pending"] * 2)
    item = await plan.reader.next_planned(5)
    plan.source.entities["e000000"] = Entity("e000000", {"n": "changed"})
    await clock.advance(5)
    fresh_enough = await plan.reader.refreshed(item)
    await clock.advance(0.1)
    again = await plan.reader.refreshed(item)

    assert {"n": 0} == fresh_enough.attributes
    assert {"n": "changed"} == again.attributes
    assert clock.boottime() == again.read_at


@pytest.mark.parametrize(("seconds_each", "most_reads"), [(1, 4), (10, 10)])
async def test_slow_items_of_a_dear_source_are_read_again_together(pool, clock, seconds_each: int, most_reads: int):
    class Dear(ListSource):
        freshness_seconds = 300.0
        reads = 0

        async def read(self, entity_type, ids):
            self.reads += 1
            return await super().read(entity_type, ids)

    source = Dear(entities(200))
    plan = await reading(pool, clock, *["pending"] * 200, source=source)
    ages = []
    while (item := await plan.reader.next_planned(1)) is not None:
        ages.append(clock.boottime() - (await plan.reader.refreshed(item)).read_at)
        await clock.advance(seconds_each)

    assert 200 == len(ages)
    assert max(ages) <= 300
    assert source.reads <= most_reads


async def test_a_suspended_machine_makes_what_was_read_old(pool, clock):
    plan = await reading(pool, clock, "pending")
    item = await plan.reader.next_planned(5)
    plan.source.entities["e000000"] = Entity("e000000", {"n": "changed"})
    clock.suspend(timedelta(hours=8))

    assert {"n": "changed"} == (await plan.reader.refreshed(item)).attributes


async def test_an_entity_that_went_away_is_marked_when_read_and_when_read_again(pool, clock):
    plan = await reading(pool, clock, *["pending"] * 2)
    del plan.source.entities["e000001"]
    here, gone = await plan.rest()
    del plan.source.entities["e000000"]
    await clock.advance(6)

    assert (None, "entity_gone") == (here.skip_reason, gone.skip_reason)
    assert "entity_gone" == (await plan.reader.refreshed(here)).skip_reason


async def test_what_the_plan_froze_is_not_asked_for_again(pool, clock):
    class Once(ListSource):
        can_be_read_again = False

    plan = await reading(pool, clock, *["pending"] * 2, source=Once())
    await pool.execute("""UPDATE plan_items SET attributes = '{"n": 12345678901234567890}' WHERE position = 0""")
    first, second = await plan.rest()
    await clock.advance(3600)

    assert {"n": 12345678901234567890} == (await plan.reader.refreshed(first)).attributes
    assert ({}, None) == (second.attributes, second.skip_reason)


async def test_an_unreachable_source_is_told_and_nothing_of_the_plan_is_lost(pool, clock):
    plan = await reading(pool, clock, *["pending"] * 30)
    got = [await plan.reader.next_planned(3) for _ in range(4)]
    plan.source.is_down = True
    with pytest.raises(SourceUnreachable):
        got += await _all_but_the_last(plan, got)
    with pytest.raises(SourceUnreachable):
        await plan.rest(3)
    plan.source.is_down = False
    got += await plan.rest(3)

    assert list(range(30)) == positions(got)


async def _all_but_the_last(plan: Reading, got: list[Item]) -> list[Item]:
    while True:
        got.append(await plan.reader.next_planned(3))


async def test_the_sample_comes_alone_and_leaves_the_mark_where_it_is(pool, clock):
    plan = await reading(pool, clock, *["pending"] * 20, "succeeded", sample_open=True)
    number = plan.account.backfill_number
    await pool.executemany("INSERT INTO sample_items VALUES ($1, $2)", [(number, n) for n in (3, 9, 17, 20)])
    sample = await plan.rest(1)

    assert [3, 9, 17] == positions(sample)
    assert plan.reader.reads_sample
    assert 0 == plan.account.low_water_mark()


async def test_retries_are_read_when_due_and_each_once(pool, clock):
    plan = await reading(pool, clock, "retrying", "pending", "retrying")
    early = await plan.reader.next_retries(NOON, 10)
    known = plan.account.next_retry_at
    due = await plan.reader.next_retries(DUE, 10)
    again = await plan.reader.next_retries(DUE, 10)

    assert [] == early
    assert DUE == known
    assert [(0, True, 2), (2, True, 2)] == [(item.position, item.is_retry, item.attempt) for item in due]
    assert [] == again


async def test_more_due_retries_than_asked_for_come_later(pool, clock):
    plan = await reading(pool, clock, *["retrying"] * 5)
    batches = [positions(await plan.reader.next_retries(DUE, 2)) for _ in range(4)]

    assert [[0, 1], [2, 3], [4], []] == batches


@pytest.mark.parametrize("done", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def test_what_was_added_since_is_found_without_going_through_what_was_left_out(pool, clock, done: int):
    """The statistics know what ran yesterday, and nothing of the backfill that runs it again today."""
    await _fill(pool, (await make_backfill(pool)).number, done, "succeeded")
    await pool.execute("VACUUM ANALYZE plan_items, outcomes, retries")
    today = await make_backfill(pool, filter_resolved={"match_all": True})
    await _fill(pool, today.number, done, "skipped", added=60)
    async with pool.acquire() as connection, connection.transaction():
        await PlanStore(pool, today.number, 1).freeze(
            connection, at=NOON, drafts=False, newest_first=False, sample_size=None
        )
    async with pool.acquire() as connection, connection.transaction():
        plan = Reading(pool, clock, today, ListSource(entities(done + 60)), Ledger(connection))
        before = await rows_touched(connection)
        found = await plan.rest()
        touched = await rows_touched(connection) - before

    assert list(range(done, done + 60)) == positions(found)
    assert touched <= 3 * 60


async def _fill(pool: Pool, number: int, done: int, status: str, *, added: int = 0) -> None:
    """A plan whose items have ended, but for those that were added behind them."""
    await pool.execute(
        "INSERT INTO plan_items (backfill_number, position, entity_id)"
        " SELECT $1, n, 'e' || lpad(n::text, 6, '0') FROM generate_series(0, $2::integer - 1) AS n",
        number, done + added,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, skip_reason)"
        " SELECT $1, n, $4::text::outcome_status, $3, $3, 1, CASE WHEN $4 = 'skipped' THEN 'already_succeeded' END"
        "   FROM generate_series(0, $2::integer - 1) AS n",
        number, done, NOON, status,
    )  # fmt: skip
    await pool.execute(
        "UPDATE backfill_progress SET planned = $2, skipped = $3, skipped_in_plan = $3, fence = 1"
        " WHERE backfill_number = $1",
        number, done + added, done if status == "skipped" else 0,
    )  # fmt: skip


class Cut(Ledger):
    """A ledger whose connection breaks when it is asked for the next retry for the first time."""

    is_cut = True

    async def next_retry(self, *args, **kw):
        if self.is_cut:
            self.is_cut = False
            raise ConnectionResetError("cut")
        return await super().next_retry(*args, **kw)


async def test_retries_are_not_lost_when_the_database_goes_away_between_two_looks(pool, clock):
    plan = await reading(pool, clock, "retrying", "retrying", ledger=Cut(pool))
    with pytest.raises(ConnectionResetError):
        await plan.reader.next_retries(DUE, 10)

    assert [0, 1] == positions(await plan.reader.next_retries(DUE, 10))


async def test_retries_are_not_lost_when_the_source_goes_away(pool, clock):
    plan = await reading(pool, clock, "retrying", "retrying")
    plan.source.is_down = True
    with pytest.raises(SourceUnreachable):
        await plan.reader.next_retries(DUE, 10)
    plan.source.is_down = False

    assert [0, 1] == positions(await plan.reader.next_retries(DUE, 10))


async def test_a_retry_whose_row_is_there_before_its_commit_is_known_is_not_read_yet(pool, clock):
    plan = await reading(pool, clock, "retrying")
    plan.account.ended(0, finally_=False)  # the recorder has it still, and may commit it once more
    before = await plan.reader.next_retries(DUE, 10)
    plan.account.taken.discard(0)
    plan.account.note_retry(DUE)

    assert [] == before
    assert [0] == positions(await plan.reader.next_retries(DUE, 10))


class Slow(Ledger):
    """A ledger whose answer about retries takes long to arrive."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.answered, self.arrives = asyncio.Event(), asyncio.Event()

    async def read_retries(self, *args, **kw):
        rows = await super().read_retries(*args, **kw)
        self.answered.set()
        await self.arrives.wait()
        return rows


async def test_a_retry_that_ended_again_while_its_row_was_on_the_way_is_not_taken(pool, clock):
    ledger = Slow(pool)
    plan = await reading(pool, clock, "retrying", "retrying", ledger=ledger)
    asked = asyncio.ensure_future(plan.reader.next_retries(DUE, 10))
    await ledger.answered.wait()
    plan.account.ended(1, finally_=False)
    ledger.arrives.set()

    assert [0] == positions(await asked)


async def test_stopping_lets_go_of_what_is_being_read(pool, clock):
    plan = await reading(pool, clock, *["pending"] * 50)
    await plan.reader.next_planned(5)
    await plan.reader.next_planned(5)
    await plan.reader.stop()

    assert 0 == plan.account.low_water_mark()
