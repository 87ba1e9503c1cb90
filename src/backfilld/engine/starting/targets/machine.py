"""Whether this machine has what a start needs: descriptors, processes, memory.

What it lacks, all that is started lacks, whatever the target. So everything holds for a moment, and no try is counted.
"""

from datetime import datetime

from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Reason, because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.engine.starting.targets.boot_deadline import BootDeadline

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 10.0
SAME_SHORTAGE_SECONDS = 5.0  # so soon after a pause it is the same one still


class Machine:
    """One for the whole process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = BootDeadline(clock)
        self._pause = 0.0
        self._since: datetime | None = None
        self.was_short = False  # asked before every start: while it never was there is nothing to ask for
        self._problem: str | None = None

    def note_shortage(self, problem: str | None, at: datetime) -> None:
        """Something could not be started for want of room."""
        if self._until.is_to_come:
            return  # it was on its way when the pause began
        now = self._clock.boottime()
        if self._since is not None and now - self._until.at < SAME_SHORTAGE_SECONDS:
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            self._pause, self._since = FIRST_PAUSE_SECONDS, at
        self._problem = problem
        self.was_short = True
        self._until.move(now + self._pause)

    def reason(self) -> Reason | None:
        """Why nothing may start now; None if something may."""
        if self._since is None or not self._until.is_to_come:
            return None
        return because(
            ReasonCode.WAITING_FOR_CAPACITY,
            since=self._since,
            until=self._until.told,
            case="machine",
            problem=self._problem,
        )
