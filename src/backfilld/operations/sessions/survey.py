"""What a request over past times would run, what it would leave out, and why: read, and nothing made.

Whoever makes it looks by the same rules, with the schedule locked; so what was shown is what is made, or the digest of
what was shown tells that it no longer is.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from backfilld.clock import Clock
from backfilld.domain.backfills.remedies import enabling
from backfilld.domain.errors import Fault, Invalid
from backfilld.domain.schedules import FINISHED_AT, Range, Schedule, Slot, TooManySlots, slots_in
from backfilld.domain.sessions.records import AttemptStatus, StoredSchedule
from backfilld.domain.sessions.variables import local_text
from backfilld.operations.sessions.elsewhere import There, marks_of
from backfilld.operations.sessions.request import MOST_IN_FLIGHT, ScheduleBackfillRequest, option_faults
from backfilld.store.connection.pool import Connection
from backfilld.store.sessions import plans
from backfilld.store.sessions.overview import SessionMark, sessions_between

LOOKS_FOR_EACH = 10  # slots that may be looked at for each one that may be made, where some are left out
Fate = Literal["run", "exists", "succeeded", "taken"]


@dataclass(frozen=True, slots=True)
class ScheduleLimits:
    """What `[schedules]` allows."""

    max_points_per_request: int = 50_000
    max_waiting_attempts: int = 100_000
    max_in_flight: int = MOST_IN_FLIGHT


@dataclass(frozen=True, slots=True)
class SlotFate:
    """What becomes of a slot: it runs, or it is left out because it has an attempt, or one that succeeded; or its
    session has an attempt of that name, so that nothing is made at all. `mark`: its session, if it has one."""

    slot: Slot
    fate: Fate
    mark: SessionMark | None


@dataclass(frozen=True, slots=True)
class Survey:
    """`moves_to`: where the schedule stands afterwards, None: where it stands. `digest`: of what would be made."""

    stored: StoredSchedule
    fates: Sequence[SlotFate]
    moves_to: Slot | None
    digest: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules, for looking and for making."""

    clock: Clock
    limits: ScheduleLimits

    def schedule(self, stored: StoredSchedule, request: ScheduleBackfillRequest) -> Schedule:
        """The definition, where nothing is wrong with the request in itself. Invalid."""
        faults = option_faults(request, stored.timezone, most_in_flight=self.limits.max_in_flight)
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

    async def covered(self, stored: StoredSchedule, schedule: Schedule, request: ScheduleBackfillRequest) -> list[Slot]:
        """The slots of its range. Invalid: more than may be looked at, or fewer than were asked for."""
        wanted = Range(
            stored.next_session_at,
            since=request.from_time,
            before=request.to_time,
            run_until=self.clock.now() if request.advance_schedule else None,
        )
        most = self.limits.max_points_per_request * (LOOKS_FOR_EACH if request.leaves_out else 1)
        try:
            found = await asyncio.to_thread(slots_in, schedule, wanted, most=most, count=request.count)
        except TooManySlots as problem:
            raise too_many(str(problem)) from problem
        _require_count(stored, schedule, request, len(found))
        return found

    def require_room(self, request: ScheduleBackfillRequest, chosen: int) -> None:
        """Invalid: more than one request may make."""
        if chosen > (most := self.limits.max_points_per_request):
            what = "have not succeeded" if request.skip_succeeded else "have no attempt yet"
            raise too_many(f"more than {most:,} sessions of the range {what}")

    async def refuse_crowd(self, connection: Connection, more: int) -> None:
        """Invalid: too many would wait."""
        limit = self.limits.max_waiting_attempts
        waiting = await plans.count_waiting(connection, most=limit + 1)
        if waiting + more > limit:
            message = f"Too many attempts waiting. Limit: {limit}, Current: {waiting}, wanted: {more}"
            raise Invalid([Fault("", "too_many_attempts", message)], message)

    async def survey(
        self,
        connection: Connection,
        stored: StoredSchedule,
        request: ScheduleBackfillRequest,
        there: There | None = None,
    ) -> Survey:
        """Each slot with its fate. `there`: the sessions of the engine, if it is a mirror of one's. Invalid."""
        schedule = self.schedule(stored, request)
        covered = await self.covered(stored, schedule, request)
        fates = await _fates(connection, stored, request, covered, there or {}) if covered else []
        chosen = [one.slot.session_time for one in fates if one.fate == "run"]
        self.require_room(request, len(chosen))
        if chosen:
            await self.refuse_crowd(connection, len(chosen))
        moved = moves_to(stored, schedule, covered) if request.advance_schedule and covered else None
        return Survey(stored, fates, moved, digest_of(stored, request, chosen, moved))


def moves_to(stored: StoredSchedule, schedule: Schedule, covered: Sequence[Slot]) -> Slot | None:
    """Behind what was covered; never back: None."""
    following = schedule.next(covered[-1].session_time) or Slot(FINISHED_AT, FINISHED_AT)
    return following if following.session_time > stored.next_session_at else None


def digest_of(
    stored: StoredSchedule, request: ScheduleBackfillRequest, chosen: Sequence[datetime], moved: Slot | None
) -> str:
    """Of everything that is made: of which definition, which sessions, how, and where the schedule stands then."""
    parts = [
        stored.id, stored.revision_id, request.attempt_name or "", request.max_in_flight, request.windows,
        request.window_timezone, request.stop_on_failure, moved and moved.session_time.isoformat(),
        *(int(time.timestamp()) for time in chosen),
    ]  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


async def _fates(
    connection: Connection,
    stored: StoredSchedule,
    request: ScheduleBackfillRequest,
    covered: Sequence[Slot],
    elsewhere: There,
) -> list[SlotFate]:
    first, last = covered[0].session_time, covered[-1].session_time
    marks = {mark.session_time: mark for mark in await sessions_between(connection, stored.workflow_id, first, last)}
    marks |= {mark.session_time: mark for mark in marks_of(elsewhere)}
    there = [slot.session_time for slot in covered if slot.session_time in marks]
    name = request.attempt_name or ""
    taken = set() if request.skip_existing else await plans.list_named(connection, stored.workflow_id, there, name)

    def fate(mark: SessionMark | None) -> Fate:
        if mark is None:
            return "run"
        if request.skip_existing:
            return "exists"
        if request.skip_succeeded and mark.status is AttemptStatus.SUCCESS:
            return "succeeded"
        return "taken" if mark.session_time in taken else "run"

    return [SlotFate(slot, fate(marks.get(slot.session_time)), marks.get(slot.session_time)) for slot in covered]


def too_many(what: str) -> Invalid:
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
