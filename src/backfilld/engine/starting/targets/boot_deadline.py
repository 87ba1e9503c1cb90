"""A moment to wait for, by the clock that nobody steps."""

from datetime import datetime, timedelta

from backfilld.clock import Clock

SAME_MOMENT = timedelta(seconds=1)  # a wall clock that moved by less is no reason to tell another time


class BootDeadline:
    """An instant of boot time, and how people read it: the same words until the wall clock is stepped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.at = 0.0
        self._told: datetime | None = None

    def move(self, at: float) -> None:
        """It comes at boot time `at`."""
        self.at, self._told = at, None

    @property
    def is_to_come(self) -> bool:
        return self.at > 0 and self._clock.boottime() < self.at

    @property
    def told(self) -> datetime:
        """The moment as wall time."""
        wall = self._clock.now() + timedelta(seconds=self.at - self._clock.boottime())
        if self._told is None or abs(wall - self._told) > SAME_MOMENT:
            self._told = wall
        return self._told
