"""How often a connection may be asked, by everybody together.

An API that other tools use, too, is asked at most so often an hour and a minute, and by so many at once. Whoever wants
to ask waits here a moment for a place; where that would take longer, it is told until when, and waits somewhere where
people see it. A request counts from the moment it is sent, and holds its place until it has ended at the other side.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from backfilld.clock import Clock
from backfilld.sources.base import SourceBusy
from backfilld.sources.http.asking.rates import Purpose, Rate

PATIENCE_SECONDS = 2.0  # a wait of up to this long is nobody's business
FIRST_BACKOFF, LONGEST_BACKOFF = 30.0, 600.0
CALM_SECONDS = 60.0  # so long after the last 429 the next one begins anew
THREAD_PAUSE, THREAD_CAUTION = 5.0, 60.0
ROOM_SECONDS = 30.0  # so long after they might have been spent room is left for requests of others


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """`rates`: seconds → so many requests in any such span."""

    rates: Mapping[float, int] = field(default_factory=dict)
    max_concurrent: int = 4
    max_per_endpoint: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What people are shown: of the tightest limit, how much of it is used, and until when nothing can be asked."""

    limit: int | None
    used: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Spent:
    """Of `most` requests in any `seconds`, so many."""

    seconds: float
    most: int
    used: int


