"""How often somebody may ask: at most so many requests in any 60 seconds, in memory that does not grow.

Requests are counted per second. A second counts until the last instant of it is a minute old, so the limit holds for
every 60 seconds, wherever they begin, at the price of being up to a second too strict.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass

from backfilld.clock import Clock

WINDOW_SECONDS = 60
_MOST_REMEMBERED = 10_000  # callers or addresses; the one that was silent longest is forgotten first


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left for a caller; `reset_seconds` until one more request fits (0 while some remain)."""

    limit: int
    remaining: int
    reset_seconds: float
    exceeded: bool = False

    def headers(self) -> dict[str, str]:
        """As the headers of an answer; seconds are rounded up."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(-int(-self.reset_seconds // 1)),
        }


class SlidingMinute:
    """The requests of one caller in the last minute: at most 61 pairs of (second, count)."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts: deque[list[int]] = deque()
        self._total = 0

    def count(self, now: float) -> int:
        """How many were counted in the minute that ends now."""
        while self._counts and self._counts[0][0] + 1 + WINDOW_SECONDS <= now:
            self._total -= self._counts.popleft()[1]
        return self._total

    def add(self, now: float) -> None:
        second = int(now)
        if self._counts and self._counts[-1][0] >= second:
            self._counts[-1][1] += 1
        else:
            self._counts.append([second, 1])
        self._total += 1

    def frees_in(self, now: float) -> float:
        """Seconds until the oldest that still counts no longer does."""
        return self._counts[0][0] + 1 + WINDOW_SECONDS - now if self._counts else 0.0


class Limiter:
    """One SlidingMinute for each of many names."""

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._clock = clock
        self._limit = per_minute
        self._minutes: OrderedDict[str, SlidingMinute] = OrderedDict()

    def take(self, name: str) -> Quota:
        """Count one more for `name`, unless the limit is reached; then nothing is counted and `exceeded` is true."""
        now = self._clock.monotonic()
        minute = self._minute(name)
        if minute.count(now) >= self._limit:
            return Quota(self._limit, 0, minute.frees_in(now), exceeded=True)
        minute.add(now)
        remaining = self._limit - minute.count(now)
        return Quota(self._limit, remaining, 0.0 if remaining else minute.frees_in(now))

    def _minute(self, name: str) -> SlidingMinute:
        minute = self._minutes.get(name)
        if minute is None:
            minute = self._minutes[name] = SlidingMinute()
            if len(self._minutes) > _MOST_REMEMBERED:
                self._minutes.popitem(last=False)
        else:
            self._minutes.move_to_end(name)
        return minute
