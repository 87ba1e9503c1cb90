"""How much the whole process may have in flight, whatever the backfills allow together.

First come, first served: every backfill has at most one free slot's worth of items waiting here per slot,
so a big one cannot starve the others. A reserve stays free for live attempts, those that no backfill carries; they take
places of backfills as well, if nobody waits for these.
"""

import asyncio
from collections.abc import Callable


class Capacity:
    """`total` places for items of backfills, and `reserve` more for live attempts only."""

    def __init__(self, total: int, reserve: int = 0) -> None:
        self.total = total
        self._reserved = reserve
        self.live = 0
        self._places = asyncio.Semaphore(total)
        self.waiting = 0
        self.in_use = 0

    def place(self) -> "Place":
        """For `async with`: hold one place for the length of the block; waits in order of arrival."""
        return Place(self)

    async def take(self) -> None:
        """Take a place, when it is our turn."""
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1
        self.in_use += 1

    def give_back(self) -> None:
        """What `take` took."""
        self.in_use -= 1
        self._places.release()

    def take_live(self) -> Callable[[], None] | None:
        """A place for a live attempt, to be given back by calling what is returned; None if there is none now."""
        if self._reserved:
            self._reserved -= 1
            self.live += 1
            return self._give_back_reserved
        if self._places.locked():
            return None
        take_free(self._places)
        self.live += 1
        return self._give_back_shared

    def _give_back_reserved(self) -> None:
        self._reserved += 1
        self.live -= 1

    def _give_back_shared(self) -> None:
        self._places.release()
        self.live -= 1

    @property
    def is_full(self) -> bool:
        return self._places.locked()


class Place:
    """A place of a `Capacity`, held for the length of a block. A class: made with every try, a generator costs more."""

    __slots__ = ("_capacity",)

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity

    async def __aenter__(self) -> None:
        await self._capacity.take()

    async def __aexit__(self, *_: object) -> None:
        self._capacity.give_back()


def take_free(places: asyncio.Semaphore) -> None:
    """Take a place that nobody holds. Without waiters and unlocked, acquiring never suspends."""
    coroutine = places.acquire()
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise AssertionError("an unlocked semaphore made us wait")
