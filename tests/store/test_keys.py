"""API keys in the database."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.support.clock import FakeClock

from backfilld.domain.access.callers import Actor
from backfilld.domain.access.keys import hash_of, looks_like_key, make_key, prefix_of
from backfilld.domain.errors import Invalid, NotFound
from backfilld.operations.keys import create_key, list_keys, revoke_key
from backfilld.store.admin.keys import KeyStore
from backfilld.store.connection.pool import Pool


def test_a_key_carries_256_random_bits_and_is_recognised() -> None:
    key, other = make_key("live"), make_key("live")

    assert looks_like_key(key)
    assert key != other
    assert key.startswith("neo_sk_live_")
    assert 43 == len(key.removeprefix("neo_sk_live_"))
    assert len(key) - 37 == len(prefix_of(key))


@pytest.mark.parametrize("text", ["", "neo_sk_live_", "neo_sk_LIVE_" + "a" * 43, "neo_sk_live_" + "a" * 44, "x"])
def test_what_is_no_key_is_not_looked_up(text: str) -> None:
    assert not looks_like_key(text)


async def test_only_the_hash_of_a_key_is_kept(pool: Pool, clock: FakeClock) -> None:
    new = await create_key(pool, clock, name="ci", role="operator", actor=Actor.local("cli"))
    dump = await pool.fetchval(
        "SELECT json_agg(k)::text || (SELECT json_agg(a)::text FROM audit_log a) FROM api_keys k"
    )
    found = await KeyStore(pool).find_by_hash(hash_of(new.key))

    assert found == new.kept
    assert new.key not in dump
    assert "api_key.create" in dump


async def test_all_faults_of_a_new_key_are_told_at_once(pool: Pool, clock: FakeClock) -> None:
    with pytest.raises(Invalid) as caught:
        await create_key(
            pool, clock, name=" ", role="viewer", actor=Actor.local("cli"), expires_at=clock.now(), environment="a b"
        )

    assert ["/name", "/expires_at", "/environment"] == [fault.path for fault in caught.value.faults]


async def test_keys_are_listed_newest_first_and_page_by_page(pool: Pool, clock: FakeClock) -> None:
    made = []
    for number in range(3):
        await clock.advance(1)
        made.append((await create_key(pool, clock, name=f"k{number}", role="viewer", actor=Actor.local("cli"))).kept)
    first = await list_keys(pool, limit=2)
    rest = await list_keys(pool, limit=2, after=(first[-1].created_at, first[-1].id))

    assert made[::-1] == first + rest


async def test_of_two_who_revoke_at_once_one_is_written_down(pool: Pool, clock: FakeClock) -> None:
    new = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    revoked = await asyncio.gather(*(revoke_key(pool, clock, new.id, actor=Actor.local(who)) for who in ("a", "b")))
    rows = await pool.fetchval("SELECT count(*) FROM audit_log WHERE action = 'api_key.revoke'")

    assert {clock.now()} == {key.revoked_at for key in revoked}
    assert 1 == rows


async def test_an_unknown_key_cannot_be_revoked(pool: Pool, clock: FakeClock) -> None:
    with pytest.raises(NotFound):
        await revoke_key(pool, clock, uuid4(), actor=Actor.local("cli"))


async def test_a_key_is_valid_until_the_instant_it_expires(pool: Pool, clock: FakeClock) -> None:
    at = clock.now() + timedelta(hours=1)
    key = (await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"), expires_at=at)).kept

    assert key.is_valid(at - timedelta(microseconds=1))
    assert not key.is_valid(at)


async def test_last_use_never_goes_back(pool: Pool, clock: FakeClock) -> None:
    new = await create_key(pool, clock, name="ci", role="viewer", actor=Actor.local("cli"))
    store = KeyStore(pool)
    await store.touch(new.id, clock.now())
    await store.touch(new.id, clock.now() - timedelta(hours=1))
    found = await store.find_by_hash(hash_of(new.key))

    assert found is not None
    assert clock.now() == found.last_used_at
