"""How fast runs are started: no faster than the configuration says, and slower while the namespace asks for that.

A namespace that throttles does not say how much it bears. So the pace is halved, at most once a second, and grows
again by a tenth of the limit each second in which nothing was throttled.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

HALVED_EVERY_SECONDS = 1.0
SLOWEST = 1.0  # starts a second
BURST_SECONDS = 0.1


class StartPace:
    """Turns, one after the other. `slow_down` is for whoever was throttled."""

    def __init__(
        self,
        per_second: float,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self._limit = per_second
        self._rate = per_second
        self._monotonic = monotonic
        self._sleep = sleep
        self._next = 0.0
        self._changed_at = 0.0

    @property
    def rate(self) -> float:
        """Starts a second at this moment."""
        grown = self._limit / 10 * (self._monotonic() - self._changed_at)
        return min(self._limit, self._rate + grown)

    async def turn(self) -> None:
        """Return when it is our turn."""
        now = self._monotonic()
        at = max(self._next, now - BURST_SECONDS)
        self._next = at + 1 / self.rate
        if at > now:
            await self._sleep(at - now)

    def slow_down(self) -> None:
        """The namespace has had enough."""
        now = self._monotonic()
        if now - self._changed_at >= HALVED_EVERY_SECONDS or self._rate == self._limit:
            self._rate, self._changed_at = max(min(SLOWEST, self._limit), self.rate / 2), now
