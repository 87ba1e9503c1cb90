"""How many starts a minute a target is given, by everything in this process that uses it.

Attempts outside of backfills go first; backfills together use at most what is not reserved for those, one after the
other: whoever has started goes to the end of the queue.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from backfilld.clock import Clock
from backfilld.engine.starting.pace import Pace

GRACE_SECONDS = 1.0  # so long is somebody's turn kept for him
SOON_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class BudgetTerms:
    """What the configuration says of a target: what it is made of, and how much it is given."""

    name: str
    origins: frozenset[str]
    starts_per_minute: float
    reserve_for_live: float


class TargetBudget:
    """`wait` asks, and keeps a place in the queue; `take` is the start itself."""

    def __init__(self, terms: BudgetTerms, clock: Clock) -> None:
        self._clock = clock
        self._all = Pace(clock, terms.starts_per_minute)
        self._backfills = Pace(clock, terms.starts_per_minute)
        self._claims: OrderedDict[Hashable, float] = OrderedDict()  # of live attempts, each until when
        self._queue: OrderedDict[Hashable, float] = OrderedDict()  # of backfills, with when each has asked last
        self._due_at = 0.0  # when a backfill could start last, as far as the pace goes
        self.put(terms)

    def __repr__(self) -> str:
        return f"<budget of {self.terms.name}, {self._all!r}, {len(self._queue)} wait>"

    def put(self, terms: BudgetTerms) -> None:
        """Newer terms; what was started counts."""
        self.terms = terms
        self._all.per_minute = terms.starts_per_minute
        self._backfills.per_minute = terms.starts_per_minute * (1 - terms.reserve_for_live)

    def count(self, last_start: float | None, last_of_backfills: float | None) -> None:
        """What started at one of the origins before it was ours, in boot time; None: nothing."""
        self._all.count(last_start)
        self._backfills.count(last_of_backfills)

    @property
    def waiting(self) -> int:
        """How many backfills have asked, and not started since."""
        return len(self._queue)

    def wait(self, user: Hashable, *, live: bool = False) -> float:
        """Seconds until `user` should ask again; 0: it may start."""
        now = self._clock.boottime()
        self._claims = OrderedDict((one, until) for one, until in self._claims.items() if until > now)
        if live:
            seconds = self._all.wait()
            self._claims[user] = now + seconds + GRACE_SECONDS
            return seconds or (0.0 if next(iter(self._claims)) == user else SOON_SECONDS)
        self._queue[user] = now
        seconds = self._seconds()
        if seconds:
            self._due_at = now + seconds
            return seconds
        self._drop_absent(now)
        return 0.0 if not self._claims and next(iter(self._queue)) == user else SOON_SECONDS

    def _seconds(self) -> float:
        return max(self._all.wait(), self._backfills.wait())

    def _drop_absent(self, now: float) -> None:
        """Whoever was to start, and has not asked again since he could, has lost his place."""
        if now - self._due_at < GRACE_SECONDS:
            return
        while (head := next(iter(self._queue.items()), None)) and now - head[1] >= GRACE_SECONDS:
            del self._queue[head[0]]

    def leave(self, user: Hashable) -> None:
        """A backfill wants nothing any more."""
        self._queue.pop(user, None)

    def is_short(self, *, live: bool) -> bool:
        """True if nothing may start now."""
        return (self._all.wait() if live else self._seconds()) > 0

    def take(self, user: Hashable, *, live: bool) -> None:
        """It starts."""
        self._all.take()
        self._claims.pop(user, None)
        if not live:
            self._backfills.take()
            self._queue.pop(user, None)
            self._due_at = self._clock.boottime() + self._seconds()


class TargetBudgets:
    """Those of the configuration."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_name: dict[str, TargetBudget] = {}

    def put(self, wanted: list[BudgetTerms]) -> None:
        """These, and no others, from now on."""
        kept = self._by_name
        self._by_name = {}
        for terms in wanted:
            budget = kept.get(terms.name) or TargetBudget(terms, self._clock)
            budget.put(terms)
            self._by_name[terms.name] = budget

    def of(self, origin: str) -> TargetBudget | None:
        """The budget of which `origin` is a part."""
        return next((one for one in self._by_name.values() if origin in one.terms.origins), None)
