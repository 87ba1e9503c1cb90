"""Small frozen facts, and the bus that carries them to whoever listens.

The engine and the operations say what happened; log lines, counters and tests listen. A listener
must be quick and may not fail the one who speaks.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Anything that happened."""


@dataclass(frozen=True, slots=True)
class StatusChanged(Event):
    """A backfill moved, or has another reason for standing still."""

    backfill_id: UUID
    workflow: str
    status: str
    reason: str | None
    message: str | None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class BackfillCreated(Event):
    backfill_id: UUID
    workflow: str
    entity_type: str | None
    by: str


@dataclass(frozen=True, slots=True)
class PlanFrozen(Event):
    backfill_id: UUID
    workflow: str
    total: int
    skipped: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TryEnded(Event):
    """One execution is over. `kind` is a VerdictKind, `seconds` how long its slot was held.

    `outcome` is how the item ended, None if it is to be tried again or held. `backfill_id` is None for an attempt that
    no backfill made.
    """

    backfill_id: UUID | None
    workflow: str
    target: str
    kind: str
    error_class: str | None
    seconds: float
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class OutcomesRecorded(Event):
    """A commit of the recorder: how many outcomes and retries it carried, and how long it took."""

    outcomes: int
    retries: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RecorderFailed(Event):
    """A commit could not be made (or its result is not known); it is tried again."""

    error: str
    unrecorded: int


@dataclass(frozen=True, slots=True)
class BreakerMoved(Event):
    """A target became unreachable, is being probed, refuses us, or is well again."""

    target: str
    state: str  # open, half_open, closed, refusing
    why: str | None


@dataclass(frozen=True, slots=True)
class LeaseTaken(Event):
    backfill_id: UUID
    fence: int
    clean: bool  # False: the last owner did not give it back in order


@dataclass(frozen=True, slots=True)
class LeaseLost(Event):
    backfill_id: UUID
    fence: int


@dataclass(frozen=True, slots=True)
class ItemInterrupted(Event):
    """An item stood alone in flight when its process died."""

    backfill_id: UUID
    entity_id: str
    times: int


@dataclass(frozen=True, slots=True)
class AttemptEnded(Event):
    """An attempt that no backfill made is finished."""

    attempt_id: int
    workflow: str
    session_time: datetime
    status: str  # succeeded, failed, skipped, cancelled


@dataclass(frozen=True, slots=True)
class AttemptInterrupted(Event):
    """An attempt that no backfill made was in flight when its process died."""

    attempt_id: int
    workflow: str
    times: int


@dataclass(frozen=True, slots=True)
class BackfillExpired(Event):
    """A backfill ended so long ago that it was deleted; its rows go in the background."""

    backfill_id: UUID
    workflow: str


@dataclass(frozen=True, slots=True)
class RowsRemoved(Event):
    """Rows went in the background: of the ledger of one deleted backfill, or of the audit log."""

    what: str  # ledger, audit
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SessionFired(Event):
    """The tick of a schedule made an attempt; `attempt_id` None: that session had one already."""

    schedule_id: int
    workflow: str
    session_time: datetime
    attempt_id: int | None


@dataclass(frozen=True, slots=True)
class SlotsLeftOut(Event):
    """The tick of a schedule left slots out: they were too late, or the one before was still running."""

    schedule_id: int
    workflow: str
    session_time: datetime  # the first of them
    slots: int
    why: str  # delayed, overtime


@dataclass(frozen=True, slots=True)
class SchedulePostponed(Event):
    """A schedule could not fire, keeps its slot, and is looked at again."""

    schedule_id: int
    workflow: str
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class DatabaseLost(Event):
    error: str


@dataclass(frozen=True, slots=True)
class DatabaseBack(Event):
    seconds: float


Listener = Callable[[Event], None]


class Bus:
    """Hands each event to every listener, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with every event from now on."""
        self._listeners.append(listener)

    def tell(self, event: Event) -> None:
        """Hand `event` on. A listener that fails is logged and does not hurt the others."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed on %s", type(event).__name__)
