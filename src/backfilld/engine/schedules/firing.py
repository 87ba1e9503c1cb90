"""Makes the sessions of schedules when they are due.

A session, its attempt and the schedule's move are one transaction under the schedule's lock: whatever dies, and however
many daemons look at one schedule, each slot is fired once. Missed slots come oldest first, each with an attempt of its
own. Who runs the attempts is another matter: under stop-all they are made all the same, and wait.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.schedules import Schedule, Slot
from backfilld.domain.sessions.positions import FINISHED, left_out_before
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.domain.sessions.variables import params_of_slot
from backfilld.engine.schedules.full_house import FullHouse, Room
from backfilld.engine.schedules.put_aside import LASTS, PutAside
from backfilld.engine.schedules.tz_rule_changes import obey_new_rules
from backfilld.engine.service import Part, Patience, Service
from backfilld.engine.starting.internal_errors import in_words
from backfilld.events import AttemptEnded, Event, SchedulePostponed, SessionFired, SlotsLeftOut
from backfilld.store.connection import transient_errors
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.schedules import firing
from backfilld.store.schedules.positions import tell_live
from backfilld.store.schedules.schedules import ScheduleStore
from backfilld.store.sessions.sessions import AttemptNameTaken, NewAttempts, open_attempts

log = logging.getLogger(__name__)

MOST_FIRED = 20  # slots in one transaction, so that nobody waits long for the schedule's lock
MOST_WALKED = 1000  # slots left out in one transaction
MOST_TRANSACTIONS = 50  # in one tick
LOOKS_AGAIN = timedelta(seconds=1)  # at a schedule that somebody else holds, and at those that found no room


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a schedule goes on, and what there is to tell of it. `last` is the session that was fired."""

    slot: Slot
    event: Event
    last: datetime | None = None


class Looked(Enum):
    """What came of seeing to one schedule."""

    MOVED = "moved"
    NO_ROOM = "no room"


