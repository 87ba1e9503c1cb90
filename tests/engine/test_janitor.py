"""What is old goes, in small pieces, and nobody who works has to wait for it."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON
from tests.support.engine import ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.ledgers import make_ledger

from backfilld.bus import Bus
from backfilld.clock import SystemClock
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.records import Outcome
from backfilld.domain.backfills.states import ENDED, Status
from backfilld.domain.backfills.verdicts import SUCCEEDED
from backfilld.engine.janitor import SHORTEST_REST_SECONDS, Janitor, Retention
from backfilld.events import BackfillExpired, OutcomesRecorded, RowsRemoved
from backfilld.store.admin import audit
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.backfills.removal import RemovalStore
from backfilld.store.ledger import recording
from backfilld.store.ledger.digests import DigestStore
from backfilld.store.ledger.entries import Checkpoint, EndedItem
from backfilld.store.ledger.last_runs import LastRunsStore

S = Status
TABLES = (
    "plan_items", "outcomes", "retries", "tries", "sample_items", "plan_gaps", "plan_drafts", "backfill_ids",
)  # fmt: skip


class Napping(SystemClock):
    """Wall time stands where a test puts it; sleep is short, and remembered."""

    def __init__(self, now=NOON + timedelta(days=30, minutes=1)):
        self.present = now
        self.naps = []

    def now(self):
        return self.present

    async def sleep(self, seconds):
        self.naps.append(seconds)
        await asyncio.sleep(0)


class Round:
    """A janitor of a database, what it told, and how it rested."""

    def __init__(self, pool, *, at_once=2_000, **retention):
        self.events = []
        self.clock = Napping()
        bus = Bus()
        bus.listen(self.events.append)
        self.removal = RemovalStore(pool, at_once=at_once)
        self.janitor = Janitor(
            LastRunsStore(pool), self.removal, DigestStore(pool), self.clock, bus, Retention(**retention)
        )

    async def __call__(self):
        await self.janitor.round()
        return self


async def an_old_one(pool, status=S.COMPLETED, items=3, **settings):
    """A backfill that ended at NOON, thirty days ago for the janitor."""
    backfill = await make_backfill(pool, **settings)
    await make_ledger(pool, backfill, {f"e{number}": "succeeded" for number in range(items)})
    await put_into(pool, backfill, status)
    return backfill


async def rows(pool, backfill):
    queries = [f"SELECT count(*) FROM {name} WHERE backfill_number = $1" for name in TABLES]  # noqa: S608  # names from above
    queries.append("SELECT count(*) FROM backfills WHERE number = $1")
    return sum([await pool.fetchval(query, backfill.number) for query in queries])


async def test_everything_is_kept_unless_somebody_says_how_long(pool):
    backfill = await an_old_one(pool)
    await Round(pool)()

    assert 7 == await rows(pool, backfill)


@pytest.mark.parametrize("status", sorted(ENDED))
async def test_an_ended_backfill_goes_when_its_days_are_over(pool, status):
    backfill = await an_old_one(pool, status)
    young = await Round(pool, ledgers=timedelta(days=31))()
    kept = await rows(pool, backfill)
    old = await Round(pool, ledgers=timedelta(days=30))()

    assert 7 == kept
    assert [] == young.events
    assert 0 == await rows(pool, backfill)
    assert [BackfillExpired(backfill.id, "w1")] == [event for event in old.events if isinstance(event, BackfillExpired)]


@pytest.mark.parametrize("status", sorted(set(Status) - ENDED))
async def test_an_active_backfill_never_goes_however_old_it_is(pool, status):
    backfill = await an_old_one(pool, status)
    await Round(pool, ledgers=timedelta(days=1))()

    assert 7 == await rows(pool, backfill)


async def test_a_backfill_stays_as_long_as_its_rerun_is_active(pool):
    parent = await an_old_one(pool)
    child = await make_backfill(pool, parent, parent_number=parent.number, parent_id=parent.id)
    await Round(pool, ledgers=timedelta(days=1))()
    kept = await rows(pool, parent)
    await put_into(pool, child, S.CANCELLED)
    await Round(pool, ledgers=timedelta(days=1))()

    assert 7 == kept
    assert 0 == await rows(pool, parent)


async def test_what_became_of_the_entities_is_remembered_first(pool):
    backfill = await an_old_one(pool)
    await Round(pool, ledgers=timedelta(days=1))()

    assert 3 == await pool.fetchval(
        "SELECT count(*) FROM last_runs WHERE workflow_id = $1 AND status = 'succeeded'", backfill.workflow_id
    )


async def test_it_is_written_down_that_nobody_but_age_did_it(pool):
    backfill = await an_old_one(pool)
    await Round(pool, ledgers=timedelta(days=20))()
    row = await pool.fetchrow("SELECT * FROM audit_log")

    assert ("system", "backfill.delete", f"backfill/{backfill.id}") == (row["actor"], row["action"], row["subject"])
    assert "ended more than 20 days ago (retention.ledgers_days)" == row["reason"]


async def test_its_own_moves_go_with_a_backfill_and_what_people_did_stays(pool):
    backfill = await an_old_one(pool)
    async with pool.acquire() as connection:
        for action in ("backfill.create", "backfill.status", "backfill.status"):
            subject = f"backfill/{backfill.id}"
            await audit.record(
                connection, Actor.local("x"), action, subject, at=NOON, backfill_number=backfill.number
            )  # fmt: skip
    await Round(pool, ledgers=timedelta(days=1))()

    assert ["backfill.create", "backfill.delete"] == [
        row["action"] for row in await pool.fetch("SELECT action FROM audit_log ORDER BY id")
    ]


async def test_the_log_of_who_did_what_goes_when_its_days_are_over(pool):
    async with pool.acquire() as connection:
        for days in (0, 1, 20):
            at = NOON + timedelta(days=days)
            await audit.record(connection, Actor.local("cli"), "workflow.edit", "workflow/7", at=at)
    told = await Round(pool, audit=timedelta(days=29), at_once=1)()

    assert [NOON + timedelta(days=20)] == [row["at"] for row in await pool.fetch("SELECT at FROM audit_log")]
    assert [("audit", 2)] == [(event.what, event.rows) for event in told.events]


async def test_everything_goes_in_pieces_with_a_rest_after_each(pool):
    backfill = await an_old_one(pool, items=25)
    (hidden,) = await hidden_ones(pool, backfill)
    sizes = [size async for size in RemovalStore(pool, at_once=10).remove(hidden)]

    assert [20, 20, 10, 1] == sizes

    other = await an_old_one(pool, items=25)
    told = await Round(pool, ledgers=timedelta(days=1), at_once=10)()

    assert 0 == await rows(pool, other)
    assert 5 == len(told.clock.naps)  # the first after its digest was made
    assert min(told.clock.naps) >= SHORTEST_REST_SECONDS
    assert [("ledger", 51)] == [(event.what, event.rows) for event in told.events if isinstance(event, RowsRemoved)]


async def hidden_ones(pool, *backfills):
    await LastRunsStore(pool).bring_up_to_date()
    digests = DigestStore(pool)
    for ended in await digests.list_undigested():
        assert [pages async for pages in digests.digest(ended)]
    for backfill in backfills:
        await pool.execute("UPDATE backfills SET deleted_at = $2 WHERE number = $1", backfill.number, NOON)
    return await RemovalStore(pool).list_hidden()


async def test_a_removal_that_was_broken_off_goes_on_the_next_time(pool):
    backfill = await an_old_one(pool, items=25)
    (hidden,) = await hidden_ones(pool, backfill)
    pieces = RemovalStore(pool, at_once=10).remove(hidden)
    await anext(pieces)
    await pieces.aclose()
    left = await rows(pool, backfill)
    await Round(pool)()

    assert 31 == left
    assert 0 == await rows(pool, backfill)


async def test_a_gathered_plan_that_was_never_frozen_goes_in_pieces_too(pool):
    backfill = await make_backfill(pool)
    for number in range(25):
        await pool.execute(
            "INSERT INTO plan_drafts (backfill_number, entity_id) VALUES ($1, $2)", backfill.number, f"e{number}"
        )
    await put_into(pool, backfill, S.CANCELLED)
    (hidden,) = await hidden_ones(pool, backfill)

    assert [10, 10, 5, 1] == [size async for size in RemovalStore(pool, at_once=10).remove(hidden)]
    assert 0 == await rows(pool, backfill)


async def test_the_ids_that_a_backfill_was_given_go_in_pieces_with_it(pool):
    backfill = await make_backfill(pool, entity_ids=[f"e{number}" for number in range(25)])
    await put_into(pool, backfill, S.CANCELLED)
    (hidden,) = await hidden_ones(pool, backfill)

    assert [10, 10, 5, 1] == [size async for size in RemovalStore(pool, at_once=10).remove(hidden)]
    assert 0 == await rows(pool, backfill)


@pytest.mark.parametrize("missing", ["remembered = false", "ledger_digest = NULL"])
async def test_nothing_of_a_hidden_backfill_goes_before_it_is_remembered_and_has_its_digest(pool, missing):
    backfill = await an_old_one(pool)
    ready = await hidden_ones(pool, backfill)
    table = "backfills" if "digest" in missing else "backfill_progress"
    await pool.execute(f"UPDATE {table} SET {missing}")  # noqa: S608  # names from above

    assert [backfill.number] == [hidden.number for hidden in ready]
    assert [] == await RemovalStore(pool).list_hidden()


async def test_a_round_digests_so_many_pages_and_the_next_one_goes_on(pool, monkeypatch):
    monkeypatch.setattr("backfilld.engine.janitor.DIGEST_PAGES_A_ROUND", 2)
    backfills = [await an_old_one(pool) for _ in range(3)]
    await pool.execute("UPDATE backfill_progress SET planned = 10001 WHERE backfill_number = $1", backfills[0].number)
    made = []
    for _ in range(4):
        await Round(pool)()
        made.append(await pool.fetchval("SELECT count(ledger_digest) FROM backfills"))

    assert [0, 2, 3, 3] == made


async def test_a_commit_of_a_running_backfill_waits_for_no_removal(pool):
    """The removal's transaction is held open over everything that it touches, the parent's row included."""
    parent = await an_old_one(pool)
    child = await make_backfill(pool, parent, parent_number=parent.number, parent_id=parent.id)
    await make_ledger(pool, child, {"e0": "pending", "e1": "pending"})
    await put_into(pool, child, S.RUNNING)
    lease = await LeaseStore(pool, instance="i", process="p").acquire(child.number)
    (hidden,) = await hidden_ones(pool, parent)
    outcome = Outcome("succeeded", NOON, NOON, 1)
    async with pool.acquire() as remover, remover.transaction():
        removal = RemovalStore(_OneConnection(remover))
        removed = [size async for size in removal.remove(hidden)]
        async with pool.acquire() as recorder:
            await recorder.execute("SET lock_timeout = '200ms'")
            written = await recording.record(
                recorder,
                [Checkpoint(child.number, lease.fence, 1, 1.0)],
                [EndedItem(child.number, 0, outcome, had_retry=False)],
                [],
                NOON,
            )
            await recorder.execute("RESET lock_timeout")

    assert [6, 1] == removed
    assert {child.number} == written


class _OneConnection:
    """Takes the place of a pool where everything shall happen in one transaction."""

    def __init__(self, connection):
        self.fetchval = connection.fetchval
        self.fetch = connection.fetch


async def test_a_removal_waits_for_no_running_backfill(pool):
    parent = await an_old_one(pool)
    other = await make_backfill(pool)
    await make_ledger(pool, other, {"e0": "pending"})
    (hidden,) = await hidden_ones(pool, parent)
    async with pool.acquire() as runner, runner.transaction():
        await runner.execute(
            "UPDATE backfill_progress SET planned = planned + 1 WHERE backfill_number = $1", other.number
        )
        await runner.execute("UPDATE backfills SET version = version + 1 WHERE number = $1", other.number)
        async with asyncio.timeout(5):
            removed = [size async for size in RemovalStore(pool).remove(hidden)]

    assert [6, 1] == removed


@pytest.mark.parametrize("large", [10_000, pytest.param(40_000, marks=pytest.mark.slow)])
async def test_a_backfill_runs_at_its_pace_while_a_large_one_is_removed(dsn, pool, large):
    old = await make_backfill(pool)
    await pool.execute(
        "INSERT INTO plan_items (backfill_number, position, entity_id)"
        " SELECT $1, n, 'x' || n FROM generate_series(0, $2::integer - 1) n",
        old.number,
        large,
    )
    await pool.execute(
        "INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts)"
        " SELECT $1, n, 'succeeded', $2, $2, 1 FROM generate_series(0, $3::integer - 1) n",
        old.number,
        NOON,
        large,
    )
    await pool.execute(
        "UPDATE backfill_progress SET planned = $2, succeeded = $2 WHERE backfill_number = $1", old.number, large
    )
    await put_into(pool, old, S.COMPLETED)
    clock = SteppedClock(NOON + timedelta(days=2))
    running = await make_backfill(pool, filter_resolved={"match_all": True}, created_at=NOON + timedelta(days=2))

    async def script(_):
        await asyncio.sleep(0.005)
        return SUCCEEDED

    source = ListSource(entities(large // 40))
    async with engine_on(dsn, pool, ScriptedExecutor(script), source, clock=clock) as engine:
        engine.janitor.retention = Retention(ledgers=timedelta(days=1))
        await asyncio.gather(engine.janitor.round(), engine.until(running, "completed", seconds=60))
        commits = [event.seconds for event in engine.events if isinstance(event, OutcomesRecorded)]

    assert 0 == await rows(pool, old)
    assert large == await pool.fetchval("SELECT count(*) FROM last_runs WHERE entity_id LIKE 'x%'")
    assert 1.0 > max(commits)


async def some_entities(pool, changed_at, *ids):
    await pool.execute("INSERT INTO entity_types (name, entities) VALUES ('ticket', 0) ON CONFLICT DO NOTHING")
    for id in ids:
        await pool.execute("INSERT INTO entities VALUES ('ticket', $1, '{}', NULL, $2)", id, changed_at)
    await pool.execute("UPDATE entity_types SET entities = entities + $1", len(ids))


async def left_entities(pool):
    kept = [row["id"] for row in await pool.fetch("SELECT id FROM entities ORDER BY id")]
    return kept, await pool.fetchval("SELECT entities FROM entity_types")


async def test_entities_that_did_not_change_for_so_long_go_and_are_counted_no_more(pool):
    await some_entities(pool, NOON, "a", "b", "c", "d", "e")
    await some_entities(pool, NOON + timedelta(days=20), "b2", "f")
    told = await Round(pool, at_once=2, entities=timedelta(days=14))()

    assert (["b2", "f"], 2) == await left_entities(pool)
    assert [("entities", 5)] == [(event.what, event.rows) for event in told.events if isinstance(event, RowsRemoved)]


async def test_entities_are_kept_unless_somebody_says_how_long(pool):
    await some_entities(pool, NOON, "a")
    await Round(pool, ledgers=timedelta(days=1), audit=timedelta(days=1))()

    assert (["a"], 1) == await left_entities(pool)


async def test_nobody_who_loads_entities_waits_while_they_are_only_looked_at(pool):
    await some_entities(pool, NOON + timedelta(days=20), "a", "b", "c")
    async with pool.acquire() as loading, loading.transaction():
        await loading.execute("SELECT FROM entity_types FOR UPDATE")
        told = await asyncio.wait_for(Round(pool, at_once=2, entities=timedelta(days=14))(), timeout=9)

    assert (["a", "b", "c"], 3) == await left_entities(pool)
    assert [] == told.events


async def test_it_rests_after_every_page_of_entities_that_it_looked_at(pool):
    await some_entities(pool, NOON + timedelta(days=20), "a", "b", "c", "d")
    told = await Round(pool, at_once=1, entities=timedelta(days=14))()

    assert 4 <= len(told.clock.naps)


async def test_an_entity_that_is_loaded_anew_after_it_was_found_stays(pool):
    await some_entities(pool, NOON, "a", "b")
    pieces = RemovalStore(pool, at_once=1).remove_entities(unchanged_since=NOON + timedelta(days=1))
    removed = [await anext(pieces)]
    await pool.execute("UPDATE entities SET loaded_at = $1", NOON + timedelta(days=2))
    removed += [piece async for piece in pieces]

    assert (["b"], 1) == await left_entities(pool)
    assert 1 == sum(removed)


async def test_entities_are_looked_at_once_an_hour(pool):
    once = Round(pool, entities=timedelta(days=14))
    once.clock.monotonic = lambda: 7_300.0
    await once()
    await some_entities(pool, NOON, "a")
    await once()
    still_there = await left_entities(pool)
    once.clock.monotonic = lambda: 10_900.0
    await once()

    assert (["a"], 1) == still_there
    assert ([], 0) == await left_entities(pool)
