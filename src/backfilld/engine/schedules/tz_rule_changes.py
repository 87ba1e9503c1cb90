"""Schedules whose zones have other rules than when they were put where they stand.

A schedule keeps the instant of its next slot. Tz data may be exchanged between two starts; by the new rules that
instant may be no slot at all: "every day at seven" would run at six once, or twice within an hour. So whoever starts
looks all schedules over, before the first of them fires.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from backfilld.domain.access.callers import OURSELVES
from backfilld.domain.sessions.positions import Position, by_new_rules
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.events import ScheduleMoved
from backfilld.store.admin import audit
from backfilld.store.connection import transient_errors
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.schedules import firing
from backfilld.store.schedules.positions import put_position
from backfilld.store.schedules.schedules import ScheduleStore

log = logging.getLogger(__name__)

AT_ONCE = 500


async def obey_new_rules(pool: Pool, at: datetime) -> list[ScheduleMoved]:
    """Put every schedule that stands at no slot at the one nearest to it; doing it again changes nothing.

    One of which that cannot be told stays where it is, and is told of.
    """
    told: list[ScheduleMoved] = []
    last = 0
    while page := await firing.list_standing(pool, last, AT_ONCE):
        for id in await asyncio.to_thread(_astray, page):  # many calendars take a while
            try:
                told += await _move(pool, id, at)
            except Exception as problem:
                if transient_errors.is_transient(problem):
                    raise
                log.exception("schedule %s stays where it stands", id)
        last = page[-1][0]
    return told


def _astray(page: Sequence[tuple[int, Callable[[], StoredSchedule]]]) -> list[int]:
    found = []
    for id, read in page:
        try:
            if _wanted(read()) is not None:
                found.append(id)
        except Exception:
            log.exception("whether schedule %s stands at a slot cannot be told", id)
    return found


async def _move(pool: Pool, id: int, at: datetime) -> list[ScheduleMoved]:
    async with pool.acquire() as connection, connection.transaction():
        stored = await ScheduleStore(pool).lock(connection, id)
        wanted = None if stored is None else _wanted(stored)
        if stored is None or wanted is None:
            return []  # somebody else was faster
        await put_position(connection, wanted, at)
        await _write_down(connection, stored, wanted, at)
        return [ScheduleMoved(id, stored.workflow_name, stored.next_session_at, wanted.next_session_at)]


async def _write_down(connection: Connection, stored: StoredSchedule, wanted: Position, at: datetime) -> None:
    await audit.record(
        connection, OURSELVES, "schedule.new_rules", f"schedule/{stored.id}", at=at,
        reason="the rules of its time zone have changed",
        old={"next_session_time": stored.next_session_at, "next_run_time": stored.next_run_at},
        new={"next_session_time": wanted.next_session_at, "next_run_time": wanted.next_run_at},
    )  # fmt: skip


def _wanted(stored: StoredSchedule) -> Position | None:
    try:
        schedule = stored.schedule()
    except ValueError:  # told of when its time comes
        return None
    return by_new_rules(schedule, stored.position)
