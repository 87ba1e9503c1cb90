"""The short way from one item to the next in the same slot.

The worker's loop looks at everything that may stand in the way of a start, and makes a task for it. Nearly always
nothing does, and the next item has been read already; then the slot that has just come free goes on with it at once.
Nothing is decided here, and the only thing that is waited for is a commit: where anything else is out of the ordinary
there is no next item, the task ends, and the worker looks itself. Whether an item may start is asked at the gate, as
always.
"""

from backfilld.domain.backfills.records import Backfill, Item
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.backfills.running.plan_reader import PlanReader
from backfilld.engine.backfills.running.recovery import Recovery
from backfilld.engine.backfills.running.slots import Slots


class FastPath:
    """The items of one backfill that follow each other without a detour."""

    def __init__(self, run: Run, account: RunState, reader: PlanReader, recovery: Recovery, slots: Slots) -> None:
        self._gate = run.gate
        self._origin = run.gate.health.origin
        self._account = account
        self._reader = reader
        self._recovery = recovery
        self._slots = slots
        self._places = run.places
        self._capacity = run.places.capacity
        self._recorder = run.context.recorder
        self._seen: Backfill | None = None  # the settings that were looked at last
        self._is_plain = False
        self._limit = 0

    async def next(self) -> Item | None:
        """The item that may follow; None: let the worker look."""
        gate, account = self._gate, self._account
        if not (account.has_room and account.hand_out.has_room):
            while not (account.has_room and account.may_hand_out()):
                if self._capacity.waiting:
                    return None  # for a place, which is not to stand idle
                await self._recorder.room_for(account)
        if gate.backfill is not self._seen:
            self._seen = gate.backfill
            self._is_plain = _is_plain(gate.backfill)
            self._limit = gate.backfill.settings.max_in_flight
            self._reader.obey(gate.backfill)
        if not self._is_plain or account.may_have_retry_due:
            return None
        if (
            self._limit != self._slots.limit
            or self._slots.are_owed
            or (self._capacity.waiting and self._places.is_owed)
            or gate.opens_slowly
            or self._recovery.holds_others
            or self._origin.budget is not None
        ):
            return None
        return self._reader.take_read()


def _is_plain(backfill: Backfill) -> bool:
    """True if an item can start without a word about it, and none waits for the one before it, or for its turn."""
    says_running = backfill.status is Status.RUNNING and backfill.wake_at is None
    is_held = backfill.reason is not None and backfill.reason.code is not ReasonCode.RECOVERING
    is_paced = backfill.settings.starts_per_minute is not None or backfill.settings.slow_down is not None
    return says_running and not is_held and not backfill.is_schedule and not is_paced
