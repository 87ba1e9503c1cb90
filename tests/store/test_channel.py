"""Hearing of changes, and of having missed some."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.engine.parts import cut_connections
from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.waiting import eventually
from tests.support.wire import wire_to

from backfilld.bus import Bus
from backfilld.clock import SystemClock
from backfilld.domain.backfills.states import Status
from backfilld.engine.news import News
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.channel import Channel

Heard = list[int | None]


@pytest.fixture
async def heard(dsn: str) -> AsyncIterator[Heard]:
    heard: Heard = []
    task = asyncio.create_task(News(Channel(dsn, heard.append), SystemClock(), Bus()).serve())
    await eventually(lambda: heard)
    yield heard
    task.cancel()
    (end,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(end, asyncio.CancelledError), end


async def test_when_it_begins_to_listen_anything_may_have_been_missed(heard: Heard):
    assert [None] == heard


async def test_a_new_backfill_and_each_of_its_moves_are_heard(heard: Heard, pool):
    backfill = await make_backfill(pool)
    await eventually(lambda: len(heard) == 2)
    await BackfillStore(pool).move(backfill.number, Status.PAUSED, reason=None, at=NOON)
    await eventually(lambda: len(heard) == 3)

    assert [None, backfill.number, backfill.number] == heard


async def test_what_is_rolled_back_is_not_heard(heard: Heard, pool):
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT pg_notify('backfilld', '7 1')")
        await transaction.rollback()
    await pool.execute("SELECT pg_notify('backfilld', '8 1')")
    await eventually(lambda: len(heard) == 2)

    assert [None, 8] == heard


@pytest.mark.parametrize("word", ["", "stop-order 4", "x 1", "-3 1", "½ 1"])
async def test_a_word_that_names_no_backfill_may_concern_any(heard: Heard, pool, word: str):
    await pool.execute("SELECT pg_notify('backfilld', $1)", word)
    await eventually(lambda: len(heard) == 2)

    assert [None, None] == heard


async def test_after_a_broken_connection_anything_may_have_been_missed(heard: Heard, pool):
    await cut_connections(pool)
    await eventually(lambda: len(heard) == 2)
    await pool.execute("SELECT pg_notify('backfilld', '8 1')")
    await eventually(lambda: len(heard) == 3)

    assert [None, None, 8] == heard


async def test_a_database_that_is_away_is_waited_for(dsn):
    heard: Heard = []
    async with wire_to(dsn) as wire:
        wire.cut()
        task = asyncio.create_task(News(Channel(wire.dsn, heard.append), SystemClock(), Bus()).serve())
        await asyncio.sleep(0.15)
        before = list(heard)
        wire.mend()
        await eventually(lambda: heard)
        task.cancel()

    assert [] == before
