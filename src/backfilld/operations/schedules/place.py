"""Where a schedule stands after its workflow was written: in the file, over HTTP or by a push.

One rule for all three. A schedule that says what it said before stays where it is. One that says something else goes on
behind the last session that it fired, and never before what somebody skipped on purpose: no push runs the past again.
Nor does it start at once, unless that is asked for, what should have run by now: that is left out. A disabled one
starts nothing, so it keeps all of that for whoever enables or catches it up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from backfilld.domain.schedules import Schedule, Slot
from backfilld.domain.sessions.positions import FINISHED, Position, leave_out
from backfilld.domain.sessions.records import schedule_of
from backfilld.store.connection.pool import Connection
from backfilld.store.schedules.positions import (
    delete_schedule,
    insert_schedule,
    lock_position,
    put_position,
)

Definition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """The schedule of a workflow. `left_out`: the first session that will not run because the definition changed, and
    the session with which it goes on."""

    id: int
    left_out: tuple[datetime, datetime] | None = None


_SECOND = timedelta(seconds=1)


async def place_schedule(
    connection: Connection,
    workflow_id: int,
    old: Definition | None,
    new: Definition,
    at: datetime,
    *,
    schedule_from: datetime | None = None,
    clear: bool = False,
    skip_schedule: bool = True,
) -> Placed | None:
    """The workflow's schedule, which stands where it should; None: the workflow has none (any more).

    `old` and `new` are the workflow's definitions before and after, `schedule_from` is where a schedule begins that has
    not fired yet (else: now), and `clear` makes it forget what it has fired and skipped. Without `skip_schedule` a
    schedule that says something else starts everything that should have run since it last fired.
    """
    if new.get("schedule") is None:
        await delete_schedule(connection, workflow_id)
        return None
    schedule = schedule_of(new)
    position = await lock_position(connection, workflow_id)
    if position is None:
        first = schedule.first(schedule_from or at) or FINISHED
        return Placed(await insert_schedule(connection, workflow_id, first, at))
    if clear:
        position = replace(position, last_session_at=None, skipped_to=None)
    elif old is not None and _says(old) == _says(new):
        return Placed(position.id)
    slot = _next(schedule, position, schedule_from or at) or FINISHED
    moved = replace(position, next_session_at=slot.session_time, next_run_at=slot.run_time)
    left_out = None
    goes_on = position.last_session_at or position.skipped_to  # else it begins where it was told
    if skip_schedule and goes_on and slot.run_time < at and not position.is_disabled:
        moved = leave_out(moved, schedule.first(at) or FINISHED)
        left_out = (slot.session_time, moved.next_session_at)
    await put_position(connection, moved, at)
    return Placed(position.id, left_out)


async def skip_missed(connection: Connection, workflow_id: int, definition: Definition, at: datetime) -> None:
    """Go on from `at`: what a schedule missed while its workflow was disabled shall not run all at once."""
    position = await lock_position(connection, workflow_id)
    if position is None or position.next_run_at >= at:
        return
    slot = schedule_of(definition).first(at) or FINISHED
    await put_position(connection, leave_out(position, slot), at)


def _next(schedule: Schedule, position: Position, begins_at: datetime) -> Slot | None:
    """The first slot behind everything that was fired, or skipped on purpose."""
    behind = [position.last_session_at] if position.last_session_at else []
    behind += [position.skipped_to - _SECOND] if position.skipped_to else []
    return schedule.next(max(behind)) if behind else schedule.first(begins_at)


def _says(definition: Definition) -> tuple[Any, str]:
    return definition.get("schedule"), definition.get("timezone") or "UTC"
