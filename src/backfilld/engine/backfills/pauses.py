"""Pauses that somebody wanted until a certain time: they end by themselves, as if somebody had resumed then."""

from datetime import datetime

from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import OURSELVES
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.changes import resumed
from backfilld.engine.backfills.context import BackfillContext
from backfilld.events import StatusChanged
from backfilld.store.admin import audit
from backfilld.store.connection.pool import Connection

WHY = "it was paused until now"


async def end_pauses(tools: BackfillContext, now: datetime) -> None:
    """Let those go on that are paused until `now` or earlier; of several daemons one does, and writes it down."""
    for number in await tools.keeper.store.list_over_pauses(now):
        async with tools.pool.acquire() as connection, connection.transaction():
            moved = await _end(tools, number, now, connection)
            reached(Point.PAUSE_END_BEFORE_COMMIT)
        if moved is not None:
            reached(Point.PAUSE_END_AFTER_COMMIT)
            status, reason = moved.status, moved.reason
            code, message, until = (reason.code, reason.message, reason.until) if reason else (None, None, None)
            tools.bus.tell(StatusChanged(moved.id, moved.workflow_name, status, code, message, until))


async def _end(tools: BackfillContext, number: int, now: datetime, connection: Connection) -> Backfill | None:
    backfill = await tools.backfills.lock(number, on=connection)
    if backfill is None or not is_over(backfill, now):
        return None
    following = resumed(backfill, now)
    moved = await tools.backfills.move(
        number,
        following.status,
        reason=following.reason,
        at=now,
        expected={Status.PAUSED},
        wake_at=following.wake_at,
        on=connection,
    )
    if moved is not None:
        old, new = audit.standing_of(backfill), audit.standing_of(moved)
        await audit.record_on(connection, OURSELVES, "backfill.resume", backfill, at=now, reason=WHY, old=old, new=new)
    return moved


def is_over(backfill: Backfill, now: datetime) -> bool:
    """Whether it is paused until `now`, or earlier."""
    reason = backfill.reason
    is_of_user = backfill.status is Status.PAUSED and reason is not None and reason.code is ReasonCode.PAUSED_BY_USER
    return is_of_user and backfill.wake_at is not None and backfill.wake_at <= now
