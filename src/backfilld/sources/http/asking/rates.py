"""Who asks an API, and how often it was asked in a rolling span of time."""

from collections import Counter, deque
from enum import IntEnum

SHARE = 5  # of so many requests at most one is a look, and at most one of a plan that waits for approval


class Purpose(IntEnum):
    """Who asks, in the order of service."""

    LET_IN = -1  # for what every other request needs first: a token, or where the system is
    LOOK = 0
    READ = 1
    WRITE = 2
    PLAN = 3
    EARLY_PLAN = 4  # of a backfill that waits for approval, outside its windows perhaps


SHARED = frozenset({Purpose.LOOK, Purpose.EARLY_PLAN})


class Rate:
    """One rolling span."""

    def __init__(self, seconds: float, most: int) -> None:
        self.seconds, self.most = seconds, most
        self.share = max(1, most // SHARE)
        self._asked: deque[tuple[float, int]] = deque()  # when, and for whom
        self._by_purpose: Counter[int] = Counter()

    def used(self, now: float) -> int:
        asked = self._asked
        while asked and asked[0][0] <= now - self.seconds:
            self._by_purpose[asked.popleft()[1]] -= 1
        return len(asked)

    def free_at(self, now: float, purpose: Purpose | None, requests: int = 1) -> float:
        """When so many more may be sent; `now` at the latest if they may be at once."""
        used = self.used(now)
        if purpose in SHARED and self._by_purpose[int(purpose)] >= self.share:
            first = next(at for at, whose in self._asked if whose == purpose)
            return max(first + self.seconds, now)
        over = used + min(requests, self.most) - self.most
        return now if over <= 0 else self._asked[over - 1][0] + self.seconds

    def add(self, at: float, purpose: Purpose) -> None:
        self._asked.append((at, int(purpose)))
        self._by_purpose[int(purpose)] += 1

    def take_back(self, requests: int = 1) -> None:
        """The last ones that wrote were never sent."""
        for place in range(len(self._asked) - 1, -1, -1):
            if requests and self._asked[place][1] == Purpose.WRITE:
                del self._asked[place]
                self._by_purpose[int(Purpose.WRITE)] -= 1
                requests -= 1

    def restore(self, at: float, requests: int) -> None:
        """Of what was asked before all that is known, the latest last."""
        self._asked = deque(sorted([*self._asked, *[(at, int(Purpose.PLAN))] * requests]))
        self._by_purpose[int(Purpose.PLAN)] += requests
