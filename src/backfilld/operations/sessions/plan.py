"""What the attempts of a backfill over past times will be: their slots, and the params that each is given."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from heapq import merge
from typing import Any
from uuid import UUID

from backfilld.domain.schedules import Schedule
from backfilld.domain.sessions.records import Attempt, StoredSchedule
from backfilld.domain.sessions.variables import local_text, slot_params
from backfilld.operations.sessions.request import ScheduleBackfillRequest
from backfilld.store.sessions.sessions import NewAttempts, Opened

NO_UUID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Plan:
    """Session times in order, each with the params of its attempt, under one name."""

    name: str
    times: Sequence[datetime]
    params: Sequence[Mapping[str, Any]]


NO_PLAN = Plan("", (), ())


def params_of(
    schedule: Schedule,
    covered: Sequence[datetime],
    chosen: Sequence[datetime],
    *,
    existing: Sequence[datetime],
    before: datetime | None,
) -> list[dict[str, Any]]:
    """The params of each chosen slot: `slot_params` of the slots beside it.

    `covered` are the slots of the range without a gap, so that each has its neighbours beside it. The last executed
    session is the newest one before a slot: of those that are chosen, of those that exist, and of what came `before`.
    """
    first, last = schedule.previous(covered[0]), schedule.next(covered[-1])
    around = [first.session_time if first else None, *covered, last.session_time if last else None]
    executed = _executed_before(chosen, existing, before)
    text = cache(lambda at: local_text(at, schedule.zone))  # each slot is named by three of them
    params, left = [], deque(zip(chosen, executed, strict=True))
    for slot, earlier, later in zip(covered, around, around[2:], strict=False):
        if left and left[0][0] == slot:
            params.append(slot_params(earlier, later, left.popleft()[1], text))
    return params


def _executed_before(
    chosen: Sequence[datetime], existing: Sequence[datetime], before: datetime | None
) -> list[datetime | None]:
    """For each chosen slot the newest session that is earlier."""
    newest, executed = before, []
    for slot, is_chosen in merge(((slot, True) for slot in chosen), ((slot, False) for slot in existing)):
        if is_chosen:
            executed.append(newest)
        newest = slot
    return executed


def attempts_of(
    opened: Sequence[Opened], new: NewAttempts, project_name: str, workflow_name: str, max_in_flight: int
) -> list[Attempt]:
    """Attempts as they were just made, or would be: the first is ready, and the rest of a chain waits for it."""
    params = dict(zip(new.session_times, new.params, strict=True))
    return [
        Attempt(
            id=one.id,
            index=one.index,
            name=new.name,
            session_id=one.session_id,
            session_uuid=one.session_uuid,
            session_time=one.session_time,
            project_id=new.project_id,
            project_name=project_name,
            workflow_id=new.workflow_id,
            workflow_name=workflow_name,
            revision_id=new.revision_id,
            timezone=new.timezone,
            params=params[one.session_time],
            created_by=new.created_by,
            created_at=new.created_at,
            cancel_requested_at=None,
            started_at=None,
            running_since=None,
            finished_at=None,
            succeeded=False,
            backfill_number=new.backfill_number,
            position=one.position,
            is_blocked=number > 0 and max_in_flight == 1,
        )
        for number, one in enumerate(opened)
    ]


def dry_attempts(
    stored: StoredSchedule, request: ScheduleBackfillRequest, plan: Plan, created_by: str, at: datetime
) -> list[Attempt]:
    """What would be made; nothing of it has an id."""
    opened = [Opened(0, 0, number, 0, NO_UUID, time) for number, time in enumerate(plan.times)]
    new = NewAttempts(
        stored.project_id, stored.workflow_id, stored.revision_id, stored.timezone, plan.name, created_by, at,
        plan.times, plan.params,
    )  # fmt: skip
    return attempts_of(opened, new, stored.project_name, stored.workflow_name, request.max_in_flight)
