"""The recorder's connection breaks at each thing that it asks for, one after the other.

Chance finds the instant between a COMMIT and its answer now and then; here every request of a commit has its turn,
once on its way there and once with its answer on the way back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.engine.test_recorder import DONE, Recording, again
from tests.support.breaking_wire import BreakingWire
from tests.support.wire import wire_to

from backfilld.store.connection.pool import Pool, open_pool

MOST_REQUESTS = 40
LEFT = "SELECT (SELECT count(*) FROM outcomes), (SELECT count(*) FROM tries), (SELECT count(*) FROM retries)"


@asynccontextmanager
async def recording_over(wire: BreakingWire, pool: Pool) -> AsyncIterator[Recording]:
    own = await open_pool(wire.dsn, size=1)
    recording = Recording(pool, own)
    task = asyncio.create_task(recording.recorder.serve())
    try:
        yield recording
    finally:
        task.cancel()
        await asyncio.wait([task])
        await own.close()


@pytest.mark.parametrize("answer_is_lost", [False, True], ids=["on-its-way", "answer-lost"])
async def test_a_commit_that_breaks_at_any_of_its_requests_is_written_once(dsn, pool, answer_is_lost: bool):
    async with wire_to(dsn, BreakingWire) as wire, recording_over(wire, pool) as recording:
        broken = 0
        for number in range(1, MOST_REQUESTS):
            await pool.execute("TRUNCATE outcomes, tries, retries")
            account = await recording.account(6)
            recording.submit(account, 5, result=again())
            await recording.flush(account)
            wire.break_at(number, answer_is_lost=answer_is_lost)
            recording.submit(account, 0, 1, 2)
            recording.submit(account, 3, 4, result=again())
            recording.submit(account, 5, had_retry=True)
            await recording.flush(account)

            assert {"succeeded": 4, "retrying": 2, "mark": 6} == await recording.counters(account)
            assert (4, 3, 2) == tuple(await pool.fetchrow(LEFT))
            assert 0 == account.unrecorded
            if not wire.broke:
                break
            broken += 1

    print(f"{broken} requests")
    assert 4 <= broken < MOST_REQUESTS - 1  # at least BEGIN, tries, outcomes, COMMIT


@pytest.mark.parametrize("answer_is_lost", [False, True], ids=["on-its-way", "answer-lost"])
async def test_a_single_statement_that_breaks_is_written_once(dsn, pool, answer_is_lost: bool):
    async with wire_to(dsn, BreakingWire) as wire, recording_over(wire, pool) as recording:
        broken = 0
        for number in range(1, MOST_REQUESTS):
            await pool.execute("TRUNCATE outcomes")
            account = await recording.account(4)
            wire.break_at(number, answer_is_lost=answer_is_lost)
            recording.submit(account, 0, 1, 3, result=DONE)
            await recording.flush(account)

            assert {"succeeded": 3, "mark": 2} == await recording.counters(account)
            assert 3 == await pool.fetchval("SELECT count(*) FROM outcomes")
            if not wire.broke:
                break
            broken += 1

    print(f"{broken} requests")
    assert 1 <= broken < MOST_REQUESTS - 1
