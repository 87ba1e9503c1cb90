"""What a backfill has set itself a limit to: how much may fail, what it may spend, how fast it starts.

Made out of what is committed, with every opening of the account; from then on it goes with the memory of the owner, in
the order in which the recorder takes outcomes over, so that the gate is closed at once and not with the next commit.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

from backfilld.clock import Clock
from backfilld.domain.backfill_settings import BackfillSettings, FailurePolicy
from backfilld.domain.backfills.failures.failure_counts import FailureCounts
from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.records import Backfill, Item, Outcome
from backfilld.domain.backfills.states import ReasonCode
from backfilld.engine.backfills.gate import Gate
from backfilld.engine.backfills.limits.credit_budget import CreditBudget
from backfilld.engine.starting.pace import Pace
from backfilld.engine.starting.start_gate import Refusal
from backfilld.executors.base import NotPermitted
from backfilld.store.ledger.recovery import Opening


class OwnLimits:
    """Of one backfill. It is asked by the gate only while there is something to ask."""

    def __init__(self, gate: Gate, clock: Clock, opening: Opening) -> None:
        self._gate = gate
        self._clock = clock
        self._committed = opening.failure_counts
        self._counts = self._read_with(())
        self._tripped: Refusal | None = None
        self._budget = CreditBudget(
            gate.backfill, gate.in_flight, used=opening.credits_used, highest=opening.highest_credits
        )
        self._pace: Pace | None = None
        self.obey(gate.backfill)
        gate.on_change, gate.turn_at = self.obey, self.turn_at

    def obey(self, backfill: Backfill) -> None:
        """Put newer settings in force: what was counted so far is held against them at once."""
        policy, accepted = _policy_of(backfill.settings), backfill.failures_accepted
        if policy is None:
            self._counts = None
        elif self._counts is None:
            self._counts = FailureCounts(policy, accepted)
        else:
            self._counts = self._counts.under(policy, accepted)
            self._counts.judge()
        cap, rate = backfill.settings.max_credits, backfill.settings.starts_per_minute
        self._budget.cap = None if cap is None else Decimal(str(cap))
        if rate is None:
            self._pace = None
        elif self._pace is None:
            self._pace = Pace(self._clock, rate, last=self._gate.last_start)
        else:
            self._pace.per_minute = rate
        self._gate.on_admit = None if cap is None and rate is None else self._admit
        self._look()

    def note(self, outcome: Outcome) -> None:
        """An item has ended, and goes to the recorder."""
        if outcome.credits is not None:
            self._budget.spent(outcome.credits)
        counts = self._counts
        if counts is not None and counts.note(outcome.status):
            self._look()

    @property
    def is_paced(self) -> bool:
        """Whether starts have to wait for their turn."""
        return self._pace is not None

    def turn_at(self) -> datetime | None:
        """When the next may start; None: now, as far as the pace goes."""
        return None if self._pace is None else self._pace.next_at()

    def _admit(self, item: Item) -> None:
        if self._pace is not None:
            if self._pace.wait():
                raise NotPermitted("its turn has not come")
            self._pace.take()
        self._budget.reserve(item)

    def _look(self) -> None:
        trip = None if self._counts is None else self._counts.trip
        if trip is None:
            self._tripped = None
        elif self._tripped is None:
            reason = because(ReasonCode.TOO_MANY_FAILURES, since=self._clock.now(), **asdict(trip))
            self._tripped = Refusal.of(reason)
        self._gate.limit = None if self._tripped is None and self._budget.cap is None else self._refusal
        self._gate.changed.set()

    def _refusal(self, at: datetime) -> Refusal | None:
        return self._tripped or self._budget.refusal(at)

    # What is kept

    def kept(self) -> str | None:
        """The counts as the next commit writes them; None: nothing is counted."""
        return None if self._counts is None else self._counts.kept()

    def kept_with(self, outcomes: Iterable[Outcome]) -> str | None:
        """The same, for a commit that carries these alone of all that have ended since the last one."""
        counts = self._read_with(outcomes)
        return None if counts is None else counts.kept()

    def committed(self, kept: str | None) -> None:
        """A commit wrote that."""
        self._committed = kept or self._committed

    def count_anew(self, outcomes: Iterable[Outcome]) -> None:
        """What is committed is not what was counted; `outcomes` are those that are not in it yet."""
        self._counts = self._read_with(outcomes)
        self._look()

    def _read_with(self, outcomes: Iterable[Outcome]) -> FailureCounts | None:
        backfill = self._gate.backfill
        policy = _policy_of(backfill.settings)
        if policy is None:
            return None
        counts = FailureCounts.read(self._committed, policy, backfill.failures_accepted)
        for outcome in outcomes:
            counts.note(outcome.status)
        return counts


def _policy_of(settings: BackfillSettings) -> FailurePolicy | None:
    policy = settings.failure_policy
    return policy if policy is not None and policy.enabled else None
