"""The stop order's row: whoever takes a lease sees it, or is seen by whoever gives it."""

import asyncio

from tests.support.backfills import make_backfill
from tests.support.clock import NOON

from backfilld.store.admin.stopping import StopStore
from backfilld.store.backfills.leases import Holding, LeaseStore


async def stop(pool, connection):
    return await StopStore(pool).change(stopped=True, by="X", why=None, at=NOON, on=connection)


async def waits_for_a_lock(pool) -> None:
    while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - a database's
        await asyncio.sleep(0.005)


async def test_a_lease_that_is_taken_while_the_order_is_given_knows_it(pool):
    backfill = await make_backfill(pool)
    leases = LeaseStore(pool, instance="a", process="1")
    async with pool.acquire() as connection:
        async with connection.transaction():
            order = await stop(pool, connection)
            taking = asyncio.create_task(leases.acquire(backfill.number))
            await waits_for_a_lock(pool)
        grant = await taking

    assert order == grant.stop_order
    assert 0 == await StopStore(pool).count_not_obeying(order.version)


async def test_an_order_that_is_given_while_a_lease_is_taken_sees_the_lease(pool):
    backfill = await make_backfill(pool)
    async with pool.acquire() as taker, pool.acquire() as giver:
        taking = taker.transaction()
        await taking.start()
        grant = await LeaseStore(taker, instance="a", process="1").acquire(backfill.number)
        giving = asyncio.create_task(stop(pool, giver))
        await waits_for_a_lock(pool)
        await taking.commit()
        order = await giving

    assert not grant.stop_order.stopped
    assert 1 == await StopStore(pool).count_not_obeying(order.version)


async def test_a_lease_obeys_by_renewal_by_word_and_by_its_end(pool):
    store = StopStore(pool)
    leases = LeaseStore(pool, instance="a", process="1")
    held = [await make_backfill(pool) for _ in range(3)]
    fences = [(await leases.acquire(backfill.number)).fence for backfill in held]
    async with pool.acquire() as connection:
        order = await stop(pool, connection)
    counted = [await store.count_not_obeying(order.version)]
    await leases.renew([Holding(held[0].number, fences[0], 0)], obeys_stop=order.version, within_seconds=5)
    counted.append(await store.count_not_obeying(order.version))
    await leases.obey([(held[1].number, fences[1])], order.version)
    counted.append(await store.count_not_obeying(order.version))
    await leases.release(held[2].number, fences[2], in_order=True)
    counted.append(await store.count_not_obeying(order.version))

    assert [3, 2, 1, 0] == counted
