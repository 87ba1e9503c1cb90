"""How often a server may be asked, by everybody in this daemon together."""

import asyncio
from collections import deque

from backfilld.clock import Clock

SPAN_SECONDS = 60.0


class Pace:
    """Requests in any 60 s, and at once. Whoever waits is served in the order of coming."""

    def __init__(self, requests_per_minute: int, max_concurrent: int, clock: Clock) -> None:
        self._most = requests_per_minute
        self._clock = clock
        self._places = asyncio.Semaphore(max_concurrent)
        self._turn = asyncio.Lock()
        self._asked: deque[float] = deque()

    async def take(self) -> None:
        """Return when one may be sent; call `give_back` when it has ended."""
        await self._places.acquire()
        try:
            async with self._turn:
                while (wait := self._wait()) > 0:
                    await self._clock.sleep(wait)
                self._asked.append(self._clock.monotonic())
        except BaseException:
            self._places.release()
            raise

    def give_back(self, *, unused: bool = False) -> None:
        """It has ended. `unused`: it was never sent, so it does not count."""
        if unused and self._asked:
            self._asked.pop()
        self._places.release()

    def _wait(self) -> float:
        now = self._clock.monotonic()
        while self._asked and self._asked[0] <= now - SPAN_SECONDS:
            self._asked.popleft()
        return self._asked[0] + SPAN_SECONDS - now if len(self._asked) >= self._most else 0.0
