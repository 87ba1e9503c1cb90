"""How far a schedule has got, apart from what it says."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from backfilld.domain.schedules import FINISHED_AT, Schedule, Slot

FINISHED = Slot(FINISHED_AT, FINISHED_AT)
"""Where a schedule stands that has no slot any more."""

_SECOND = timedelta(seconds=1)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Position:
    """The columns of a schedule that say where it stands."""

    id: int
    next_session_at: datetime
    next_run_at: datetime
    last_session_at: datetime | None
    skipped_to: datetime | None
    is_disabled: bool = False


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


def by_new_rules(schedule: Schedule, position: Position) -> Position | None:
    """Where it stands if its zone has other rules than when it was put there; None: where it is.

    At the slot that is nearest to the old one, so that none is lost: rules move a slot by an hour or so, and its
    neighbours are further away. Behind the last that was fired. A run time that was put off stays.
    """
    stood_at = position.next_session_at
    if stood_at >= FINISHED_AT or schedule.stands_at(stood_at):
        return None
    near = [
        slot for slot in _neighbours(schedule, stood_at) if slot.session_time > (position.last_session_at or _NEVER)
    ]
    slot = min(near, key=lambda slot: abs(slot.session_time - stood_at), default=FINISHED)
    was_put_off = position.next_run_at != stood_at + schedule.delay
    run_at = position.next_run_at if was_put_off and slot is not FINISHED else slot.run_time
    return replace(position, next_session_at=slot.session_time, next_run_at=run_at)


def _neighbours(schedule: Schedule, at: datetime) -> list[Slot]:
    """The slots before and after an instant that is none."""
    before = schedule.previous(at)
    found = [schedule.next(before.session_time - _SECOND) if before else None, schedule.next(at)]
    return [slot for slot in found if slot is not None]
