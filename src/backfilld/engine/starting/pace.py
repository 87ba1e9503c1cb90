"""Starts that lie at least so far apart, one at a time."""

from datetime import datetime, timedelta

from backfilld.clock import Clock

MINUTE = 60.0


class Pace:
    """At most so many starts a minute, and none saved up: in any 60 s at most one more than that, rounded up.

    Goes by boot time, from the `last` start on. A process that has just begun may start one at once.
    """

    def __init__(self, clock: Clock, per_minute: float, *, last: float | None = None) -> None:
        self._clock = clock
        self._last = last
        self.per_minute = per_minute

    def __repr__(self) -> str:
        return f"<{self.per_minute:g} a minute, the next in {self.wait():.3f} s>"

    def wait(self) -> float:
        """Seconds until one may start; 0: now. A changed pace counts from the last start."""
        if self._last is None:
            return 0.0
        return max(0.0, self._last + MINUTE / self.per_minute - self._clock.boottime())

    def next_at(self) -> datetime | None:
        """When that is, by the wall clock; None: now."""
        seconds = self.wait()
        return self._clock.now() + timedelta(seconds=seconds) if seconds > 0 else None

    def take(self) -> None:
        """One starts."""
        self._last = self._clock.boottime()

    def count(self, start: float | None) -> None:
        """One has started at that boot time, of which nobody may have told us."""
        if start is not None and (self._last is None or self._last < start):
            self._last = start