class Budget:
    """The limits of one connection, and who waits for them. One for a whole process."""

    def __init__(self, name: str, limits: BudgetLimits, clock: Clock) -> None:
        self._name = name
        self._limits = limits
        self._clock = clock
        self._rates = [Rate(seconds, most) for seconds, most in sorted(limits.rates.items())]
        self._in_use: Counter[str] = Counter()
        self._queue: list[tuple[int, int, str]] = []
        self._tickets = count()
        self._changed = asyncio.Event()
        self._closed_until = 0.0
        self._closed_why = ""
        self._backoff = 0.0
        self._refused_at = -CALM_SECONDS
        self._threads: dict[str, tuple[float, float]] = {}  # endpoint → asked again at, one less until
        self._wanted = (0, 0.0)  # so many requests wait to be spent, until then
        self._held: dict[Purpose, tuple[float, str]] = {}
        self._minutes: Counter[datetime] = Counter()

    @asynccontextmanager
    async def place(self, purpose: Purpose, endpoint: str) -> AsyncIterator[None]:
        """The right to send one request, once it is given. SourceBusy where that would take long."""
        await self._given(purpose, endpoint)
        try:
            yield
        finally:
            self.give_back(endpoint)

    async def take(self, purpose: Purpose, endpoint: str) -> None:
        """As `place`, to be given back with `give_back`."""
        await self._given(purpose, endpoint)

    def give_back(self, endpoint: str, *, unused: bool = False) -> None:
        """A request has ended, here and there. `unused`: it was never sent, so it does not count."""
        self._in_use[endpoint] -= 1
        if unused:
            self.unspend(1)
        self._wake()

    def spend(self, requests: int) -> None:
        """Count requests that somebody else is about to send for us; SourceBusy where that is too many for now.

        Whoever plans leaves room for them meanwhile, or they would never fit in.
        """
        now = self._clock.monotonic()
        free_at, why = self._free_at(Purpose.WRITE, "", now, requests)
        if free_at > now:
            self._wanted = (requests, free_at + ROOM_SECONDS)
            raise SourceBusy(f"{self._name}: {why}", until=self._instant(free_at))
        self._wanted = (0, 0.0)
        self._count(Purpose.WRITE, requests)

    def unspend(self, requests: int) -> None:
        """They were never sent, so they do not count."""
        minute = self._clock.now().replace(second=0, microsecond=0)
        self._minutes.subtract({minute: min(requests, self._minutes[minute])})
        for rate in self._rates:
            rate.take_back(requests)
        self._wake()

    def throttled(self, seconds: float | None, why: str) -> datetime:
        """The other side says that we ask too often: nobody asks before the time that is returned."""
        now = self._clock.monotonic()
        if seconds is None:
            calm = now - self._refused_at > max(CALM_SECONDS, 2 * self._backoff)
            self._backoff = FIRST_BACKOFF if calm else min(max(self._backoff * 2, FIRST_BACKOFF), LONGEST_BACKOFF)
            seconds = self._backoff
        self._refused_at = now + seconds
        self._close(now + seconds, why)
        return self._instant(self._closed_until)

    def crowded(self, endpoint: str) -> datetime:
        """The other side has too many of our requests of one endpoint at once."""
        now = self._clock.monotonic()
        self._threads[endpoint] = (now + THREAD_PAUSE, now + THREAD_CAUTION)
        return self._instant(now + THREAD_PAUSE)

    def hold(self, purpose: Purpose, seconds: float, why: str) -> None:
        """Nothing of this purpose for so long; 0: at once again."""
        self._held[purpose] = (self._clock.monotonic() + seconds, why)

    def usage(self) -> Usage:
        """How it stands at this moment."""
        now = self._clock.monotonic()
        tightest = min(self._rates, key=lambda rate: rate.most - rate.used(now), default=None)
        free_at = max([self._closed_until, *(rate.free_at(now, None) for rate in self._rates)])
        return Usage(
            None if tightest is None else tightest.most,
            0 if tightest is None else tightest.used(now),
            self._instant(free_at) if free_at > now else None,
        )

    def spent(self) -> list[Spent]:
        """Each limit with what is used of it now, the shortest span first."""
        now = self._clock.monotonic()
        return [Spent(rate.seconds, rate.most, rate.used(now)) for rate in self._rates]

    def seconds_for(self, requests: int) -> float:
        """How long so many take at the least; 0 without limits."""
        return max((requests / rate.most * rate.seconds for rate in self._rates), default=0.0)

    def asked_since_written(self) -> dict[datetime, int]:
        """Requests by the minute that are not written down yet."""
        return {minute: requests for minute, requests in self._minutes.items() if requests}

    def was_written(self, minutes: Mapping[datetime, int]) -> None:
        """These are."""
        self._minutes.subtract(minutes)
        self._minutes = +self._minutes

    def restore(self, minutes: Mapping[datetime, int]) -> None:
        """Count what was asked before a restart; of each minute as late as it may have been."""
        now, wall = self._clock.monotonic(), self._clock.now()
        for minute, requests in sorted(minutes.items()):
            ago = max((wall - minute - timedelta(minutes=1)).total_seconds(), 0.0)
            for rate in self._rates:
                if ago < rate.seconds:
                    rate.restore(now - ago, requests)

    async def _given(self, purpose: Purpose, endpoint: str) -> None:
        ticket = (int(purpose), next(self._tickets), endpoint)
        self._queue.append(ticket)
        try:
            while True:
                now = self._clock.monotonic()
                free_at, why = self._free_at(purpose, endpoint, now)
                if free_at - now > PATIENCE_SECONDS:
                    raise SourceBusy(f"{self._name}: {why}", until=self._instant(free_at))
                if free_at <= now and self._has_room(endpoint, now) and self._is_next(ticket, now):
                    break
                await self._wait(free_at - now if free_at > now else None)
        finally:
            self._queue.remove(ticket)
            self._wake()
        self._in_use[endpoint] += 1
        self._count(purpose, 1)

    def _count(self, purpose: Purpose, requests: int) -> None:
        at = self._clock.monotonic()
        for rate in self._rates:
            for _ in range(requests):
                rate.add(at, purpose)
        self._minutes[self._clock.now().replace(second=0, microsecond=0)] += requests

    def _free_at(self, purpose: Purpose, endpoint: str, now: float, requests: int = 1) -> tuple[float, str]:
        """When the rates, and whatever else holds us up, let us ask; and why not before."""
        waits = [(self._closed_until, self._closed_why)]
        waits.append((self._threads.get(endpoint, (0.0, 0.0))[0], "too many of our requests ran there at once"))
        waits.append(self._held.get(purpose, (0.0, "")))
        for rate in self._rates:
            span = "an hour" if rate.seconds == 3600 else "a minute" if rate.seconds == 60 else f"{rate.seconds:g} s"
            told = f"the {rate.most:,} requests {span} that it may take are used up"
            waits.append((rate.free_at(now, purpose, requests + self._room_for(purpose, now)), told))
        return max(waits, key=lambda wait: wait[0])

    def _room_for(self, purpose: Purpose, now: float) -> int:
        """How many requests whoever plans leaves to those that wait to be spent."""
        requests, until = self._wanted
        return requests if purpose > Purpose.WRITE and now < until else 0

    def _has_room(self, endpoint: str, now: float) -> bool:
        if self._in_use.total() >= self._limits.max_concurrent:
            return False
        most = self._limits.max_per_endpoint or self._limits.max_concurrent
        if self._threads.get(endpoint, (0.0, 0.0))[1] > now:
            most = max(1, most - 1)
        return self._in_use[endpoint] < most

    def _is_next(self, ticket: tuple[int, int, str], now: float) -> bool:
        """Nobody who comes first in the order of service could go in our place."""
        return not any(
            other < ticket
            and self._has_room(other[2], now)
            and self._free_at(Purpose(other[0]), other[2], now)[0] <= now
            for other in self._queue
        )

    async def _wait(self, seconds: float | None) -> None:
        changed = self._changed
        until = self._clock.now() + timedelta(seconds=PATIENCE_SECONDS if seconds is None else seconds)
        await self._clock.wait(changed, until=until)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _close(self, until: float, why: str) -> None:
        if until > self._closed_until:
            self._closed_until, self._closed_why = until, why

    def _instant(self, monotonic: float) -> datetime:
        return self._clock.now() + timedelta(seconds=monotonic - self._clock.monotonic())
