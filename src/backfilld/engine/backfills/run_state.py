"""What the memory knows of one backfill that the database does not know yet.

Positions that were read and have no outcome (they hold the low-water mark down), items that ended and
are not recorded (they are bounded), retries that are taken (their rows are still there), and how fast
it goes. Everything here may be lost at any instant; recovery needs none of it.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime

from backfilld.clock import Clock
from backfilld.domain.backfills.records import Outcome, Try
from backfilld.engine.backfills.limits.own_limits import OwnLimits
from backfilld.engine.starting.hand_out import HandOut
from backfilld.engine.starting.leases import Lease
from backfilld.store.backfills.leases import Grant
from backfilld.store.ledger.entries import Checkpoint, EndedItem, TriedItem

RATE_HALF_LIFE_SECONDS = 20.0
ENOUGH_FOR_A_PACE = 20  # ended items; fewer may have come together by chance


class RunState:
    """Kept by a runner, written by its reader and by the recorder."""

    def __init__(
        self,
        lease: Lease[Grant],
        clock: Clock,
        *,
        mark: int,
        max_unrecorded: int,
        throughput: float,
        hand_out: HandOut | None = None,
        of_sessions: bool = False,
        limits: OwnLimits | None = None,
    ) -> None:
        self.lease = lease
        self.limits = limits
        self.backfill_number: int = lease.key
        self.of_sessions = of_sessions
        self.hand_out = hand_out or HandOut()
        self._clock = clock
        self._max_unrecorded = max_unrecorded
        self._room_meanwhile = most_room = max_unrecorded - max_unrecorded // 2  # for what ends during a commit
        self._commits_from = max_unrecorded - most_room
        self._outstanding: OrderedDict[int, None] = OrderedDict()
        self.next_position = mark  # the first that the reader has not read yet
        self.taken: set[int] = set()  # positions whose retry row must not be read: queued, in flight, unrecorded
        self.cut_off: set[int] = set()  # positions of what was started, and is not waited for any more
        self.unrecorded = 0
        self.recorded = asyncio.Event()  # set after every commit that concerned us
        self.hand_out.on_move = self.recorded.set
        self.hand_out.unrecorded = lambda: self.unrecorded
        self.next_retry_at: datetime | None = None
        self.retries_known = False  # whether next_retry_at says all there is to know
        self._rate = throughput
        self._rate_at = clock.monotonic()
        self._since_rate = 0

    @property
    def has_room(self) -> bool:
        """True while another item may start without more than the bound being unrecorded."""
        return self.unrecorded < self._max_unrecorded

    def may_hand_out(self) -> bool:
        """True if the next of the plan may start; False: the limit has to move first, of which `recorded` tells."""
        hand_out = self.hand_out
        if hand_out.handed < hand_out.limit:
            return True
        hand_out.refuse()
        return False

    @property
    def wants_commit(self) -> bool:
        """True once a commit has to begin, so that there is room for what ends while it lasts."""
        return self.unrecorded >= self._commits_from

    def read(self, position: int) -> None:
        """A position was read from the plan; it holds the mark down until it goes into a commit."""
        self._outstanding[position] = None

    def counts_with(self, lines: Iterable[EndedItem | TriedItem]) -> str | None:
        """What is counted of failures once a commit has carried these alone of all that gathered."""
        return None if self.limits is None else self.limits.kept_with(_outcomes(lines))

    def count_anew(self, lines: Iterable[EndedItem | TriedItem]) -> None:
        """What was recorded is not what was counted. `lines`: those that are not recorded yet."""
        if self.limits is not None:
            self.limits.count_anew(_outcomes(lines))

    def ended(self, position: int, *, finally_: bool) -> None:
        """A try ended, and waits to be recorded; `finally_`: with an outcome."""
        self.unrecorded += 1
        self.taken.add(position)  # its retry row may be there before we hear of the commit, if we ever do
        self._since_rate += finally_

    def batched(self, position: int) -> None:
        """The position goes into the commit that is being put together now."""
        self._outstanding.pop(position, None)

    def written(self, entries: int) -> None:
        """A commit carried so many of ours (or they were dropped with the lease)."""
        sufficed = self.has_room
        self.unrecorded -= entries
        self._leave_room(sufficed=sufficed)
        self.recorded.set()

    def _leave_room(self, *, sufficed: bool) -> None:
        """As much as was used by what ended during the last commits; between a tenth and a half of all there is."""
        most, room = self._max_unrecorded, self._room_meanwhile
        wanted = (room + self.unrecorded) // 2 if sufficed else max(self.unrecorded, room * 3 // 2)
        self._room_meanwhile = min(most - most // 2, max(-(-most // 10), wanted))
        self._commits_from = most - self._room_meanwhile

    async def wait(self, changed: asyncio.Event, until: datetime | None) -> None:
        """Return at `until`, when something has changed, or been recorded: a commit changes what there is to do."""
        if not self.unrecorded:
            await self._clock.wait(changed, until=until)
            return
        self.recorded.clear()
        waiting = asyncio.ensure_future(self.recorded.wait())
        # a wait that only ended may not wake the next one, which would then never sleep
        waiting.add_done_callback(lambda done: None if done.cancelled() else changed.set())
        try:
            await self._clock.wait(changed, until=until)
        finally:
            waiting.cancel()

    def note_retry(self, due_at: datetime) -> None:
        """A retry row was written that falls due then."""
        if self.next_retry_at is None or due_at < self.next_retry_at:
            self.next_retry_at = due_at

    @property
    def may_have_retry_due(self) -> bool:
        """True if one is to be looked for before anything else starts."""
        due_at = self.next_retry_at
        return not self.retries_known or (due_at is not None and due_at <= self._clock.now())

    def low_water_mark(self) -> int:
        """Every smaller position has an outcome or a retry row once the present commit has happened."""
        return next(iter(self._outstanding), self.next_position)

    def throughput(self) -> float:
        """Items a second, lately: an average whose weight halves every 20 s."""
        now = self._clock.monotonic()
        seconds = now - self._rate_at
        if seconds >= 1.0:
            weight = math.exp2(-seconds / RATE_HALF_LIFE_SECONDS) if self._rate else 0.0
            self._rate = self._rate * weight + (self._since_rate / seconds) * (1 - weight)
            self._rate_at, self._since_rate = now, 0
        return self._rate

    def pace(self) -> float:
        """Items a second for whoever reads ahead, known as soon as some have ended: the average needs a second."""
        average = self.throughput()  # begins to count anew when it moves
        seconds = self._clock.monotonic() - self._rate_at
        if self._since_rate < ENOUGH_FOR_A_PACE or seconds <= 0:
            return average
        return max(average, self._since_rate / seconds)

    def standing(self) -> Checkpoint:
        """What the next commit says of this backfill as a whole."""
        hand_out = self.hand_out
        hand_out.adapt()
        limit = hand_out.next_limit(self.lease.in_flight())
        counts = None if self.limits is None else self.limits.kept()
        return Checkpoint(
            self.backfill_number, self.lease.fence, self.low_water_mark(), self.throughput(), limit, counts
        )


def _outcomes(lines: Iterable[EndedItem | TriedItem]) -> list[Outcome]:
    return [line.outcome for line in lines if isinstance(line, EndedItem)]


def entry_of(account: RunState, position: int, result: Outcome | Try, *, had_retry: bool) -> EndedItem | TriedItem:
    """The line of the ledger that a result becomes."""
    if isinstance(result, Outcome):
        return EndedItem(account.backfill_number, position, result, had_retry, account.of_sessions)
    return TriedItem(account.backfill_number, position, result, account.of_sessions)
