"""What a stop waits for, told while it waits: to systemd always, to the log if the database keeps it from its end."""

import structlog

from backfilld.clock import Clock
from backfilld.engine.attempts.claimer import CUT_OFF_SECONDS, Claimer
from backfilld.engine.backfills.recorder import Recorder
from backfilld.systemd import Notifier

log = structlog.get_logger(__name__)

TELLS_EVERY_SECONDS = 5.0


class StopReport:
    """Of a stop that began now, and after `grace_seconds` cuts off what is in flight."""

    def __init__(
        self, recorder: Recorder, live: Claimer, notifier: Notifier, clock: Clock, grace_seconds: float
    ) -> None:
        self._recorder = recorder
        self._live = live
        self._notifier = notifier
        self._clock = clock
        self._ends_at = clock.monotonic() + grace_seconds + CUT_OFF_SECONDS

    async def follow(self) -> None:
        """Tell again and again until cancelled."""
        while True:
            self.tell()
            await self._clock.sleep(TELLS_EVERY_SECONDS)

    def tell(self) -> None:
        """Tell how it stands."""
        left = max(0, round(self._ends_at - self._clock.monotonic()))
        unwritten, problem = self._unwritten()
        if problem is None:
            self._notifier.status(f"letting work in flight finish; {left} s left")
            return
        self._notifier.status(f"stopping: {unwritten} outcomes cannot be written; {left} s left")
        log.warning("outcomes cannot be written", outcomes=unwritten, seconds_left=left, problem=repr(problem))

    def ended(self) -> None:
        """The stop is over, whatever could not be done."""
        unwritten, problem = self._unwritten()
        if problem is not None and unwritten:
            log.error(
                "outcomes were not written", outcomes=unwritten, problem=repr(problem),
                advice="their items are started again at the next start, under the same keys",
            )  # fmt: skip

    def _unwritten(self) -> tuple[int, Exception | None]:
        """How many ends, of items and of attempts, wait for a database that does not take them; and what it says."""
        items = self._recorder.unrecorded if self._recorder.obstacle else 0
        attempts = self._live.unfinished if self._live.obstacle else 0
        return items + attempts, self._recorder.obstacle or self._live.obstacle
