"""What the whole process may have in flight, given out in the order of arrival."""

import asyncio

from tests.support.clock import settle

from backfilld.engine.starting.capacity import Capacity


class Visitor:
    """Takes a place and keeps it until told to leave."""

    def __init__(self, capacity: Capacity) -> None:
        self.inside = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(capacity))

    async def _visit(self, capacity: Capacity) -> None:
        async with capacity.place():
            self.inside = True
            await self.leave.wait()
            self.inside = False


async def visitors(capacity: Capacity, count: int) -> list[Visitor]:
    made = [Visitor(capacity) for _ in range(count)]
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