class Firing:
    """The tick of all schedules; one per process."""

    part = Part.SCHEDULES

    def __init__(self, pool: Pool, clock: Clock, bus: Bus, *, most_unfinished: int) -> None:
        self._pool = pool
        self._schedules = ScheduleStore(pool)
        self._clock = clock
        self._bus = bus
        self._house = FullHouse(clock, bus, most_unfinished=most_unfinished)
        self._aside = PutAside(clock)
        bus.listen(self._hear, AttemptEnded)
        self._service = Service(self.tick, clock, Patience.of(self.part, clock, bus))
        self._draining = False
        self._obeys_rules = False  # those of the zones, which may be others than before the start

    def nudge(self) -> None:
        """A schedule may have been changed: look now."""
        self._service.nudge()

    def _hear(self, _: Event) -> None:
        """An attempt that ends makes room for whoever waits longest."""
        if self._house.is_full:
            self.nudge()

    def drain(self) -> None:
        """Fire nothing any more: the daemon is stopping, and the next one will."""
        self._draining = True

    async def serve(self) -> None:
        """Fire until cancelled; patient with a database that is away."""
        await self._service.serve()

    @property
    def obstacle(self) -> Exception | None:
        """What the last tick failed of, while it is made again."""
        return self._service.obstacle

    async def tick(self) -> datetime | None:
        """Fire what is due; when to look again (None: only when nudged)."""
        now = self._clock.now()
        if not self._obeys_rules:
            for moved in await obey_new_rules(self._pool, now):
                self._bus.tell(moved)
            self._obeys_rules = True
        found_no_room = False
        for _ in range(MOST_TRANSACTIONS):
            looked = None if self._draining else await self._fire_one(now, found_no_room=found_no_room)
            if looked is None:
                break
            found_no_room |= looked is Looked.NO_ROOM
        due = await firing.next_due(self._pool, self._aside.now())
        if not found_no_room and (due is None or due > now):
            self._house.nobody_waits()
        return None if due is None else max(due, now + LOOKS_AGAIN) if due <= now else due

    async def _fire_one(self, now: datetime, *, found_no_room: bool) -> Looked | None:
        """See to the schedule that is due longest, in one transaction; None if there is none.

        Where no room was found for that one, the others are passed over that were looked at in vain before; always
        those that could not be fired a while ago.
        """
        found: tuple[int, datetime] | None = None
        stored: StoredSchedule | None = None
        told: list[Event] = []
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                passing_over = {**(self._house.seen if found_no_room else {}), **self._aside.now()}
                found = await firing.lock_due(connection, now, passing_over)
                if found is None:
                    return None
                stored = await self._schedules.find(found[0], on=connection)
                if stored is None:
                    return None  # in the middle of being removed
                told, waits_since = await self._fire(connection, stored, now)
                await tell_live(connection)
                reached(Point.FIRE_BEFORE_COMMIT)
        except Exception as problem:
            if found is None or transient_errors.is_transient(problem):
                raise
            name = f"of schedule {found[0]}" if stored is None else stored.workflow_name
            log.exception("the schedule of workflow %s could not be fired, and is put aside", name)
            told, waits_since = [self._put_aside(*found, name, in_words(problem), now)], None
        reached(Point.FIRE_AFTER_COMMIT)
        for event in told:
            self._bus.tell(event)
        if waits_since is None:
            self._house.moved(found[0])
            return Looked.MOVED
        self._house.waits(found[0], waits_since)
        return Looked.NO_ROOM

    def _put_aside(self, id: int, due_at: datetime, name: str, why: str, now: datetime) -> Event:
        self._aside.put(id, due_at)
        return SchedulePostponed(id, name, now + LASTS, why)

    async def _fire(
        self, connection: Connection, stored: StoredSchedule, now: datetime
    ) -> tuple[list[Event], datetime | None]:
        """Up to MOST_FIRED slots of one schedule; and since when the next one waits, if there is no room for it."""
        try:
            schedule = stored.schedule()
        except ValueError as problem:
            why = str(problem)[:500]
            return [self._put_aside(stored.id, stored.next_run_at, stored.workflow_name, why, now)], None
        told: list[Event] = []
        room = Room(connection, self._house.most)
        most = 1 if self._house.is_full else MOST_FIRED  # others wait, for slots that may be older than its next
        slot, last = Slot(stored.next_session_at, stored.next_run_at), stored.last_session_at
        while slot.run_time <= now and slot != FINISHED and len(told) < most:
            moved = await self._step(connection, stored, schedule, slot, last, room, now)
            if moved is None:
                return told, slot.run_time
            await self._move(connection, stored, slot, moved, now)
            told.append(moved.event)
            slot, last = moved.slot, moved.last or last
        return told, None

    async def _move(
        self, connection: Connection, stored: StoredSchedule, slot: Slot, moved: Moved, now: datetime
    ) -> None:
        await self._schedules.move(
            connection,
            stored.id,
            next_session_at=moved.slot.session_time,
            next_run_at=moved.slot.run_time,
            last_session_at=moved.last,
            skipped_to=left_out_before(slot.session_time, moved.slot) if moved.last is None else None,
            at=now,
        )

    async def _step(
        self,
        connection: Connection,
        stored: StoredSchedule,
        schedule: Schedule,
        slot: Slot,
        last: datetime | None,
        room: Room,
        now: datetime,
    ) -> Moved | None:
        """What becomes of one slot that is due. None: too many attempts are unfinished, and it has to wait."""
        patience = schedule.skip_delayed_by
        if patience is not None and now > slot.run_time + patience:
            return _leave_out(stored, schedule, slot, until=now - patience, why="delayed")
        if schedule.skip_on_overtime and await firing.is_running(connection, stored.workflow_id):
            return _leave_out(stored, schedule, slot, until=now + timedelta(microseconds=1), why="overtime")
        if not await room.is_left():
            return None
        made = await self._open(connection, stored, schedule, slot, last, now)
        if made is not None:
            room.taken()
        following = schedule.next(slot.session_time) or FINISHED
        event = SessionFired(stored.id, stored.workflow_name, slot.session_time, made)
        return Moved(following, event, slot.session_time)

    async def _open(
        self,
        connection: Connection,
        stored: StoredSchedule,
        schedule: Schedule,
        slot: Slot,
        last: datetime | None,
        now: datetime,
    ) -> int | None:
        """The attempt of a slot; None if somebody has started that session already."""
        wanted = NewAttempts(
            project_id=stored.project_id,
            workflow_id=stored.workflow_id,
            revision_id=stored.revision_id,
            timezone=stored.timezone,
            name="",
            created_by=f"schedule:{stored.id}",
            created_at=now,
            session_times=[slot.session_time],
            params=[params_of_slot(schedule, slot.session_time, last)],
        )
        try:
            async with connection.transaction():
                return (await open_attempts(connection, wanted))[0].id
        except AttemptNameTaken:
            return None


def _leave_out(stored: StoredSchedule, schedule: Schedule, slot: Slot, *, until: datetime, why: str) -> Moved:
    """Go on behind `slot`, with the first that runs at `until` or later (or as far as one transaction walks)."""
    following: Slot | None = slot
    for walked in range(1, MOST_WALKED + 1):  # noqa: B007 - told afterwards
        following = schedule.next(following.session_time) if following else None
        if following is None or following.run_time >= until:
            break
    event = SlotsLeftOut(stored.id, stored.workflow_name, slot.session_time, walked, why)
    return Moved(following or FINISHED, event)
