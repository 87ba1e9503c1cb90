"""Backfills as rows: one active per workflow, and moves of which only one can win."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import uuid4

import asyncpg
import pytest
from tests.support.backfills import make_backfill, make_workflow, new_backfill, put_into
from tests.support.clock import NOON, FakeClock
from tests.support.settings import UNUSUAL
from tests.support.waiting import eventually

from backfilld.domain.backfills.backlog import ActiveBackfills
from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.states import ENDED, MOVES, ReasonCode, Status, may_become
from backfilld.domain.entities.ids import NamedIds
from backfilld.domain.errors import NotFound
from backfilld.store.backfills.backfills import AlreadyActive, BackfillFilter, BackfillStore
from backfilld.store.connection.pool import Pool

S = Status
LATER = NOON + timedelta(minutes=5)
AT_NOON = {"now": NOON, "stopped": False}


@pytest.fixture
def store(pool: Pool) -> BackfillStore:
    return BackfillStore(pool)


async def test_a_backfill_comes_back_as_it_was_stored(store: BackfillStore, pool: Pool) -> None:
    workflow = await make_workflow(pool)
    text = {"n": 2**70, "s": "ä\\"}
    new = new_backfill(
        workflow, settings=UNUSUAL, filter_resolved=text, entity_ids=("a", "b"), credits_per_entity=Decimal("1.10")
    )
    async with pool.acquire() as connection, connection.transaction():
        made = await store.insert(new, on=connection)

    found = await store.get(new.id)
    assert made == found
    assert found.settings == UNUSUAL
    assert (text, Decimal("1.10")) == (found.filter_resolved, found.credits_per_entity)
    assert NamedIds(2, sha256(b"a\nb\n").hexdigest(), ("a", "b")) == found.named_ids
    assert (Status.PLANNING, 1, None) == (found.status, found.version, found.reason)
    assert ("w1", True, 1) == (found.workflow_name, found.workflow_enabled, found.workflow_version)


async def test_documents_come_back_in_their_order_and_with_their_numbers(store: BackfillStore, pool: Pool) -> None:
    found = (await make_backfill(pool, settings=UNUSUAL)).settings

    assert ["z", "a"] == list(found.params)
    assert [int, float] == [type(found.filter_spec[name]) for name in ("amount", "share")]


async def test_the_other_one_is_named_when_a_workflow_has_an_active_backfill(store: BackfillStore, pool: Pool) -> None:
    first = await make_backfill(pool)
    async with pool.acquire() as connection, connection.transaction():
        with pytest.raises(AlreadyActive) as refused:
            await store.insert(new_backfill(first), on=connection)

        assert {"id": str(first.id), "status": "planning"} == refused.value.extra["backfill"]
        assert 1 == await connection.fetchval("SELECT count(*) FROM backfills")  # the transaction is still usable


async def test_of_many_creations_at_once_one_wins(store: BackfillStore, pool: Pool) -> None:
    workflow = await make_workflow(pool)

    async def create() -> bool:
        async with pool.acquire() as connection, connection.transaction():
            try:
                await store.insert(new_backfill(workflow), on=connection)
            except AlreadyActive:
                return False
            return True

    won = await asyncio.gather(*(create() for _ in range(8)))

    assert 1 == sum(won)
    assert 1 == await pool.fetchval("SELECT count(*) FROM backfill_progress")


async def test_a_place_is_free_again_after_the_end(store: BackfillStore, pool: Pool) -> None:
    first = await make_backfill(pool)
    await put_into(pool, first, S.COMPLETED)

    second = await make_backfill(pool, first)

    assert first.number < second.number


async def test_every_legal_move_is_made_and_every_other_refused(store: BackfillStore, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    for current in Status:
        for wanted in Status:
            await put_into(pool, backfill, current)
            moved = await store.move(backfill.number, wanted, reason=None, at=LATER, planned_at=NOON)

            assert ((current, wanted) in MOVES) == (moved is not None), (current, wanted)


async def test_a_move_grows_the_version_and_says_when_it_ended(store: BackfillStore, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    reason = Reason(ReasonCode.DRAINING, "two are still in flight", LATER, None)
    moved = await store.move(backfill.number, S.CANCELLING, reason=reason, at=LATER, cancel_in_flight=True)
    ended = await store.move(backfill.number, S.CANCELLED, reason=None, at=LATER)

    assert moved is not None
    assert ended is not None
    assert (2, reason, True, None) == (moved.version, moved.reason, moved.cancel_in_flight, moved.completed_at)
    assert (3, None, True, LATER) == (ended.version, ended.reason, ended.cancel_in_flight, ended.completed_at)


async def test_of_two_moves_at_once_one_wins(store: BackfillStore, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    pause = store.move(backfill.number, S.PAUSED, reason=None, at=LATER, expected={S.PLANNING})
    cancel = store.move(backfill.number, S.CANCELLING, reason=None, at=LATER, expected={S.PLANNING})
    results = await asyncio.gather(pause, cancel)

    assert 1 == sum(result is not None for result in results)


async def test_a_move_that_waited_judges_the_status_that_won(store: BackfillStore, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    async with pool.acquire() as connection, connection.transaction():
        await store.move(backfill.number, S.CANCELLING, reason=None, at=LATER, on=connection)
        pausing = asyncio.create_task(store.move(backfill.number, S.PAUSED, reason=None, at=LATER))
        waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"
        await eventually(lambda: connection.fetchval(waiting))

    assert None is await pausing
    assert (S.CANCELLING, 2) == ((await store.get(backfill.id)).status, (await store.get(backfill.id)).version)


async def test_a_move_that_waited_for_a_change_of_owner_is_refused(store: BackfillStore, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await pool.execute(
        "INSERT INTO leases (backfill_number, holder, fence, expires_at) VALUES ($1, 'a/1', 7, clock_timestamp())",
        backfill.number,
    )
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM backfills WHERE number = $1 FOR SHARE", backfill.number)
        moving = asyncio.create_task(store.move(backfill.number, S.FAILED, reason=None, at=LATER, fence=7))
        waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"
        await eventually(lambda: connection.fetchval(waiting))
        await connection.execute("UPDATE leases SET fence = 8 WHERE backfill_number = $1", backfill.number)

    assert None is await moving
    assert S.PLANNING == (await store.get(backfill.id)).status


async def test_a_move_under_a_lost_fence_changes_nothing(store: BackfillStore, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    await pool.execute(
        "INSERT INTO leases (backfill_number, holder, fence, expires_at) VALUES ($1, 'b', 8, clock_timestamp())",
        backfill.number,
    )

    assert None is await store.move(backfill.number, S.FAILED, reason=None, at=LATER, fence=7)
    assert None is not await store.move(backfill.number, S.FAILED, reason=None, at=LATER, fence=8)


async def test_another_reason_is_another_version_of_the_same_status(store: BackfillStore, pool: Pool) -> None:
    backfill = await make_backfill(pool)
    reason = Reason(ReasonCode.SOURCE_UNREACHABLE, "the source does not answer", LATER, LATER)
    told = await store.set_reason(backfill.number, S.PLANNING, reason, at=LATER, wake_at=LATER)

    assert told is not None
    assert (S.PLANNING, 2, reason, LATER) == (told.status, told.version, told.reason, told.wake_at)
    assert None is await store.set_reason(backfill.number, S.RUNNING, None, at=LATER)


async def test_creations_and_moves_are_shouted(store: BackfillStore, pool: Pool, dsn: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    connection = await asyncpg.connect(dsn)
    try:
        await connection.add_listener("backfilld", lambda *message: heard.put_nowait(message[3]))
        backfill = await make_backfill(pool)
        await store.move(backfill.number, S.PAUSED, reason=None, at=LATER)
        async with asyncio.timeout(5):
            shouted = [await heard.get(), await heard.get()]
    finally:
        await connection.close()

    assert [f"{backfill.number} 1", f"{backfill.number} 2"] == shouted


@pytest.mark.parametrize(
    ("expires_in", "released", "expected"), [("1 h", False, 3), ("-1 s", False, 0), ("1 h", True, 0)]
)
async def test_only_a_standing_lease_has_items_in_flight(
    store: BackfillStore, pool: Pool, expires_in: str, released: bool, expected: int
) -> None:
    backfill = await make_backfill(pool)
    await pool.execute(
        "INSERT INTO leases (backfill_number, holder, fence, expires_at, released, in_flight)"
        " VALUES ($1, 'a', 1, clock_timestamp() + $2::text::interval, $3, 3)",
        backfill.number, expires_in, released,
    )  # fmt: skip

    assert expected == (await store.get_progress(backfill.number)).in_flight
    assert expected == (await store.get_with_progress(backfill.id))[1].in_flight


async def test_pages_go_from_new_to_old_and_bear_inserts(store: BackfillStore, pool: Pool) -> None:
    made = [await make_backfill(pool, exclusive=False) for _ in range(5)]
    first = await store.list_page(BackfillFilter(), **AT_NOON, limit=2)
    await make_backfill(pool, exclusive=False)
    second = await store.list_page(BackfillFilter(), **AT_NOON, before_number=first[-1][0].number, limit=5)

    assert [b.number for b in reversed(made)] == [b.number for b, _ in first + second]


async def test_each_filter_of_a_list_narrows_it(store: BackfillStore, pool: Pool) -> None:
    wanted = await make_backfill(pool, entity_type="note", created_by="key:1", created_at=LATER)
    await make_backfill(pool)
    await store.move(wanted.number, S.PAUSED, reason=None, at=LATER)
    filters = [
        BackfillFilter(statuses=(S.PAUSED, S.CANCELLED)),
        BackfillFilter(entity_type="note"),
        BackfillFilter(workflow_id=wanted.workflow_id),
        BackfillFilter(created_by="key:1"),
        BackfillFilter(created_after=LATER),
    ]

    for each in filters:
        assert [wanted.number] == [b.number for b, _ in await store.list_page(each, **AT_NOON, limit=9)], each
    assert 1 == len(await store.list_page(BackfillFilter(created_before=LATER), **AT_NOON, limit=9))
    assert [] == await store.list_page(BackfillFilter(kind="schedule"), **AT_NOON, limit=9)


async def test_what_active_backfills_have_before_them_is_counted_by_status_and_reason(
    store: BackfillStore, pool: Pool
) -> None:
    running, other, waiting, ended = [await make_backfill(pool) for _ in range(4)]
    for backfill, status in ((running, S.RUNNING), (other, S.RUNNING), (waiting, S.WAITING), (ended, S.COMPLETED)):
        await put_into(pool, backfill, status)
        await pool.execute(
            "UPDATE backfill_progress SET planned = 10, succeeded = 2, skipped = 1, retrying = 3, last_recorded_at = $2"
            " WHERE backfill_number = $1",
            backfill.number,
            NOON + timedelta(seconds=backfill.number),
        )
    await pool.execute(
        "UPDATE backfills SET reason_code = 'outside_window', reason_message = 'x', reason_since = $2, wake_at = $2"
        " WHERE number = $1",
        waiting.number,
        LATER,
    )
    last, before = NOON + timedelta(seconds=other.number), NOON + timedelta(seconds=waiting.number)

    assert {
        ActiveBackfills("running", None, 2, 8, 6, last),
        ActiveBackfills("waiting", "outside_window", 1, 4, 3, before, LATER),
    } == set(await store.count_active())


async def test_only_an_ended_backfill_can_be_deleted_and_is_not_seen_again(
    store: BackfillStore, pool: Pool, clock: FakeClock
) -> None:
    backfill = await make_backfill(pool)

    assert not await store.mark_deleted(backfill.number, at=clock.now())
    await put_into(pool, backfill, S.FAILED)
    assert await store.mark_deleted(backfill.number, at=clock.now())
    assert not await store.mark_deleted(backfill.number, at=clock.now())
    assert None is await store.find(backfill.id)
    assert None is await store.move(
        backfill.number, S.PAUSED, reason=None, at=LATER, expected=may_become(S.PAUSED) | ENDED
    )
    with pytest.raises(NotFound):
        await store.get(uuid4())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("enabled = false", "The workflow w1 is disabled."),
        ("enabled = false, managed_by = 'config'",
         "The workflow w1 is disabled in the configuration file, or gone from the file."),
        ("enabled = false, managed_by = 'config', deleted_at = created_at",
         "The workflow w1 is disabled as it was deleted."),
    ],
)  # fmt: skip
async def test_it_is_known_how_its_workflow_was_disabled(pool: Pool, change: str, told: str) -> None:
    made = await make_backfill(pool)
    await pool.execute(f"UPDATE workflows SET {change}")  # noqa: S608  # from above
    found = await BackfillStore(pool).get(made.id)
    facts = {"workflow": found.workflow_name, "how": found.workflow_off}

    assert told == because(ReasonCode.WORKFLOW_DISABLED, since=NOON, **facts).message
