"""Runs of backfills that ended on an exception which nobody foresaw.

It may be a passing one, so the backfill is run again after a pause; where it comes again and again, that backfill is
given up. All others, and the daemon, go on.
"""

from dataclasses import dataclass

from backfilld.clock import Clock
from backfilld.engine.starting.internal_errors import in_words

PAUSES_SECONDS = (1.0, 5.0, 0.0)  # after the first, after the second; the third is the last
MOST_RUNS = len(PAUSES_SECONDS)
LONG_PAUSE_SECONDS = 60.0  # where even giving up did not work


@dataclass(slots=True)
class _Failed:
    runs: int
    until: float  # boot time
    why: str


class FailedRuns:
    """Those in a row, of each backfill that this process runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[int, _Failed] = {}

    def note(self, number: int, problem: BaseException) -> None:
        """Another run of it ended like that."""
        runs = 1 + (self._failed[number].runs if number in self._failed else 0)
        pause = PAUSES_SECONDS[runs - 1] if runs <= MOST_RUNS else LONG_PAUSE_SECONDS
        self._failed[number] = _Failed(runs, self._clock.boottime() + pause, in_words(problem))

    def forget(self, number: int) -> None:
        """A run of it ended as it should, or it has been given up."""
        self._failed.pop(number, None)

    @property
    def has_any(self) -> bool:
        """True while one of them is to be run again, or to be given up."""
        return bool(self._failed)

    def rests(self, number: int) -> bool:
        """True during the pause."""
        return number in self._failed and self._clock.boottime() < self._failed[number].until

    def why_given_up(self, number: int) -> str | None:
        """What the last run ended on, of one that is not to be run any more; None for all others."""
        failed = self._failed.get(number)
        return failed.why if failed is not None and failed.runs >= MOST_RUNS else None
