"""Steering a schedule: let it fire no more, let it fire again, leave slots out.

All three take the schedule's lock first, so that no slot is fired in the middle. What is left out on purpose is kept,
so that no push of the workflow brings it back.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from backfilld.clock import Clock
from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import Conflict, Fault, Invalid, NotFound
from backfilld.domain.instants import bounded
from backfilld.domain.schedules import Schedule, Slot
from backfilld.domain.schedules.moments import parse_moment
from backfilld.domain.sessions.positions import FINISHED, leave_out
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.domain.sessions.variables import local_text
from backfilld.store.admin import audit
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.schedules.positions import put_position, set_disabled
from backfilld.store.schedules.schedules import ScheduleStore

MOST_SKIPPED = 50_000
Time = str | datetime | None


class AlreadyPast(Conflict):
    """The schedule stands there already, or further on."""

    code = "already_past"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The first slot that runs at or after `next_time`, or `count` slots behind the first from `from_time`."""

    next_time: datetime | None
    from_time: datetime | None
    count: int | None
    next_run_time: datetime | None


class ScheduleOperations:
    """One method per verb. Each answers with the schedule as it is afterwards; NotFound if there is none."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._store = ScheduleStore(pool)

    async def disable(self, actor: Actor, id: int, *, why: str | None = None) -> StoredSchedule:
        """Fire no more; again: from now. What runs already goes on."""
        at = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            stored = await self._lock(connection, id)
            await set_disabled(connection, id, at, at)
            return await self._written(connection, actor, "schedule.disable", stored, at, why)

    async def enable(
        self, actor: Actor, id: int, *, skip_schedule: bool = True, next_time: Time = None, why: str | None = None
    ) -> StoredSchedule:
        """Fire again. With `skip_schedule` nothing that should have run before `next_time` (else: now) does; without,
        all of it runs at once. Invalid."""
        at = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            stored = await self._lock(connection, id)
            if next_time is not None and not skip_schedule:
                raise Invalid([Fault("/nextTime", "contradiction", "means nothing when skipSchedule is false")])
            if skip_schedule:
                schedule = _readable(stored)
                to = _instants(schedule, nextTime=next_time)["nextTime"] or at
                slot = schedule.first(to) or FINISHED
                if slot.session_time > stored.next_session_at:
                    await put_position(connection, leave_out(stored.position, slot), at)
            await set_disabled(connection, id, None, at)
            return await self._written(connection, actor, "schedule.enable", stored, at, why)

    async def skip(
        self,
        actor: Actor,
        id: int,
        *,
        next_time: Time = None,
        from_time: Time = None,
        count: int | None = None,
        next_run_time: Time = None,
        dry_run: bool,
        why: str | None = None,
    ) -> StoredSchedule:
        """Leave out every slot before the wanted one, which runs at `next_run_time` if that is given. Invalid;
        AlreadyPast."""
        at = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            stored = await self._lock(connection, id)
            schedule = _readable(stored)
            times = _instants(schedule, nextTime=next_time, fromTime=from_time, nextRunTime=next_run_time)
            wanted = _Wanted(times["nextTime"], times["fromTime"], count, times["nextRunTime"])
            slot = _target(schedule, wanted)
            if slot.session_time <= stored.next_session_at:
                raise AlreadyPast(_past(stored, schedule, slot))
            moved = leave_out(stored.position, slot)
            if dry_run:
                return replace(stored, next_session_at=moved.next_session_at, next_run_at=moved.next_run_at)
            await put_position(connection, moved, at)
            return await self._written(connection, actor, "schedule.skip", stored, at, why)

    async def _lock(self, connection: Connection, id: int) -> StoredSchedule:
        stored = await self._store.lock(connection, id)
        if stored is None:
            raise NotFound(f"Resource does not exist: schedule id={id}")
        if stored.managed_by == "mirror":
            message = f"the schedule of workflow {stored.workflow_name!r} is a mirror: it fires, and is steered, there"
            raise Conflict(message, code="managed_by_mirror")
        return stored

    async def _written(
        self, connection: Connection, actor: Actor, action: str, old: StoredSchedule, at: datetime, why: str | None
    ) -> StoredSchedule:
        new = await self._lock(connection, old.id)
        await audit.record(
            connection, actor, action, f"schedule/{old.id}", at=at, reason=why, old=_shown(old), new=_shown(new)
        )
        return new


def _target(schedule: Schedule, wanted: _Wanted) -> Slot:
    if wanted.next_time is not None:
        slot = schedule.first(wanted.next_time)
    elif wanted.from_time is not None and wanted.count is not None:
        if not 0 <= wanted.count <= MOST_SKIPPED:
            raise Invalid([Fault("/count", "out_of_range", f"must be from 0 to {MOST_SKIPPED:,}")])
        slots = schedule.since(schedule.first(wanted.from_time))
        slot = next(islice(slots, wanted.count, None), None)
    else:
        message = "nextTime or (fromTime and count) are required"
        raise Invalid([Fault("", "missing", message)], message)
    slot = slot or FINISHED
    return slot if wanted.next_run_time is None else Slot(slot.session_time, wanted.next_run_time)


def _instants(schedule: Schedule, **times: Time) -> dict[str, datetime | None]:
    """`nextTime` may be by the workflow's clock, the others say their offset. Invalid, with every fault."""
    read = {name: _instant(time, f"/{name}", schedule if name == "nextTime" else None) for name, time in times.items()}
    if faults := [found for found in read.values() if isinstance(found, Fault)]:
        raise Invalid(faults)
    return {name: found for name, found in read.items() if not isinstance(found, Fault)}


def _instant(time: Time, path: str, schedule: Schedule | None) -> datetime | Fault | None:
    if isinstance(time, str):
        return parse_moment(time, path, None if schedule is None else schedule.zone, schedule)
    return None if time is None else bounded(time, path)


def _readable(stored: StoredSchedule) -> Schedule:
    try:
        return stored.schedule()
    except ValueError as problem:
        message = f"the schedule of workflow {stored.workflow_name!r} cannot be read: {problem}"
        raise Invalid([Fault("", "invalid_schedule", message)], message) from problem


def _past(stored: StoredSchedule, schedule: Schedule, slot: Slot) -> str:
    stands = local_text(stored.next_session_at, schedule.zone)
    return (
        f"Specified time to skip schedule is already past: schedule id={stored.id} stands at {stands},"
        f" and {local_text(slot.session_time, schedule.zone)} is not later"
    )


def _shown(stored: StoredSchedule) -> dict[str, datetime | None]:
    return {
        "next_session_time": stored.next_session_at,
        "next_run_time": stored.next_run_at,
        "disabled_at": stored.disabled_at,
    }
