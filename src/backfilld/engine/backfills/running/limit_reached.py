"""A backfill that has reached a limit of its own is paused, as soon as what led to it is recorded.

The commit is the authority: whoever carries it on after a kill finds the limit reached there, and pauses it before
anything starts. What is in flight finishes.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.states import STARTABLE, ReasonCode, Status
from backfilld.engine.backfills.limits.credit_budget import amount
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.run_state import RunState

LOOKS_AGAIN = timedelta(milliseconds=500)
LIMITS: Final = frozenset({ReasonCode.TOO_MANY_FAILURES, ReasonCode.BUDGET_EXHAUSTED})


class LimitReached:
    """Of one backfill, whose gate has been closed by itself."""

    def __init__(self, run: Run, account: RunState) -> None:
        self._run = run
        self._account = account
        self._standing = run.status_writer
        self._tools = run.context

    async def leaves(self, reason: Reason) -> bool:
        """Pause, once everything that has ended is recorded. True, and nothing of that, if there is nothing to stop."""
        await self._tools.recorder.flush(self._account)
        self._run.lease.check()
        number, in_flight = self._run.backfill.number, len(self._run.gate.in_flight)
        progress = await self._standing.patiently(lambda: self._tools.backfills.get_progress(number))
        left = progress.planned - progress.processed - progress.cancelled
        if left > in_flight:
            await self._pause(reason, left)
        elif in_flight:  # nothing else is left; it may have to be tried again
            await self._account.wait(self._run.gate.changed, self._tools.clock.now() + LOOKS_AGAIN)
        return left == 0

    async def _pause(self, reason: Reason, left: int) -> None:
        reached(Point.LIMIT_BEFORE_PAUSE)
        if reason.code is ReasonCode.TOO_MANY_FAILURES:
            reason = await self._with_most_common(reason)
        else:
            facts = dict(reason.facts or {})
            more = Decimal(str(facts["needs"])) * left - Decimal(str(facts["left"]))
            reason = because(reason.code, since=reason.since, **facts, more=amount(more) if more > 0 else None)
        await self._standing.move(Status.PAUSED, reason, expected=STARTABLE)
        reached(Point.LIMIT_AFTER_PAUSE)

    async def _with_most_common(self, reason: Reason) -> Reason:
        number, facts = self._run.backfill.number, dict(reason.facts or {})
        found = await self._standing.patiently(lambda: self._tools.ledger.most_common_failure(number, facts["failed"]))
        if found is None:
            return reason
        facts |= {"common": found[0], "common_count": found[1]}
        return because(reason.code, since=reason.since, **facts)
