"""Running a schedule for past times: one request, one transaction, one durable backfill.

The schedule's row is locked all the while, so that neither its tick nor another request moves it in between; and
either every session of the request is there afterwards, or none (SCHEDULES §1).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.remedies import enabling
from backfilld.domain.errors import Conflict, Fault, Invalid, NotFound
from backfilld.domain.schedules import FINISHED_AT, Range, Schedule, Slot, TooManySlots, slots_in
from backfilld.domain.sessions.records import Attempt, StoredSchedule
from backfilld.domain.sessions.variables import local_text
from backfilld.operations.sessions.create import Made, NothingLeft, SessionBackfills
from backfilld.operations.sessions.plan import Plan, dry_attempts, params_of
from backfilld.operations.sessions.request import (
    MOST_IN_FLIGHT,
    ScheduleBackfillRequest,
    name_fault,
    option_faults,
)
from backfilld.store.admin import audit
from backfilld.store.connection.deadlines import allow
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.schedules.schedules import ScheduleStore
from backfilld.store.sessions import plans
from backfilld.store.sessions.sessions import AttemptNameTaken

TIMEOUT_SECONDS = 120.0
LOOKS_FOR_EACH = 10  # slots that may be looked at for each one that may be made, where those that exist are left out


@dataclass(frozen=True, slots=True)
class ScheduleLimits:
    """What `[schedules]` allows."""

    max_points_per_request: int = 50_000
    max_waiting_attempts: int = 100_000
    max_in_flight: int = MOST_IN_FLIGHT


@dataclass(frozen=True, slots=True)
class ScheduleBackfillAnswer:
    """`backfill_id` is None if there was nothing to do, or in a dry run; then the attempts have no ids."""

    schedule: StoredSchedule
    attempts: Sequence[Attempt]
    backfill_id: UUID | None


class ScheduleBackfills:
    """Makes backfills over the slots of a schedule."""

    def __init__(self, pool: Pool, backfills: SessionBackfills, clock: Clock, limits: ScheduleLimits) -> None:
        self._pool = pool
        self._schedules = ScheduleStore(pool)
        self._backfills = backfills
        self._clock = clock
        self._limits = limits

    async def run(self, actor: Actor, id: int, request: ScheduleBackfillRequest) -> ScheduleBackfillAnswer:
        """Make what is asked for, or say what would be made. NotFound; Invalid; Conflict for a name that was used."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await allow(connection, TIMEOUT_SECONDS)
                answer, made = await self._run(connection, actor, id, request)
                reached(Point.SESSIONS_BEFORE_COMMIT)
            reached(Point.SESSIONS_AFTER_COMMIT)
        except AttemptNameTaken as problem:
            message = f"a session in this range has got an attempt named {str(problem)!r} in this moment"
            raise Conflict(message, code="attempt_exists") from problem
        if made is not None:
            self._backfills.wake(made)
        return answer

    async def _run(
        self, connection: Connection, actor: Actor, id: int, request: ScheduleBackfillRequest
    ) -> tuple[ScheduleBackfillAnswer, Made | None]:
        stored = await self._schedules.lock(connection, id)
        if stored is None:
            raise NotFound(f"Resource does not exist: schedule id={id}")
        schedule = self._checked(stored, request)
        covered = await self._covered(stored, schedule, request)
        _require_count(stored, schedule, request, len(covered))
        if not covered:
            return ScheduleBackfillAnswer(stored, (), None), None
        plan = await self._plan(connection, stored, schedule, request, covered)
        if request.dry_run:
            return ScheduleBackfillAnswer(stored, self._dry(actor, stored, request, plan), None), None
        made = await self._make(connection, actor, stored, request, plan)
        if request.advance_schedule:
            await self._advance(connection, actor, stored, schedule, covered)
        if made is None:
            return ScheduleBackfillAnswer(stored, (), None), None
        return ScheduleBackfillAnswer(stored, made.attempts, made.backfill.id), made

    async def _make(
        self,
        connection: Connection,
        actor: Actor,
        stored: StoredSchedule,
        request: ScheduleBackfillRequest,
        plan: Plan,
    ) -> Made | None:
        """None if every session is there already, or was made in this moment."""
        if not plan.times:
            return None
        try:
            return await self._backfills.make(connection, actor, stored, request, plan)
        except NothingLeft:
            return None

    def _checked(self, stored: StoredSchedule, request: ScheduleBackfillRequest) -> Schedule:
        faults = option_faults(request, stored.timezone, most_in_flight=self._limits.max_in_flight)
        if faults:
            raise Invalid(faults)
        if not stored.workflow_enabled:
            how = enabling(stored.workflow_id, stored.managed_by)
            message = f"workflow {stored.workflow_name!r} is disabled; {how}"
            raise Invalid([Fault("", "workflow_disabled", message)], message)
        try:
            return stored.schedule()
        except ValueError as problem:
            message = f"the schedule of workflow {stored.workflow_name!r} cannot be read: {problem}"
            raise Invalid([Fault("", "invalid_schedule", message)], message) from problem

    async def _covered(
        self, stored: StoredSchedule, schedule: Schedule, request: ScheduleBackfillRequest
    ) -> list[Slot]:
        wanted = Range(
            stored.next_session_at,
            since=request.from_time,
            before=request.to_time,
            run_until=self._clock.now() if request.advance_schedule else None,
        )
        most = self._limits.max_points_per_request * (LOOKS_FOR_EACH if request.skip_existing else 1)
        try:
            return await asyncio.to_thread(slots_in, schedule, wanted, most=most, count=request.count)
        except TooManySlots as problem:
            raise _too_many(str(problem)) from problem

    async def _plan(
        self,
        connection: Connection,
        stored: StoredSchedule,
        schedule: Schedule,
        request: ScheduleBackfillRequest,
        covered: Sequence[Slot],
    ) -> Plan:
        times = [slot.session_time for slot in covered]
        existing = await plans.list_session_times(connection, stored.workflow_id, times[0], times[-1])
        name = request.attempt_name or ""
        if not request.skip_existing:
            await self._refuse_conflict(connection, stored, schedule, sorted(set(times).intersection(existing)), name)
        if request.attempt_name is not None and (fault := name_fault(name)) is not None:
            raise Invalid([fault])
        chosen = times if not request.skip_existing else sorted(set(times) - set(existing))
        if len(chosen) > (most := self._limits.max_points_per_request):
            raise _too_many(f"more than {most:,} sessions of the range have no attempt yet")
        await self._refuse_crowd(connection, len(chosen))
        before = await plans.find_session_before(connection, stored.workflow_id, times[0])
        known = existing if request.skip_existing else ()
        return Plan(name, chosen, params_of(schedule, times, chosen, existing=known, before=before))

    def _dry(self, actor: Actor, stored: StoredSchedule, request: ScheduleBackfillRequest, plan: Plan) -> list[Attempt]:
        return dry_attempts(stored, request, plan, actor.identity, self._clock.now())

    async def _refuse_conflict(
        self, connection: Connection, stored: StoredSchedule, schedule: Schedule, times: Sequence[datetime], name: str
    ) -> None:
        if not times:
            return
        taken = await plans.find_named(connection, stored.workflow_id, times, name)
        if taken is not None:
            message = (
                f"Session already has an attempt of this name: project id={stored.project_id}"
                f" workflow={stored.workflow_name} session_time={local_text(taken, schedule.zone)}"
                f" attemptName={name!r}"
            )
            raise Conflict(message, code="attempt_exists")

    async def _refuse_crowd(self, connection: Connection, more: int) -> None:
        limit = self._limits.max_waiting_attempts
        waiting = await plans.count_waiting(connection, most=limit + 1)
        if waiting + more > limit:
            message = f"Too many attempts waiting. Limit: {limit}, Current: {waiting}, wanted: {more}"
            raise Invalid([Fault("", "too_many_attempts", message)], message)

    async def _advance(
        self,
        connection: Connection,
        actor: Actor,
        stored: StoredSchedule,
        schedule: Schedule,
        covered: Sequence[Slot],
    ) -> None:
        """Go on behind what was covered; never back."""
        last = covered[-1].session_time
        following = schedule.next(last) or Slot(FINISHED_AT, FINISHED_AT)
        if following.session_time <= stored.next_session_at:
            return
        at = self._clock.now()
        await self._schedules.move(
            connection,
            stored.id,
            next_session_at=following.session_time,
            next_run_at=following.run_time,
            last_session_at=max(last, stored.last_session_at or last),
            at=at,
        )
        old, new = stored.next_session_at.isoformat(), following.session_time.isoformat()
        await audit.record(
            connection, actor, "schedule.advance", f"schedule/{stored.id}", at=at,
            old={"next_session_time": old}, new={"next_session_time": new},
        )  # fmt: skip


def _too_many(what: str) -> Invalid:
    message = f"{what}; name a later fromTime, an earlier toTime or a count"
    return Invalid([Fault("/fromTime", "too_many_sessions", message)], message)


def _require_count(
    stored: StoredSchedule, schedule: Schedule, request: ScheduleBackfillRequest, available: int
) -> None:
    if request.count is None or request.count <= available:
        return
    message = f"count is {request.count}, but only {available} sessions are available in this range"
    if request.advance_schedule:
        message += ", which ends with what should have run by now"
    elif request.to_time is None or request.to_time >= stored.next_session_at:
        stands = local_text(stored.next_session_at, schedule.zone)
        message += (
            f", which ends before the schedule's next session ({stands});"
            " with advanceSchedule (--advance) it goes on to what should have run by now"
        )
    raise Invalid([Fault("/count", "too_large", message)], message)
