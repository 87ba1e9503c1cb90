"""Keeping what we hold: renewed from when it was sent, lost when the fence has fallen and not before."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.backfills import make_backfill
from tests.support.clock import FakeClock
from tests.support.waiting import eventually
from tests.support.wire import Wire, wire_to

from backfilld.bus import Bus
from backfilld.domain.backfills.states import Status
from backfilld.engine.backfills.leases import LeaseKeeper
from backfilld.engine.starting.leases import Lease
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LeaseStore
from backfilld.store.connection.pool import Pool, open_pool


class Keeping:
    """A keeper on a wire of its own, and the leases that it took."""

    def __init__(self, pool: Pool, far: Pool, wire: Wire) -> None:
        self.pool, self.wire = pool, wire
        self.clock = FakeClock()
        self.keeper = LeaseKeeper(LeaseStore(far, instance="a", process="1"), self.clock, Bus())

    async def take(self) -> Lease:
        lease = await self.keeper.take((await make_backfill(self.pool)).number)
        assert lease is not None
        return lease

    async def taken_over(self, lease: Lease) -> None:
        """Another daemon has it now."""
        await self.pool.execute(
            "UPDATE leases SET expires_at = clock_timestamp() WHERE backfill_number = $1", lease.key
        )
        assert await LeaseStore(self.pool, instance="b", process="1").acquire(lease.key)


@pytest.fixture
async def keeping(dsn: str, pool: Pool) -> AsyncIterator[Keeping]:
    async with wire_to(dsn) as wire:
        far = await open_pool(wire.dsn, size=1)
        yield Keeping(pool, far, wire)
        await far.close()


async def test_a_renewal_counts_from_when_it_was_sent(keeping: Keeping):
    lease = await keeping.take()
    await keeping.clock.advance(1)
    sent_at = keeping.clock.boottime()
    renewing = asyncio.ensure_future(keeping.keeper.renew())
    await asyncio.sleep(0)
    keeping.clock._boottime += 0.7  # the answer takes its time
    await renewing

    assert sent_at == lease.renewed_at


async def test_the_taking_itself_counts_from_when_it_was_sent(keeping: Keeping):
    backfill = await make_backfill(keeping.pool)
    sent_at = keeping.clock.boottime()
    taking = asyncio.ensure_future(keeping.keeper.take(backfill.number))
    await asyncio.sleep(0)
    keeping.clock._boottime += 1.5
    lease = await taking

    assert sent_at == lease.renewed_at
    assert lease.is_safe(sent_at + 1.99)
    assert not lease.is_safe(sent_at + 2.0)


async def test_a_database_that_does_not_answer_loses_nothing_and_renews_nothing(keeping: Keeping):
    lost = []
    lease = await keeping.take()
    lease.on_lost = lambda: lost.append(lease)
    before = lease.renewed_at
    keeping.wire.cut()
    await keeping.clock.advance(1)
    await keeping.keeper.renew()
    kept = (lease.lost, lease.renewed_at)
    keeping.wire.mend()
    await keeping.keeper.renew()

    assert (False, before) == kept
    assert (False, keeping.clock.boottime()) == (lease.lost, lease.renewed_at)
    assert [] == lost


async def test_a_network_that_swallows_a_renewal_delays_the_next_by_no_more_than_its_time(
    keeping: Keeping, monkeypatch
):
    monkeypatch.setattr("backfilld.engine.starting.leases.RENEWAL_TIMEOUT_SECONDS", 0.2)
    lease = await keeping.take()
    keeping.wire.stall()
    await keeping.clock.advance(1)
    async with asyncio.timeout(5):
        await keeping.keeper.renew()
        keeping.wire.cut()
        keeping.wire.mend()
        await keeping.keeper.renew()

    assert keeping.clock.boottime() == lease.renewed_at


async def test_a_fallen_fence_is_a_lost_lease_and_is_told_once(keeping: Keeping):
    lost: list[Lease] = []
    one, other = await keeping.take(), await keeping.take()
    for lease in (one, other):
        lease.on_lost = lambda lease=lease: lost.append(lease)
    await keeping.taken_over(one)
    for _ in range(2):
        await keeping.keeper.renew()

    assert [one] == lost
    assert (True, False) == (one.lost, other.lost)
    assert not one.is_safe(one.renewed_at)


async def test_what_was_given_back_while_a_renewal_was_under_way_is_not_lost(keeping: Keeping):
    lease = await keeping.take()
    renewing = asyncio.ensure_future(keeping.keeper.renew())
    await asyncio.sleep(0)
    await keeping.keeper.give_back(lease, in_order=True)
    await renewing

    assert not lease.lost
    assert await keeping.pool.fetchval("SELECT released AND in_order FROM leases")


async def test_a_lost_lease_is_not_given_back_over_the_head_of_its_new_owner(keeping: Keeping):
    lease = await keeping.take()
    await keeping.taken_over(lease)
    await keeping.keeper.renew()
    await keeping.keeper.give_back(lease, in_order=True)

    assert ("b/1", False) == tuple(await keeping.pool.fetchrow("SELECT holder, released FROM leases"))


async def test_what_is_forgotten_runs_out_by_itself(keeping: Keeping):
    lease = await keeping.take()
    keeping.keeper.forget(lease)
    before = await keeping.pool.fetchval("SELECT expires_at FROM leases")
    await keeping.keeper.renew()

    assert before == await keeping.pool.fetchval("SELECT expires_at FROM leases")


async def test_a_renewal_tells_of_a_change_and_of_how_much_is_in_flight(keeping: Keeping):
    versions: list[int] = []
    lease = await keeping.take()
    lease.on_word, lease.in_flight = lambda word: versions.append(word.version), lambda: 3
    moved = await BackfillStore(keeping.pool).move(lease.key, Status.PAUSED, reason=None, at=keeping.clock.now())
    await keeping.keeper.renew()

    assert moved.version == versions[-1]
    assert 3 == await keeping.pool.fetchval("SELECT in_flight FROM leases")


async def test_the_loop_renews_each_second(keeping: Keeping):
    lease = await keeping.take()
    task = asyncio.create_task(keeping.keeper.serve())
    seen = []
    for _ in range(3):
        await keeping.clock.advance(1)
        await eventually(lambda: lease.renewed_at == keeping.clock.boottime())
        seen.append(lease.renewed_at)
    task.cancel()

    assert 3 == len(set(seen))
