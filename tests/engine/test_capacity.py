"""What the whole process may have in flight: given out in the order of arrival, and where all is taken by shares."""

import asyncio

from tests.support.clock import settle

from backfilld.engine.starting.capacity import Capacity, Share


class Visitor:
    """Takes a place and keeps it until told to leave."""

    def __init__(self, share: Share) -> None:
        self.inside = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(share))

    async def _visit(self, share: Share) -> None:
        async with share:
            self.inside = True
            await self.leave.wait()
            self.inside = False


async def visitors(capacity: Capacity, count: int) -> list[Visitor]:
    made = [Visitor(capacity.share("https://t.example")) for _ in range(count)]
    await settle()
    return made


async def close(everybody: list[Visitor]) -> None:
    for visitor in everybody:
        visitor.task.cancel()
    await asyncio.gather(*(visitor.task for visitor in everybody), return_exceptions=True)


async def test_no_more_than_the_total_are_inside():
    capacity = Capacity(3)
    everybody = await visitors(capacity, 5)

    assert [True, True, True, False, False] == [visitor.inside for visitor in everybody]
    assert (True, 2) == (capacity.is_full, capacity.waiting)
    await close(everybody)


async def test_whoever_came_first_gets_in_first():
    capacity = Capacity(1)
    everybody = await visitors(capacity, 4)
    order = []
    for _ in everybody:
        inside = [n for n, visitor in enumerate(everybody) if visitor.inside]
        order += inside
        everybody[inside[0]].leave.set()
        await settle()

    assert [0, 1, 2, 3] == order


async def test_whoever_gives_up_waiting_takes_no_place_along():
    capacity = Capacity(1)
    first, second, third = await visitors(capacity, 3)
    await close([second])
    first.leave.set()
    await settle()

    assert third.inside
    assert 0 == capacity.waiting
    await close([third])
    assert not capacity.is_full


async def test_whoever_is_cut_off_inside_leaves_a_free_place():
    capacity = Capacity(1)
    await close(await visitors(capacity, 1))
    (late,) = await visitors(capacity, 1)

    assert late.inside
    await close([late])


class Slow:
    """A backfill whose items take as long as a test wants; each that ends is followed by another at once."""

    def __init__(self, capacity: Capacity, slots: int, target: str = "https://t.example") -> None:
        self.share = capacity.share(target)
        self.ends: list[asyncio.Event] = []
        self.tasks = [asyncio.create_task(self._slot()) for _ in range(slots)]

    async def _slot(self) -> None:
        while True:
            async with self.share:
                self.ends.append(asyncio.Event())
                await self.ends[-1].wait()

    async def end_one(self) -> None:
        self.ends.pop(0).set()
        await settle()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_a_backfill_that_comes_to_taken_places_gets_its_share_as_items_end():
    capacity = Capacity(100)
    slow = [Slow(capacity, 10) for _ in range(10)]
    await settle()
    quick = Slow(capacity, 10)
    await settle()
    for one in (slow * 2)[:20]:
        await one.end_one()
    held = [one.share.held for one in (*slow, quick)]

    assert 100 == sum(held) == capacity.in_use
    assert {9, 10} == set(held)
    for one in (*slow, quick):
        await one.close()
    assert (0, 0, False) == (capacity.in_use, capacity.waiting, capacity.is_full)


async def test_a_target_with_few_backfills_is_no_worse_off_than_one_with_many():
    capacity = Capacity(20)
    slow = [Slow(capacity, 10, "https://slow.example") for _ in range(2)]
    await settle()
    quick = Slow(capacity, 50, "https://quick.example")
    await settle()
    for one in slow * 10:
        await one.end_one()

    assert [5, 5, 10] == [one.share.held for one in (*slow, quick)]
    for one in (*slow, quick):
        await one.close()


async def test_a_share_that_nobody_uses_is_lent_and_comes_back():
    capacity = Capacity(10)
    greedy = Slow(capacity, 50)
    await settle()
    lent = greedy.share.held
    late = Slow(capacity, 3)
    await settle()
    for _ in range(6):
        await greedy.end_one()

    assert (10, 7, 3) == (lent, greedy.share.held, late.share.held)
    for one in (greedy, late):
        await one.close()


async def test_a_place_that_is_handed_to_somebody_who_is_cut_off_in_that_moment_goes_on():
    capacity = Capacity(1)
    first, second, third = await visitors(capacity, 3)
    first.leave.set()
    await asyncio.sleep(0)  # it leaves, and the second is told; nobody has run since
    second.task.cancel()
    await settle()

    assert (True, 0) == (third.inside, capacity.waiting)
    await close([third])
    assert (0, False) == (capacity.in_use, capacity.is_full)
