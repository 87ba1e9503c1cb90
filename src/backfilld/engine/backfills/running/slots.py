"""At most so many at once, changeable while it runs.

An `asyncio.Semaphore` cannot be made smaller. When the limit is lowered below what is in flight, the
places that come free are kept back until the new limit is reached; nothing in flight is disturbed.
"""

import asyncio


class Slots:
    """`limit` places. Acquire one before a task is made, release it when the item has ended."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._free = asyncio.Semaphore(limit)
        self._owed = 0  # places to keep back when they come free

    async def acquire(self) -> None:
        """Wait for a place and take it."""
        await self._free.acquire()

    def release(self) -> None:
        """Give a place back."""
        if self._owed:
            self._owed -= 1
        else:
            self._free.release()

    @property
    def are_owed(self) -> bool:
        """True while more are taken than the limit allows: whoever has one gives it back."""
        return self._owed > 0

    def resize(self, limit: int) -> None:
        """Allow `limit` from now on."""
        change = limit - self.limit
        self.limit = limit
        for _ in range(change):
            self.release()
        for _ in range(-change):
            self._owed += 1
        while self._owed and not self._free.locked():
            take_free(self._free)
            self._owed -= 1


def take_free(places: asyncio.Semaphore) -> None:
    """Take a place that nobody holds. Without waiters and unlocked, acquiring never suspends."""
    coroutine = places.acquire()
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise AssertionError("an unlocked semaphore made us wait")
