"""How much the whole process may have in flight, whatever the backfills allow together.

First come, first served: every backfill has at most one free slot's worth of items waiting here per slot,
so a big one cannot starve the others. A reserve stays free for attempts that schedules fire.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Capacity:
    """`total` places for items of backfills."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._places = asyncio.Semaphore(total)
        self.waiting = 0
        self.in_use = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one place for the length of the block; waits in order of arrival."""
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1
        self.in_use += 1
        try:
            yield
        finally:
            self.in_use -= 1
            self._places.release()

    @property
    def is_full(self) -> bool:
        return self._places.locked()
