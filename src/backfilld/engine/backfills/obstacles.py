"""What stands in the way of one backfill at this moment, as its owner knows it.

Some of it is too short-lived to be written down, and some concerns the process; both are told from memory, also while
the database is away.
"""

from collections.abc import Callable, Iterable

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.owner.sharing import Neighbour, Sharing
from backfilld.domain.backfills.owner.word import OwnersWord
from backfilld.domain.backfills.states import STARTABLE, Status
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.running.recovery import Recovery
from backfilld.engine.backfills.running.worker import Worker
from backfilld.engine.backfills.shortage import shortage


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

    def neighbour(self) -> Neighbour:
        """What it has of what all share."""
        gate, entity_type = self._run.gate, self._run.backfill.settings.entity_type
        budget = gate.health.origin.budget
        return Neighbour(
            self._run.backfill.settings.name or self._run.backfill.workflow_name,
            len(gate.in_flight),
            gate.health.origin.target,
            None if budget is None else budget.terms.name,
            None if entity_type is None else self._tools.sources.connection_of(entity_type),
        )

    def word(self, others: Iterable["Obstacles"]) -> OwnersWord:
        """What another daemon is to tell of it. Others are named where a sentence may name them: that costs most."""
        hold, reasons, me = self.hold(), self.all(), self.neighbour()
        names_others = hold is not None or reasons or me.budget is not None or me.connection is not None
        sharing = self.sharing(others if names_others else ())
        return OwnersWord(hold, reasons, sharing.shared())

    def sharing(self, others: Iterable["Obstacles"]) -> Sharing:
        """What it shares with the `others` of this process."""
        capacity, gate = self._tools.capacity, self._run.gate
        slowing = gate.slowing
        return Sharing(
            capacity.in_use + capacity.live,
            capacity.total,
            self.neighbour(),
            [other.neighbour() for other in others],
            capacity.live,
            None if slowing is None else slowing.slowed(),
            gate.turn_at(),
        )
