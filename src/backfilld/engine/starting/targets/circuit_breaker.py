"""A breaker: open after a fault, and then asked by one probe at a time, ever more rarely, until one is answered."""

from datetime import datetime
from typing import Literal

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.engine.starting.targets.boot_deadline import BootDeadline
from backfilld.events import BreakerMoved

BreakerState = Literal["closed", "open", "half_open"]


class Breaker:
    """Decisions go by boot time: a stepped wall clock neither closes nor opens anything."""

    def __init__(
        self,
        clock: Clock,
        bus: Bus,
        *,
        code: ReasonCode,
        target: str,
        label: str,
        opened_as: str,
        first_seconds: float,
        rarest_seconds: float,
    ) -> None:
        """`code` and `target` are for the reason that it gives, `label` and `opened_as` for the event of each move."""
        self._clock = clock
        self._bus = bus
        self._code = code
        self._target = target
        self._label = label
        self._opened_as = opened_as
        self._rarest = rarest_seconds
        self._first = first_seconds
        self._wait = 0.0
        self._since = clock.now()  # when the fault began, for whoever was the first to notice
        self._problem: str | None = None
        self.last_problem: str | None = None  # also once it is over
        self.probe_at = BootDeadline(clock)
        self.is_open = False
        self.is_probing = False

    def __repr__(self) -> str:
        state = "closed" if not self.is_open else "probing" if self.is_probing else f"open until {self.probe_at.told}"
        return f"<breaker of {self._label}, {state}>"

    @property
    def holds(self) -> bool:
        """True while not even a probe may start."""
        return self.is_open and (self.is_probing or self.probe_at.is_to_come)

    @property
    def wants_probe(self) -> bool:
        """True if one may start now. A try that ends now and never came to a start was it: no connection, no secret."""
        return self.is_open and not self.is_probing and not self.probe_at.is_to_come

    @property
    def state(self) -> BreakerState:
        """Whether anything may start: all, nothing, or one probe."""
        return "closed" if not self.is_open else "open" if self.probe_at.is_to_come else "half_open"

    @property
    def since(self) -> datetime:
        """When the fault began, as far as is known."""
        return self._since

    def reason(self, until: datetime | None = None) -> Reason:
        """Why it is open; `until` None: it is being probed."""
        return because(self._code, since=self._since, until=until, target=self._target, problem=self._problem)

    def open(self, problem: str | None, since: datetime, *, first_seconds: float | None = None) -> None:
        """The fault is there, or is there still. `since`: when it began, if this is the first that is heard of it."""
        first = self._first if first_seconds is None else first_seconds
        self._since = self._since if self.is_open else since
        self._wait = min(max(first, self._wait * 2), self._rarest) if self.is_open else first
        self.probe_at.move(self._clock.boottime() + self._wait)
        self.is_open, self.is_probing, self._problem = True, False, problem
        self.last_problem = problem
        self._tell(self._opened_as)

    def suspect(self, reason: Reason) -> None:
        """What was said before this process began holds until a probe tells otherwise; one may start at once."""
        self.is_open, self._since = True, reason.since
        self._problem = self.last_problem = (reason.facts or {}).get("problem")

    def probe(self) -> None:
        """One starts."""
        self.is_probing = True
        self._tell("half_open")

    def ask_now(self) -> None:
        """A probe may start at once, if none is out."""
        if self.is_open and not self.is_probing:
            self.probe_at.move(self._clock.boottime())

    def abandon(self) -> None:
        """The probe told nothing; the next one may start."""
        self.is_probing = False

    def close(self) -> None:
        """All is well again."""
        was_open = self.is_open
        self.is_open, self.is_probing, self._problem, self._wait = False, False, None, 0.0
        if was_open:
            self._bus.tell(BreakerMoved(self._label, "closed", None))

    def _tell(self, state: str) -> None:
        self._bus.tell(BreakerMoved(self._label, state, self.reason().message))
