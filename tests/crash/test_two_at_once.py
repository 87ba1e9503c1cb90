"""Two daemons that begin in the same moment, or do not agree what time it is: one owner at a time all the same."""

import asyncio
import random
import signal
import time

import pytest
from tests.crash.accounts import assert_exact, assert_keys_never_change, repeats
from tests.crash.test_two_daemons import MAX_IN_FLIGHT, TAKEOVER_WITHIN, begun, daemon_of, in_turns, other_than, starts
from tests.support.bent_world import BentWorld

APART_SECONDS = 10.0
STARTS_AT_ONCE = 3


@pytest.fixture
async def pair(scratch, target, empty_dsn):
    """A and B on a database in which there is nothing yet. Neither runs."""
    async with daemon_of("A", scratch, target, empty_dsn) as one, daemon_of("B", scratch, target, empty_dsn) as other:
        yield {"A": one, "B": other}


async def at_once(pair):
    await asyncio.gather(*(daemon.start() for daemon in pair.values()))


async def start_on_nothing(pair):
    """Both make the tables, at once."""
    await at_once(pair)
    pair["B"].api_key = await pair["A"].make_key()


def turns_of(target, generation):
    return in_turns([call for call in target.calls if call.generation == generation])


@pytest.mark.slow
async def test_two_that_start_at_once_on_an_empty_database_agree_who_owns_what(pair, target, empty_dsn):
    await start_on_nothing(pair)
    id, _ = await begun(pair, target, random.Random(6))
    for _ in range(STARTS_AT_ONCE):
        for daemon in pair.values():
            await daemon.kill()
        target.next_generation()
        await at_once(pair)
        await asyncio.sleep(1)
    await pair["A"].client.cancel_backfill(id)
    await pair["B"].ends(id)

    assert [1] * (1 + STARTS_AT_ONCE) == [len(turns_of(target, n)) for n in range(1 + STARTS_AT_ONCE)]
    assert [] == [life for life, most in target.most_live.items() if most > MAX_IN_FLIGHT]
    assert_keys_never_change(target)
    await assert_exact(pair["A"], empty_dsn, id, planned=30_000)


@pytest.mark.slow
@pytest.mark.parametrize("ahead", "AB")
async def test_two_whose_clocks_are_ten_seconds_apart_have_one_owner_and_a_killed_one_is_followed_in_time(
    pair, target, empty_dsn, scratch, ahead
):
    pair[ahead].live_in(BentWorld(scratch / "ahead.json", seconds=APART_SECONDS))
    await start_on_nothing(pair)
    id, first = await begun(pair, target, random.Random(7))
    owner, took = first, []
    for _ in range(2):
        await pair[owner].kill()
        killed_at = time.monotonic()
        target.next_generation()
        heir = other_than(owner)
        took.append(await starts(target, heir, since=killed_at) - killed_at)
        await pair[owner].start()
        await asyncio.sleep(1)
        owner = heir
    pair[owner].signal(signal.SIGSTOP)
    frozen_at = time.monotonic()
    target.next_generation()
    took.append(await starts(target, other_than(owner), since=frozen_at) - frozen_at)
    pair[owner].signal(signal.SIGCONT)
    await asyncio.sleep(1)
    await pair[owner].client.cancel_backfill(id)
    await pair["A"].ends(id)
    print(f"{first} was first, {ahead} was ahead; taken over after {[round(seconds, 2) for seconds in took]} s")

    assert [] == [seconds for seconds in took if seconds > TAKEOVER_WITHIN]
    assert [first, other_than(first), first, other_than(first)] == in_turns(target.calls)
    assert [] == [life for life, most in target.most_live.items() if most > MAX_IN_FLIGHT]
    assert repeats(target) <= 3 * (100 + MAX_IN_FLIGHT)
    assert_keys_never_change(target)
    await assert_exact(pair["A"], empty_dsn, id, planned=30_000)
