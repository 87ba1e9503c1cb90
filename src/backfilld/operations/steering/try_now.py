"""Asking a target or a source at once that is waited for, and not at its time: somebody has mended it."""

from uuid import UUID

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.holding import OF_BREAKERS
from backfilld.domain.backfills.states import ReasonCode
from backfilld.engine.control import Control
from backfilld.operations.backfills.steer import Signal
from backfilld.operations.backfills.view import Viewer
from backfilld.operations.steering.alter import require_changeable
from backfilld.store.admin import audit
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool

SOURCES = frozenset({ReasonCode.SOURCE_UNREACHABLE, ReasonCode.SOURCE_REFUSED})
ASKED = SOURCES | OF_BREAKERS

_ASKED = dict.fromkeys(OF_BREAKERS, "the target") | {ReasonCode.ENGINE_UNREACHABLE: "the engine"}


class TryingNow:
    """Has whoever runs a backfill ask."""

    def __init__(self, pool: Pool, store: BackfillStore, viewer: Viewer, control: Control, clock: Clock) -> None:
        self._pool = pool
        self._store = store
        self._viewer = viewer
        self._control = control
        self._clock = clock

    async def try_now(self, actor: Actor, id: UUID, *, why: str | None = None) -> Signal:
        """What it waits for is asked as soon as its owner hears of it. NotFound; CannotBeChanged for what has ended."""
        view = await self._viewer.see(*await self._store.get_with_progress(id))
        backfill, reason = view.backfill, view.reason
        require_changeable(backfill)
        if reason is None or reason.code not in ASKED:
            said = "nothing is in its way" if reason is None else f"what it waits for cannot be asked: {reason.message}"
            return Signal("try-now", "there is nothing to ask", view, (said,))
        now = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            await self._store.ask_again(backfill.number, at=now, on=connection)
            await audit.record_on(connection, actor, "backfill.try_now", backfill, at=now, reason=why)
            reached(Point.TRY_NOW_BEFORE_COMMIT)
        reached(Point.TRY_NOW_AFTER_COMMIT)
        await self._control.confirm(backfill.number, backfill.version)  # an owner in this process knows it by that
        what = _ASKED.get(reason.code, "the source")
        seen = await self._viewer.see(*await self._store.get_with_progress(id))
        return Signal("try-now", f"{what} is asked now", seen)
