"""What a backfill over sessions must look at before each start, and after each kill.

In a serial chain a session is due when the one before it has no unfinished attempt, whoever made that; what was killed
is ended at once, wherever it stands; and where failures shall stop the rest, one of them does.
"""

import asyncio
import contextlib
from datetime import datetime, timedelta

from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.records import Item
from backfilld.domain.backfills.states import STARTABLE, ReasonCode, Status
from backfilld.engine.backfills.run import Run
from backfilld.engine.starting.leases import LeaseGone

WAITS_FOR_OTHERS = timedelta(seconds=1)  # an attempt of somebody else ends without a word to us


class Chain:
    """Of one backfill; for one over entities it has nothing to say."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._standing = run.status_writer
        self._lease = run.lease
        self._tools = run.context
        self.killed: set[int] = set()  # ended by us, or about to be
        self._telling: set[asyncio.Task[None]] = set()
        if run.backfill.is_schedule:
            run.gate.on_start = self.started

    @property
    def is_serial(self) -> bool:
        """One session after the other, retries included."""
        return self._run.backfill.is_chain

    @property
    def wants_all_recorded(self) -> bool:
        """Whether what comes next depends on what became of everything before it."""
        return self.is_serial or self._run.backfill.settings.stop_on_failure

    async def is_due(self, item: Item) -> bool:
        """False: the session before it has an attempt that is not finished."""
        if not self.is_serial or item.position == 0:
            return True
        items, number = self._tools.session_items, self._run.backfill.number
        return await self._standing.patiently(lambda: items.is_free(number, item.position))

    async def say_waiting(self) -> None:
        """Say that the chain waits for somebody else's attempt."""
        now = self._tools.clock.now()
        await self._standing.stand_still(because(ReasonCode.WAITING_FOR_RETRY, since=now, case="others"))

    async def stops(self) -> bool:
        """Pause if a failure shall stop the rest. True if it did, or if somebody else moved the backfill meanwhile."""
        backfill = self._run.backfill
        if not backfill.settings.stop_on_failure:
            return False
        progress = await self._standing.patiently(lambda: self._tools.backfills.get_progress(backfill.number))
        if progress.failed <= backfill.failures_accepted:
            return False
        failed = progress.failed - backfill.failures_accepted
        reason = because(ReasonCode.TOO_MANY_FAILURES, since=self._tools.clock.now(), case="sessions", failed=failed)
        await self._standing.move(Status.PAUSED, reason, expected=STARTABLE)
        return True

    async def newly_killed(self) -> set[int]:
        """Positions that somebody wants to end, and of which nobody has told us yet."""
        if not self._run.backfill.is_schedule:
            return set()
        items, number = self._tools.session_items, self._run.backfill.number
        found = await self._standing.patiently(lambda: items.list_killed(number))
        new = found - self.killed
        self.killed |= new
        return new

    def started(self, item: Item) -> None:
        """A session has just passed the gate: tell those who look, in the background."""
        task = asyncio.create_task(self._tell(item, self._tools.clock.now()))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, item: Item, at: datetime) -> None:
        items, number, fence = self._tools.session_items, self._run.backfill.number, self._lease.fence
        with contextlib.suppress(LeaseGone):
            await self._standing.patiently(lambda: items.note_running(number, fence, item, at))

    async def settle(self) -> None:
        """Return once everything that started has been told."""
        if self._telling:
            await asyncio.wait(self._telling)
