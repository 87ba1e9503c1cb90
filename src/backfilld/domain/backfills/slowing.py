"""As many at once as the target takes well: fewer when it grows slow, one more when it has been quick for a while.

A limit that follows the target's own latency, from what has just been tried. It begins at one and doubles until the
first sign of trouble, so that a new start does not hurt; from then on it is halved at trouble and grows one by one.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil

from backfilld.domain.backfill_settings import SlowDown

ROUNDING = 1e-6  # of the difference of two times
EASY = 0.8  # so far below the limit it has to be, for more
SHARES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Slowed:
    """How it stands, for people: `limit` of at most so many, and what the target takes for that share of tries."""

    limit: int
    most: int
    seconds: float | None  # None: nothing is known yet
    terms: SlowDown


class Slowing:
    """Of one backfill, under one lease. Times are monotonic seconds."""

    def __init__(self, terms: SlowDown, most: int) -> None:
        self.limit = 1
        self._terms = terms
        self._most = most
        self._doubles = True  # until the first trouble
        self._changed_at = 0.0
        self._took: deque[float] = deque(maxlen=terms.over)  # of those that began since the limit was changed
        self._known: float | None = None

    def obey(self, terms: SlowDown, most: int) -> None:
        """Newer settings are in force; the limit stays, as far as they allow."""
        if terms != self._terms:
            self._terms = terms
            self._took = deque(maxlen=terms.over)
        self._most = most
        self.limit = min(self.limit, most)

    def slowed(self) -> Slowed:
        """How it stands."""
        return Slowed(min(self.limit, self._most), self._most, self._known, self._terms)

    def note(self, now: float, seconds: float, *, bad: bool) -> bool:
        """A try has ended that took so long; `bad`: it counts as too slow in any case. True if the limit changes.

        What had begun under another limit says nothing of this one.
        """
        if now - seconds < self._changed_at - ROUNDING:
            return False
        bound = self._terms.latency_ms / 1000
        self._took.append(max(seconds, 2 * bound) if bad else seconds)
        slow = sum(took > bound for took in self._took)
        if slow > self._allowed:
            return self._set(max(1, self.limit // 2), now, trouble=True)
        if len(self._took) < self._terms.over:
            return False
        self._known = self._percentile()
        if self._known >= EASY * bound:
            return False
        return self._set(2 * self.limit if self._doubles else self.limit + 1, now, trouble=False)

    @property
    def _allowed(self) -> int:
        """So many of a whole window may be slower than the limit, and the percentile is still within it."""
        return self._terms.over - ceil(SHARES[self._terms.of] * self._terms.over)

    def _percentile(self) -> float:
        took = sorted(self._took)
        return took[max(ceil(SHARES[self._terms.of] * len(took)), 1) - 1]

    def _set(self, limit: int, now: float, *, trouble: bool) -> bool:
        if trouble:
            self._doubles = False
        self._known = self._percentile()
        before, self.limit = self.limit, min(limit, self._most)
        self._took.clear()
        self._changed_at = now
        return self.limit != before
