"""As many at once as the target takes well: what becomes of the limit, try by try."""

import heapq

import pytest

from backfilld.domain.backfill_settings import SlowDown
from backfilld.domain.backfills.slowing import Slowing

TERMS = SlowDown(500, "p90", 20)


class World:
    """Tries one after the other, each begun when the one before had ended."""

    def __init__(self, most: int = 10, terms: SlowDown = TERMS) -> None:
        self.slowing = Slowing(terms, most)
        self.now = 0.0

    def tries(self, *seconds: float, bad: bool = False) -> int:
        for took in seconds:
            self.now += took
            self.slowing.note(self.now, took, bad=bad)
        return self.slowing.limit

    def grown(self, limit: int) -> "World":
        while self.slowing.limit < limit:
            self.tries(*[0.1] * 20)
        return self


def test_it_begins_at_one_and_doubles_up_to_what_is_allowed():
    world = World()

    assert [1, 2, 2, 4, 8, 10, 10] == [world.tries(*[0.1] * number) for number in (19, 1, 19, 1, 20, 20, 20)]


def test_after_the_first_trouble_it_grows_by_one():
    world = World().grown(8)
    halved = world.tries(*[0.6] * 3)

    assert [4, 5, 6] == [halved, world.tries(*[0.1] * 20), world.tries(*[0.1] * 20)]


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        (10, [0.5] * 20),  # at the limit, and too near for more
        (10, [9.0] * 2 + [0.45] * 18),  # two of 20 may be slower
        (5, [9.0] * 3),  # three may not
        (5, [0.45] * 17 + [0.501] * 3),
        (10, [0.45] * 18 + [0.501] * 2),
    ],
)
def test_it_is_halved_as_soon_as_the_percentile_is_above(limit: int, seconds: list[float]):
    assert limit == World().grown(10).tries(*seconds)


@pytest.mark.parametrize(("limit", "seconds"), [(5, 0.4), (5, 0.41), (6, 0.399)])
def test_it_grows_only_well_below(limit: int, seconds: float):
    world = World().grown(10)
    world.tries(*[0.6] * 3)

    assert limit == world.tries(*[seconds] * 20)


def test_what_failed_for_want_of_time_counts_as_slow_however_quick_it_was():
    assert 5 == World().grown(10).tries(0.01, 0.01, 0.01, bad=True)


def test_never_below_one_and_never_above_what_is_allowed():
    world = World(3)
    low = world.tries(*[9.0] * 30)
    world.grown(3)

    assert (1, 3) == (low, world.tries(*[0.1] * 200))


def test_what_had_begun_under_another_limit_says_nothing_of_this_one():
    world = World().grown(10)
    world.tries(*[0.6] * 3)
    before = world.slowing.limit
    for _ in range(5):  # they were in flight when it was halved
        world.slowing.note(world.now + 0.1, 0.7, bad=False)

    assert before == world.slowing.limit == 5


def test_newer_settings_are_obeyed_at_once():
    world = World().grown(10)
    world.slowing.obey(TERMS, 4)
    lower = world.slowing.limit
    world.slowing.obey(SlowDown(50), 4)

    assert (4, 2) == (lower, world.tries(*[0.1] * 3))


@pytest.mark.parametrize("best", [2, 4, 7])
def test_it_finds_the_limit_that_the_target_takes(best: int):
    """A target that takes 50 ms for each that is in flight; at `best` it is just within the limit."""
    slowing = Slowing(SlowDown(50 * best + 20, "p90", 20), 10)
    flying: list[tuple[float, float]] = []
    now, seen = 0.0, []
    for number in range(4000):
        while len(flying) < slowing.limit:
            heapq.heappush(flying, (now + 0.05 * (len(flying) + 1), now))
        now, began = heapq.heappop(flying)
        slowing.note(now, now - began, bad=False)
        if number > 1000:
            seen.append(slowing.limit)

    assert best - 1 <= sorted(seen)[len(seen) // 2] <= best + 1


def test_it_comes_back_when_the_load_is_gone():
    world = World().grown(10)
    world.tries(*[0.6] * 12)
    low, since = world.slowing.limit, world.now
    while world.slowing.limit < 10:
        took = 0.1 / world.slowing.limit  # so many at once end so much more often
        world.now += took
        world.slowing.note(world.now, 0.0, bad=False)

    assert (1, True) == (low, world.now - since < 30)
