"""Schedules that are due while no more attempts may be unfinished.

They keep their due times, and so their order: whichever waits longest fires as soon as there is room. Each is looked at
once nevertheless, since its options may leave the slot out. However long it lasts and whoever waits, it is told once.
"""

from collections.abc import Mapping
from datetime import datetime

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.events import SchedulesGoOn, SchedulesWait
from backfilld.store.connection.pool import Connection
from backfilld.store.schedules.firing import count_crowd


class Room:
    """For how many more attempts there is room. Counted once in a transaction: nobody else adds one until it ends."""

    def __init__(self, connection: Connection, most_unfinished: int) -> None:
        self._connection = connection
        self._most = most_unfinished
        self._left: int | None = None

    async def is_left(self) -> bool:
        """False: the next one has to wait."""
        if self._left is None:
            self._left = self._most - await count_crowd(self._connection, self._most)
        return self._left > 0

    def taken(self) -> None:
        """One more was added."""
        if self._left is not None:
            self._left -= 1


class FullHouse:
    """What this process knows of a time in which there is no room, and of those who wait."""

    def __init__(self, clock: Clock, bus: Bus, *, most_unfinished: int) -> None:
        self.most = most_unfinished
        self._clock = clock
        self._bus = bus
        self._since: float | None = None
        self._seen: dict[int, datetime] = {}

    @property
    def is_full(self) -> bool:
        """True from the first schedule that found no room until none waits."""
        return self._since is not None

    @property
    def seen(self) -> Mapping[int, datetime]:
        """The schedules that were looked at in vain, and the time at which each was due."""
        return self._seen

    def waits(self, schedule_id: int, due_at: datetime) -> None:
        """A schedule found no room."""
        self._seen[schedule_id] = due_at
        if self._since is None:
            self._since = self._clock.monotonic()
            self._bus.tell(SchedulesWait(self.most))

    def moved(self, schedule_id: int) -> None:
        """A schedule went on, and is to be looked at when it is due again."""
        self._seen.pop(schedule_id, None)

    def nobody_waits(self) -> None:
        """Nothing is due any more."""
        self._seen.clear()
        if self._since is not None:
            self._bus.tell(SchedulesGoOn(round(self._clock.monotonic() - self._since, 3)))
            self._since = None
