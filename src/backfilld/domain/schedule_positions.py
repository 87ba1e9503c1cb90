"""How far a schedule has got, apart from what it says."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backfilld.domain.schedules import FINISHED_AT, Slot

FINISHED = Slot(FINISHED_AT, FINISHED_AT)
"""Where a schedule stands that has no slot any more."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Position:
    """The columns of a schedule that say where it stands."""

    id: int
    next_session_at: datetime
    next_run_at: datetime
    last_session_at: datetime | None
    skipped_to: datetime | None


def leave_out(position: Position, slot: Slot) -> Position:
    """Where the schedule stands when everything before `slot` is left out, for good."""
    mark = left_out_before(position.next_session_at, slot)
    return replace(
        position,
        next_session_at=slot.session_time,
        next_run_at=slot.run_time,
        skipped_to=mark if position.skipped_to is None else max(mark, position.skipped_to),
    )


def left_out_before(stood_at: datetime, slot: Slot) -> datetime:
    """No push may go back behind this. Of a schedule that is over only the slot where it stood is left out for certain:
    its end may be put off."""
    return slot.session_time if slot.session_time < FINISHED_AT else stood_at + _SECOND
