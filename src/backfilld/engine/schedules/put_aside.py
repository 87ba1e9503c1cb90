"""Schedules that could not be fired, and that are left alone for a while, so that the others are fired.

They keep their due times. How long that lasts is counted in boot time: a wall clock that was wrong when it happened, or
that jumps meanwhile, neither loses a schedule for years nor has it looked at without end.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from backfilld.clock import Clock

LASTS = timedelta(hours=1)


class PutAside:
    """Of this process; after a start everything is looked at once more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[int, tuple[datetime, float]] = {}

    def put(self, schedule_id: int, due_at: datetime) -> None:
        """Leave it alone, unless it becomes due at another time: somebody has changed it then."""
        self._found[schedule_id] = (due_at, self._clock.boottime() + LASTS.total_seconds())

    def now(self) -> Mapping[int, datetime]:
        """Those that are left alone now, and the time at which each is due."""
        present = self._clock.boottime()
        self._found = {id: kept for id, kept in self._found.items() if kept[1] > present}
        return {id: due_at for id, (due_at, _) in self._found.items()}
