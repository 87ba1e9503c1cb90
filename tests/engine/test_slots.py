"""Places for what is in flight: never more than the limit of the moment, and none that goes missing."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import settle

from backfilld.engine.backfills.running.slots import Slots


async def taken(slots: Slots, most: int) -> int:
    """How many of `most` get a place without waiting."""
    tasks = [asyncio.ensure_future(slots.acquire()) for _ in range(most)]
    await settle()
    for task in tasks:
        task.cancel()
    return sum(not isinstance(end, BaseException) for end in await asyncio.gather(*tasks, return_exceptions=True))


async def test_there_are_as_many_places_as_the_limit_says():
    assert 3 == await taken(Slots(3), 10)


async def test_a_smaller_limit_keeps_back_what_comes_free():
    slots = Slots(5)
    await taken(slots, 5)
    slots.resize(2)
    for _ in range(3):
        slots.release()

    assert 0 == await taken(slots, 1)
    slots.release()
    assert 1 == await taken(slots, 5)


async def test_a_smaller_limit_takes_away_free_places_at_once():
    slots = Slots(5)
    await taken(slots, 1)
    slots.resize(2)

    assert 1 == await taken(slots, 5)


async def test_a_larger_limit_wakes_whoever_waits():
    slots = Slots(1)
    await slots.acquire()
    waiting = [asyncio.ensure_future(slots.acquire()) for _ in range(4)]
    slots.resize(3)
    await settle()

    assert 2 == sum(task.done() for task in waiting)
    for task in waiting:
        task.cancel()


async def test_a_limit_that_grows_again_forgives_what_was_to_be_kept_back():
    slots = Slots(4)
    await taken(slots, 4)
    slots.resize(1)
    slots.resize(4)
    slots.release()

    assert 1 == await taken(slots, 5)


@given(st.lists(st.one_of(st.just("take"), st.just("give"), st.integers(1, 6)), max_size=40))
async def test_whatever_happens_a_place_is_free_exactly_while_fewer_are_held_than_allowed(moves: list[str | int]):
    slots, held = Slots(3), 0
    for move in moves:
        if isinstance(move, int):
            slots.resize(move)
        elif move == "take":
            expected = held < slots.limit
            got = await taken(slots, 1)
            assert expected == got
            held += got
        elif held:
            slots.release()
            held -= 1
