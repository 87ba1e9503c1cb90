"""Running a schedule for past times: one request, one transaction, one durable backfill.

The schedule's row is locked all the while, so that neither its tick nor another request moves it in between; and
either every session of the request is there afterwards, or none.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from uuid import UUID

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import Conflict, Invalid, NotFound
from backfilld.domain.schedules import FINISHED_AT, Schedule, Slot
from backfilld.domain.sessions.records import Attempt, AttemptStatus, StoredSchedule
from backfilld.domain.sessions.variables import local_text
from backfilld.operations.sessions.create import Made, NothingLeft, SessionBackfills
from backfilld.operations.sessions.elsewhere import Elsewhere, There, marks_of
from backfilld.operations.sessions.plan import NO_PLAN, Plan, dry_attempts, params_of
from backfilld.operations.sessions.request import ScheduleBackfillRequest, name_fault
from backfilld.operations.sessions.survey import Rules, Survey, digest_of, moves_to
from backfilld.operations.sessions.survey import ScheduleLimits as ScheduleLimits
from backfilld.store.admin import audit
from backfilld.store.connection.deadlines import allow
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.schedules.schedules import ScheduleStore
from backfilld.store.sessions import plans
from backfilld.store.sessions.overview import SessionMark, sessions_between
from backfilld.store.sessions.sessions import AttemptNameTaken

TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ScheduleBackfillAnswer:
    """`backfill_id` is None if there was nothing to do, or in a dry run; then the attempts have no ids.

    `next_session_at`: where the schedule stands afterwards. `left_out`: of a dry run, what is passed over.
    """

    schedule: StoredSchedule
    attempts: Sequence[Attempt]
    backfill_id: UUID | None
    next_session_at: datetime
    plan_digest: str
    left_out: Sequence[SessionMark] | None = None


class PlanChanged(Conflict):
    """What would be made is not what was shown any more."""

    code = "plan_changed"


class ScheduleBackfills:
    """Makes backfills over the slots of a schedule."""

    def __init__(
        self,
        pool: Pool,
        backfills: SessionBackfills,
        clock: Clock,
        limits: ScheduleLimits,
        mirrored: Elsewhere | None = None,
    ) -> None:
        """`mirrored`: where schedules may be mirrors of an engine's."""
        self._pool = pool
        self._mirrored = mirrored
        self._schedules = ScheduleStore(pool)
        self._backfills = backfills
        self._clock = clock
        self._rules = Rules(clock, limits)

    async def run(self, actor: Actor, id: int, request: ScheduleBackfillRequest) -> ScheduleBackfillAnswer:
        """Make what is asked for, or say what would be made. NotFound; Invalid; Conflict for a name that was used."""
        there = await self._look_there(id, request, is_only_looking=False)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await allow(connection, TIMEOUT_SECONDS)
                answer, made = await self._run(connection, actor, id, request, there)
                reached(Point.SESSIONS_BEFORE_COMMIT)
            reached(Point.SESSIONS_AFTER_COMMIT)
        except AttemptNameTaken as problem:
            message = f"a session in this range has got an attempt named {str(problem)!r} in this moment"
            raise Conflict(message, code="attempt_exists") from problem
        if self._mirrored is not None and there is not None and request.advance_schedule and not request.dry_run:
            await self._mirrored.advance(answer.schedule.workflow_id)
        if made is not None:
            self._backfills.wake(made)
        return answer

    async def _look_there(self, id: int, request: ScheduleBackfillRequest, *, is_only_looking: bool) -> There | None:
        """What the engine of a mirrored schedule says: which sessions there are, or that the name is free. None: it is
        no mirror. Unavailable where it cannot be asked."""
        stored = await self._schedules.find(id)
        if stored is None or stored.managed_by != "mirror" or self._mirrored is None:
            return None
        mirror = await self._mirrored.refreshed(stored.workflow_id)
        stored = await self._schedules.find(id) or stored
        schedule = self._rules.schedule(stored, request)
        covered = await self._rules.covered(stored, schedule, request)
        if request.leaves_out or is_only_looking:
            return await self._mirrored.sessions(mirror)
        if request.attempt_name is not None and (fault := name_fault(request.attempt_name)) is not None:
            raise Invalid([fault])
        if covered and request.attempt_name and request.from_time:
            await self._mirrored.require_free(
                mirror, [slot.session_time for slot in covered],
                from_time=request.from_time, attempt_name=request.attempt_name,
            )  # fmt: skip
        return {}

    async def _run(
        self, connection: Connection, actor: Actor, id: int, request: ScheduleBackfillRequest, there: There | None
    ) -> tuple[ScheduleBackfillAnswer, Made | None]:
        stored = await self._schedules.lock(connection, id)
        if stored is None:
            raise NotFound(f"Resource does not exist: schedule id={id}")
        schedule = self._rules.schedule(stored, request)
        covered = await self._rules.covered(stored, schedule, request)
        plan = await self._plan(connection, stored, schedule, request, covered, there) if covered else NO_PLAN
        moved = moves_to(stored, schedule, covered) if request.advance_schedule and covered else None
        digest = digest_of(stored, request, plan.times, moved)
        if request.plan_digest is not None and request.plan_digest != digest:
            raise PlanChanged("what would be made now is not what was shown; look at it again, and nothing was made")
        after = moved.session_time if moved else stored.next_session_at
        answer = ScheduleBackfillAnswer(stored, (), None, after, digest)
        if request.dry_run:
            left_out = await self._left_out(connection, stored, request, covered, there)
            dry = dry_attempts(stored, request, plan, actor.identity, self._clock.now())
            return replace(answer, attempts=dry, left_out=left_out), None
        made = await self._make(connection, actor, stored, request, plan)
        if moved is not None:
            await self._advance(connection, actor, stored, covered, moved)
            if self._mirrored is not None and there is not None and moved.session_time < FINISHED_AT:
                await self._mirrored.is_to_advance(connection, stored.workflow_id, moved.run_time)
        if made is None:
            return answer, None
        return replace(answer, attempts=made.attempts, backfill_id=made.backfill.id), made

    async def look(self, id: int, request: ScheduleBackfillRequest) -> Survey:
        """What becomes of each slot, for people: those too whose name is taken, for which `run` would make nothing.
        Holds up nobody. NotFound; Invalid."""
        there = await self._look_there(id, request, is_only_looking=True)
        async with self._pool.acquire() as connection, connection.transaction():
            await allow(connection, TIMEOUT_SECONDS)
            stored = await self._schedules.find(id, on=connection)
            if stored is None:
                raise NotFound(f"Resource does not exist: schedule id={id}")
            return await self._rules.survey(connection, stored, request, there)

    async def _left_out(
        self, connection: Connection, stored: StoredSchedule, request: ScheduleBackfillRequest,
        covered: Sequence[Slot], there: There | None,
    ) -> list[SessionMark]:  # fmt: skip
        if not request.leaves_out or not covered:
            return []
        first, last = covered[0].session_time, covered[-1].session_time
        times = {slot.session_time for slot in covered}
        if there is None:
            marks = await sessions_between(connection, stored.workflow_id, first, last)
        else:
            marks = marks_of(there)
        wanted = (one for one in marks if request.skip_existing or one.status is AttemptStatus.SUCCESS)
        found = (one for one in wanted if one.session_time in times)
        return list(islice(found, self._rules.limits.max_points_per_request))

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

    async def _plan(
        self,
        connection: Connection,
        stored: StoredSchedule,
        schedule: Schedule,
        request: ScheduleBackfillRequest,
        covered: Sequence[Slot],
        there: There | None,
    ) -> Plan:
        times = [slot.session_time for slot in covered]
        existing = await plans.list_session_times(connection, stored.workflow_id, times[0], times[-1])
        existing = sorted({*existing, *(at for at in there or () if times[0] <= at <= times[-1])})
        name = request.attempt_name or ""
        out: Collection[datetime] = existing if request.skip_existing else ()
        if request.skip_succeeded and there is not None:
            out = [at for at, well in there.items() if well]
        elif request.skip_succeeded:
            out = await plans.list_succeeded_times(connection, stored.workflow_id, times[0], times[-1])
        chosen = sorted(set(times).difference(out)) if request.leaves_out else times
        if not request.skip_existing:
            await self._refuse_conflict(connection, stored, schedule, sorted(set(chosen).intersection(existing)), name)
        if request.attempt_name is not None and (fault := name_fault(name)) is not None:
            raise Invalid([fault])
        self._rules.require_room(request, len(chosen))
        await self._rules.refuse_crowd(connection, len(chosen))
        before = await plans.find_session_before(connection, stored.workflow_id, times[0])
        known = sorted(set(existing).difference(chosen)) if request.leaves_out else ()
        return Plan(name, chosen, params_of(schedule, times, chosen, existing=known, before=before))

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

    async def _advance(
        self, connection: Connection, actor: Actor, stored: StoredSchedule, covered: Sequence[Slot], to: Slot
    ) -> None:
        """Go on behind what was covered."""
        last, at = covered[-1].session_time, self._clock.now()
        await self._schedules.move(
            connection,
            stored.id,
            next_session_at=to.session_time,
            next_run_at=to.run_time,
            last_session_at=max(last, stored.last_session_at or last),
            at=at,
        )
        old, new = stored.next_session_at.isoformat(), to.session_time.isoformat()
        await audit.record(
            connection, actor, "schedule.advance", f"schedule/{stored.id}", at=at,
            old={"next_session_time": old}, new={"next_session_time": new},
        )  # fmt: skip
