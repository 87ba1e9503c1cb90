"""A clock that stands still until a test moves it, so that hours pass in milliseconds and time can be an adversary."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

from backfilld.clock import LONGEST_WAIT_SECONDS

NOON = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)  # a Monday, far from any change of clocks
PASSES = 25  # turns of the loop that woken tasks get before the time goes on; those that await I/O may need more


class FakeClock:
    """`backfilld.clock.Clock`, moved by `advance`, `set` and `suspend`."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now
        self._monotonic = 1_000.0
        self._boottime = 5_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def boottime(self) -> float:
        return self._boottime

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (self._monotonic + seconds, next(self._order), woken)
        heapq.heappush(self._sleepers, sleeper)
        try:
            await woken
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

    async def wait(self, event: asyncio.Event, *, until: datetime | None = None) -> bool:
        seconds = LONGEST_WAIT_SECONDS
        if until is not None:
            seconds = min(seconds, max(0.0, (until - self._now).total_seconds()))
        if event.is_set():
            return True
        racers = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.sleep(seconds))}
        try:
            await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for racer in racers:
                racer.cancel()
            await asyncio.gather(*racers, return_exceptions=True)
        return event.is_set()

    async def advance(self, by: timedelta | float) -> None:
        """Let time pass (a bare number is seconds): sleepers are woken in their order, each at its time."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        target = self._monotonic + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, woken = heapq.heappop(self._sleepers)
            self._pass(due - self._monotonic)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self._pass(target - self._monotonic)
        await settle()

    def set(self, instant: datetime) -> None:
        """Step the wall clock alone, back or forth, as an administrator or NTP does. Nobody is woken."""
        self._now = instant

    def suspend(self, by: timedelta) -> None:
        """The machine slept: wall and boot time went on, monotonic time stood still. Nobody is woken."""
        self._now += by
        self._boottime += by.total_seconds()

    @property
    def sleepers(self) -> int:
        """How many wait for the time to pass."""
        return len(self._sleepers)

    @property
    def next_wake(self) -> float | None:
        """Seconds until the first of them is woken; None if nobody sleeps."""
        return self._sleepers[0][0] - self._monotonic if self._sleepers else None

    def _pass(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
        self._boottime += seconds


async def settle(passes: int = PASSES) -> None:
    """Give every task that can run without I/O its turn."""
    for _ in range(passes):
        await asyncio.sleep(0)
