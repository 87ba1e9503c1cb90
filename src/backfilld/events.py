"""Small frozen facts, and the bus that carries them to whoever listens.

The engine and the operations say what happened; log lines, counters and tests listen. A listener
must be quick and may not fail the one who speaks.
"""

from datetime import datetime
from uuid import UUID

from backfilld.domain.records import plain_record


@plain_record
class Event:
    """Anything that happened."""


@plain_record
class StatusChanged(Event):
    """A backfill moved, or has another reason for standing still."""

    backfill_id: UUID
    workflow: str
    status: str
    reason: str | None
    message: str | None
    until: datetime | None = None
    again: bool | None = None  # True: nothing new: what comes and goes is still, or once more, the same, or is over


@plain_record
class BackfillCreated(Event):
    backfill_id: UUID
    workflow: str
    entity_type: str | None
    by: str


@plain_record
class BackfillChanged(Event):
    """Somebody gave it other settings."""

    backfill_id: UUID
    workflow: str
    settings: str  # their names
    by: str


@plain_record
class PlanFrozen(Event):
    backfill_id: UUID
    workflow: str
    total: int
    skipped: int
    seconds: float


@plain_record
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


@plain_record
class OutcomesRecorded(Event):
    """A commit of the recorder: how many outcomes and retries it carried, and how long it took."""

    outcomes: int
    retries: int
    seconds: float


@plain_record
class RecorderFailed(Event):
    """A commit could not be made (or its result is not known); it is tried again."""

    error: str
    unrecorded: int


@plain_record
class BackfillHeldUp(Event):
    """The database is away, or does not take what was to be written; it is tried again until it does."""

    backfill_id: UUID
    error: str


@plain_record
class BreakerMoved(Event):
    """A target became unreachable, is being probed, refuses us, or is well again."""

    target: str
    state: str  # open, half_open, closed, refusing
    why: str | None


@plain_record
class BrakeMoved(Event):
    """A brake holds, lets go, or was beyond its critical limit and holds until somebody resets it."""

    brake: str
    state: str  # holds, open, critical
    value: float | None
    why: str | None


@plain_record
class BrakeLookFailed(Event):
    """A brake saw nothing; told once, until it sees something again."""

    brake: str
    error: str


@plain_record
class DeliveryFailed(Event):
    """A notification did not arrive: it is tried again, nobody tries any more, or its endpoint wants nothing more."""

    endpoint: str
    what: str
    error: str
    then: str  # again, dead, gone


@plain_record
class LeaseTaken(Event):
    backfill_id: UUID
    fence: int
    clean: bool  # False: the last owner did not give it back in order


@plain_record
class LeaseLost(Event):
    backfill_id: UUID
    fence: int


@plain_record
class ItemInterrupted(Event):
    """An item stood alone in flight when its process died."""

    backfill_id: UUID
    entity_id: str
    times: int


@plain_record
class RecoveryBegan(Event):
    """What a dead owner of a backfill may have started is repeated: `most` at most, in round 1 or 2."""

    backfill_id: UUID
    round: int
    most: int


@plain_record
class RecoveryEnded(Event):
    """All that was to be repeated in a round has ended; `repeated` were started again."""

    backfill_id: UUID
    round: int
    repeated: int


@plain_record
class AttemptEnded(Event):
    """An attempt that no backfill made is finished."""

    attempt_id: int
    workflow: str
    session_time: datetime
    status: str  # succeeded, failed, skipped, cancelled


@plain_record
class AttemptRepeated(Event):
    """An attempt that no backfill made was in flight, not alone, when its process died: it is started again."""

    attempt_id: int
    workflow: str
    round: int


@plain_record
class AttemptInterrupted(Event):
    """An attempt that no backfill made stood alone in flight when its process died."""

    attempt_id: int
    workflow: str
    times: int


@plain_record
class BackfillExpired(Event):
    """A backfill ended so long ago that it was deleted; its rows go in the background."""

    backfill_id: UUID
    workflow: str


@plain_record
class RowsRemoved(Event):
    """Rows went in the background: of the ledger of one deleted backfill, or of the audit log."""

    what: str  # ledger, audit
    rows: int
    seconds: float


@plain_record
class SessionFired(Event):
    """The tick of a schedule made an attempt; `attempt_id` None: that session had one already."""

    schedule_id: int
    workflow: str
    session_time: datetime
    attempt_id: int | None


@plain_record
class SlotsLeftOut(Event):
    """The tick of a schedule left slots out: they were too late, or the one before was still running."""

    schedule_id: int
    workflow: str
    session_time: datetime  # the first of them
    slots: int
    why: str  # delayed, overtime


@plain_record
class ScheduleMoved(Event):
    """The rules of its zone have changed: a schedule stands at the slot that is nearest to where it stood."""

    schedule_id: int
    workflow: str
    stood_at: datetime
    session_time: datetime


@plain_record
class SchedulePostponed(Event):
    """A schedule could not fire, keeps its slot, and is looked at again."""

    schedule_id: int
    workflow: str
    until: datetime
    why: str


@plain_record
class SchedulesWait(Event):
    """Schedules are due, and no more attempts outside of backfills may be unfinished. Told once until that is over."""

    unfinished: int


@plain_record
class SchedulesGoOn(Event):
    """No schedule waits for room any more."""

    seconds: float


@plain_record
class DatabaseLost(Event):
    error: str


@plain_record
class DatabaseBack(Event):
    seconds: float


@plain_record
class WorkHeldUp(Event):
    """A part of the daemon asks the database again and again for what it needs; told once, when that begins."""

    part: str  # attempts, schedules, leases, …
    error: str


@plain_record
class WorkGoesOn(Event):
    """The database let that part go on."""

    part: str
    seconds: float
