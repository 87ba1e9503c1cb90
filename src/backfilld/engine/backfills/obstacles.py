"""What stands in the way of one backfill at this moment, as its owner knows it.

Some of it is too short-lived to be written down, and some concerns the process; both are told from memory, also while
the database is away.
"""

from collections.abc import Callable
from dataclasses import dataclass

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.slowing import Slowed
from backfilld.domain.backfills.states import STARTABLE, Status
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.running.recovery import Recovery
from backfilld.engine.backfills.running.worker import Worker
from backfilld.engine.backfills.shortage import shortage


@dataclass(frozen=True, slots=True)
class Sharing:
    """Places of this process that are taken, and how many there are; and how many others use the same target."""

    places_in_use: int
    places: int
    others_at_target: int
    target_starts_per_minute: float | None = None  # its budget; None: it has none
    slowed: Slowed | None = None  # how it follows the latency of its target, if it does


class Obstacles:
    """Asked by whoever shows the backfill. `worker`: who starts its items now, if somebody does."""

    def __init__(self, run: Run, recovery: Recovery, worker: Callable[[], Worker | None]) -> None:
        self._run = run
        self._tools = run.context
        self._recovery = recovery
        self._worker = worker
        self._hold: Reason | None = None

    def hold(self) -> Reason | None:
        """Why nothing starts at this moment."""
        now, backfill = self._tools.clock.now(), self._run.backfill
        refusal = self._run.gate.refusal(now) if backfill.status in STARTABLE else None
        reason = None if refusal is None else refusal.reason
        if reason is None and backfill.status in (Status.RUNNING, Status.PLANNING):
            reason = shortage(self._run, self._worker() is not None, now)
        if reason is None and backfill.status is Status.RUNNING:
            reason = self._recovery.reason()
        self._hold = None if reason is None else reason.lasting(self._hold, backfill.reason)
        return self._hold

    def all(self) -> list[Reason]:
        """All that keeps something from starting, in the order of the gate."""
        now, worker = self._tools.clock.now(), self._worker()
        found = list(self._run.gate.reasons(now)) if self._run.backfill.status in STARTABLE else []
        hold = None if worker is None else worker.source_hold
        return [
            reason
            for reason in (*found, hold, shortage(self._run, self._worker() is not None, now))
            if reason is not None
        ]

    def sharing(self) -> Sharing:
        """What it shares with others of this process."""
        capacity, users = self._tools.capacity, self._run.gate.health.origin.users
        budget = self._run.gate.health.origin.budget
        rate = None if budget is None else budget.terms.starts_per_minute
        slowing = self._run.gate.slowing
        slowed = None if slowing is None else slowing.slowed()
        return Sharing(capacity.in_use + capacity.live, capacity.total, max(0, len(users) - 1), rate, slowed)
