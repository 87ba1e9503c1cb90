"""Answers under idempotency keys: found for a day, in their own scope, and locked by one transaction at a time."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.clock import NOON

from backfilld.store.admin.idempotency import IdempotencyStore, Key, Remembered
from backfilld.store.connection.pool import Pool

KEY = Key("key:1", "create", "k")
HASH = b"h" * 32
ANSWER = {"backfill": {"id": "…", "n": 1.5}}
DAY = timedelta(hours=24)


@pytest.fixture
def store(pool: Pool) -> IdempotencyStore:
    return IdempotencyStore(pool)


async def remember(store: IdempotencyStore, pool: Pool, answer: object = ANSWER) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await store.remember(KEY, body_hash=HASH, status=201, answer=answer, now=NOON, on=connection)


async def test_an_answer_is_found_for_a_day(store: IdempotencyStore, pool: Pool) -> None:
    await remember(store, pool)

    assert Remembered(HASH, 201, ANSWER) == await store.find(KEY, now=NOON + DAY - timedelta(microseconds=1))
    assert None is await store.find(KEY, now=NOON + DAY)


@pytest.mark.parametrize("other", [{"caller": "key:2"}, {"route": "rerun"}, {"text": "K"}])
async def test_a_key_counts_only_for_its_caller_and_route(
    store: IdempotencyStore, pool: Pool, other: dict[str, str]
) -> None:
    await remember(store, pool)

    assert None is await store.find(replace(KEY, **other), now=NOON)


async def test_an_answer_that_is_too_old_makes_room(store: IdempotencyStore, pool: Pool) -> None:
    await remember(store, pool)
    await remember(store, pool, "another")

    assert Remembered(HASH, 201, "another") == await store.find(KEY, now=NOON)


async def test_of_two_transactions_one_has_the_key(store: IdempotencyStore, pool: Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as other, other.transaction():
        async with one.transaction():
            taken = [await store.try_lock(KEY, on=one), await store.try_lock(KEY, on=other)]
        again = await store.try_lock(KEY, on=other)

    assert [True, False] == taken
    assert again
