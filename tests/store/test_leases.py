"""Who may run what: one at a time, by a number that only grows, whoever asks and whenever."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.waiting import eventually

from backfilld.domain.backfills.records import Backfill, InFlight
from backfilld.domain.backfills.states import RUNNABLE, Status
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LENGTH, Holding, LeaseStore, Look, Word
from backfilld.store.connection.pool import Pool

SECONDS = 5.0
# Each time is another race.
RACES = pytest.mark.parametrize("race", [*range(3), *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 10))])


@pytest.fixture
async def backfill(pool: Pool) -> Backfill:
    return await make_backfill(pool)


def daemon(pool: Pool, instance: str = "a", process: str = "1") -> LeaseStore:
    return LeaseStore(pool, instance=instance, process=process)


async def expire(pool: Pool) -> None:
    await pool.execute("UPDATE leases SET expires_at = clock_timestamp() - interval '1 millisecond'")


async def fence_of(pool: Pool, backfill: Backfill) -> int:
    return await pool.fetchval("SELECT fence FROM backfill_progress WHERE backfill_number = $1", backfill.number)


async def move(pool: Pool, backfill: Backfill, wanted: Status, *expected: Status) -> Backfill | None:
    return await BackfillStore(pool).move(backfill.number, wanted, reason=None, at=NOON, expected=expected or None)


@RACES
async def test_of_many_that_ask_at_once_one_gets_it(pool: Pool, backfill: Backfill, race: int):
    stores = [daemon(pool, f"daemon{n}") for n in range(8)]
    grants = await asyncio.gather(*(store.acquire(backfill.number) for store in stores))

    assert 1 == sum(grant is not None for grant in grants)


@RACES
async def test_of_many_that_take_over_at_once_one_gets_it_and_the_fence_grows_by_one(
    pool: Pool, backfill: Backfill, race: int
):
    first = await daemon(pool, "gone").acquire(backfill.number)
    await expire(pool)
    stores = [daemon(pool, f"daemon{n}") for n in range(8)]
    grants = [grant for grant in await asyncio.gather(*(store.acquire(backfill.number) for store in stores)) if grant]

    assert [first.fence + 1] == [grant.fence for grant in grants]
    assert first.fence + 1 == await fence_of(pool, backfill)


async def test_nobody_gets_what_somebody_living_holds(pool: Pool, backfill: Backfill):
    mine = await daemon(pool, "a").acquire(backfill.number)

    assert await daemon(pool, "b").acquire(backfill.number) is None
    assert await daemon(pool, "a").acquire(backfill.number) is None
    assert mine.fence == await fence_of(pool, backfill)


async def test_a_lease_lasts_three_seconds_of_the_database(pool: Pool, backfill: Backfill):
    await daemon(pool).acquire(backfill.number)
    left = await pool.fetchval("SELECT expires_at - clock_timestamp() FROM leases")

    assert timedelta(seconds=2) < left <= LENGTH == timedelta(seconds=3)


async def test_what_a_dead_process_held_is_taken_at_once_by_the_next_of_its_instance(pool: Pool, backfill: Backfill):
    before = await daemon(pool, "a", "1").acquire(backfill.number)
    after = await daemon(pool, "a", "2").acquire(backfill.number)

    assert (before.fence + 1, False, "a/2") == (after.fence, after.clean, after.holder)


async def test_an_instance_whose_name_begins_alike_is_another(pool: Pool, backfill: Backfill):
    await daemon(pool, "a", "1").acquire(backfill.number)

    assert await daemon(pool, "ab", "1").acquire(backfill.number) is None


async def test_the_holder_may_renew_after_expiry_while_nobody_took_it(pool: Pool, backfill: Backfill):
    store = daemon(pool, "a")
    grant = await store.acquire(backfill.number)
    await expire(pool)
    renewed = await store.renew([Holding(backfill.number, grant.fence, 2)], obeys_stop=0, within_seconds=SECONDS)

    assert {backfill.number: Word(backfill.version)} == renewed.words
    assert await daemon(pool, "b").acquire(backfill.number) is None


async def test_what_is_in_flight_is_known_to_every_daemon_until_the_lease_ends(pool: Pool, backfill: Backfill):
    store, other = daemon(pool, "a"), daemon(pool, "b")
    grant = await store.acquire(backfill.number)
    items = [InFlight(7, 1, NOON), InFlight(8, 3, NOON + timedelta(milliseconds=1))]
    before = await other.list_in_flight(backfill.number)
    await store.renew([Holding(backfill.number, grant.fence, 2, 0, items)], obeys_stop=0, within_seconds=SECONDS)
    seen = await other.list_in_flight(backfill.number)
    await store.release(backfill.number, grant.fence, in_order=True)

    assert ([], items, []) == (before, seen, await other.list_in_flight(backfill.number))


async def test_whoever_lost_it_cannot_renew_release_or_acknowledge(pool: Pool, backfill: Backfill):
    old, new = daemon(pool, "a"), daemon(pool, "b")
    grant = await old.acquire(backfill.number)
    await expire(pool)
    taken = await new.acquire(backfill.number)
    renewed = await old.renew([Holding(backfill.number, grant.fence, 2)], obeys_stop=0, within_seconds=SECONDS)
    await old.release(backfill.number, grant.fence, in_order=True)
    await old.acknowledge(backfill.number, grant.fence, 99)
    owner = await new.find_owner(backfill.number)

    assert {} == renewed.words
    assert ("b/1", taken.fence, backfill.version) == (owner.holder, owner.fence, owner.acknowledged_version)


async def test_what_was_given_back_cannot_be_renewed(pool: Pool, backfill: Backfill):
    store = daemon(pool)
    grant = await store.acquire(backfill.number)
    await store.release(backfill.number, grant.fence, in_order=True)

    renewed = await store.renew([Holding(backfill.number, grant.fence, 0)], obeys_stop=0, within_seconds=SECONDS)

    assert {} == renewed.words


@pytest.mark.parametrize("in_order", [True, False])
async def test_the_next_owner_is_told_whether_it_was_left_in_order(pool: Pool, backfill: Backfill, in_order: bool):
    first = await daemon(pool, "a").acquire(backfill.number)
    await daemon(pool, "a").release(backfill.number, first.fence, in_order=in_order)
    second = await daemon(pool, "b").acquire(backfill.number)

    assert first.clean
    assert in_order == second.clean


async def test_what_ran_out_was_not_left_in_order(pool: Pool, backfill: Backfill):
    first = await daemon(pool, "a").acquire(backfill.number)
    await daemon(pool, "a").release(backfill.number, first.fence, in_order=True)
    await daemon(pool, "b").acquire(backfill.number)
    await expire(pool)

    assert not (await daemon(pool, "c").acquire(backfill.number)).clean


async def test_an_owner_that_came_and_died_while_another_waited_is_not_overlooked(pool: Pool, backfill: Backfill):
    async with pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT FROM backfills WHERE number = $1 FOR UPDATE", backfill.number)
        asked = asyncio.ensure_future(daemon(pool, "b").acquire(backfill.number))
        await eventually(
            lambda: pool.fetchval("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        )
        await other.execute(
            "INSERT INTO leases (backfill_number, holder, fence, expires_at) VALUES ($1, 'a/1', 7, $2)",
            backfill.number,
            NOON,
        )
        await pool.execute("SELECT 1")
        await transaction.commit()
        await expire(pool)
    grant = await asked

    assert grant is None or (8, False) == (grant.fence, grant.clean)


@pytest.mark.parametrize("status", Status)
async def test_only_what_may_be_run_can_be_leased(pool: Pool, backfill: Backfill, status: Status):
    ended = NOON if status not in RUNNABLE | {Status.PAUSED} else None
    await pool.execute("UPDATE backfills SET status = $1, completed_at = $2, planned_at = $3", status, ended, NOON)

    assert (status in RUNNABLE) == (await daemon(pool).acquire(backfill.number) is not None)


async def test_a_deleted_backfill_cannot_be_leased(pool: Pool, backfill: Backfill):
    await pool.execute("UPDATE backfills SET deleted_at = $1", NOON)

    assert await daemon(pool).acquire(backfill.number) is None


@RACES
async def test_a_pause_that_races_a_taking_is_seen_by_it_or_sees_it(pool: Pool, backfill: Backfill, race: int):
    store = daemon(pool)
    grant, paused = await asyncio.gather(store.acquire(backfill.number), move(pool, backfill, Status.PAUSED))
    owner = await store.find_owner(backfill.number)

    assert paused is not None
    assert (grant is None) == (owner is None)
    if owner is not None:  # it was taken before: the pause has to be acknowledged
        assert owner.acknowledged_version < paused.version


async def test_taking_it_acknowledges_what_was_asked_for_before(pool: Pool, backfill: Backfill):
    cancelled = await move(pool, backfill, Status.CANCELLING)
    await daemon(pool).acquire(backfill.number)
    owner = await daemon(pool).find_owner(backfill.number)

    assert cancelled.version == owner.acknowledged_version


async def test_an_acknowledgement_never_goes_back(pool: Pool, backfill: Backfill):
    store = daemon(pool)
    grant = await store.acquire(backfill.number)
    await store.acknowledge(backfill.number, grant.fence, 9)
    await store.acknowledge(backfill.number, grant.fence, 8)

    assert 9 == (await store.find_owner(backfill.number)).acknowledged_version


async def test_a_renewal_brings_the_version_of_each_backfill(pool: Pool, backfill: Backfill):
    store, other = daemon(pool), await make_backfill(pool)
    grants = [await store.acquire(number) for number in (backfill.number, other.number)]
    paused = await move(pool, other, Status.PAUSED)
    held = [Holding(grant.backfill_number, grant.fence, n) for n, grant in enumerate(grants)]
    renewed = await store.renew(held, obeys_stop=0, within_seconds=SECONDS)
    in_flight = await pool.fetch("SELECT in_flight FROM leases ORDER BY backfill_number")

    assert {backfill.number: Word(backfill.version), other.number: Word(paused.version)} == renewed.words
    assert [0, 1] == [row["in_flight"] for row in in_flight]


async def test_nobody_owns_what_has_run_out(pool: Pool, backfill: Backfill):
    await daemon(pool).acquire(backfill.number)
    await expire(pool)

    assert await daemon(pool).find_owner(backfill.number) is None


async def test_candidates_are_runnable_due_and_not_held_by_others(pool: Pool):
    made = [await make_backfill(pool) for _ in range(7)]
    later, due, held, mine, over, paused, plain = made
    await pool.execute("UPDATE backfills SET wake_at = $2 WHERE number = $1", later.number, NOON + timedelta(seconds=1))
    await pool.execute("UPDATE backfills SET wake_at = $2 WHERE number = $1", due.number, NOON)
    await daemon(pool, "b").acquire(over.number)
    await expire(pool)
    await daemon(pool, "b").acquire(held.number)
    await daemon(pool, "a", "0").acquire(mine.number)
    await move(pool, paused, Status.PAUSED)
    store = daemon(pool, "a")

    assert [due.number, mine.number, over.number, plain.number] == await store.list_candidates(NOON)
    assert [later.number, due.number, mine.number, over.number, plain.number] == await store.list_candidates(
        NOON, all_of_them=True
    )


async def test_the_next_look_is_when_the_first_falls_due(pool: Pool):
    one, other = await make_backfill(pool), await make_backfill(pool)
    store = daemon(pool)
    nothing = await store.next_look(NOON)
    for backfill, seconds in ((one, 9), (other, 5)):
        await pool.execute(
            "UPDATE backfills SET wake_at = $2 WHERE number = $1", backfill.number, NOON + timedelta(seconds=seconds)
        )
    soon = await store.next_look(NOON)
    await daemon(pool, "b").acquire(one.number)

    assert Look(None, others_hold_some=False) == nothing
    assert Look(NOON + timedelta(seconds=5), others_hold_some=False) == soon
    assert Look(NOON + timedelta(seconds=5), others_hold_some=True) == await store.next_look(NOON)
