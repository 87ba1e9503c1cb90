"""Stop everything, and start everything again: two verbs over one order that every daemon obeys.

The order is stored before anybody is asked to confirm it. So it holds even if the answer is lost, a daemon
cannot be reached, or the machine goes down in the middle; asking again only waits for the confirmation.
"""

from dataclasses import dataclass

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import SYSTEM, Actor
from backfilld.domain.stopping import StopOrder
from backfilld.engine.starting.stop_order import Stopping
from backfilld.store.admin import audit
from backfilld.store.admin.stopping import StopStore
from backfilld.store.connection.pool import Pool

SUBJECT = "daemon"


@dataclass(frozen=True, slots=True)
class Ordered:
    """The order in force, and what came of asking for it, for people."""

    order: StopOrder
    message: str


class StopOperations:
    """What administrators may ask of all daemons at once."""

    def __init__(self, pool: Pool, store: StopStore, control: Stopping, clock: Clock) -> None:
        self._pool = pool
        self._store = store
        self._control = control
        self._clock = clock

    async def stop_all(self, actor: Actor, *, why: str | None = None) -> Ordered:
        """Nothing starts anywhere once this has returned; what is in flight finishes. Unavailable."""
        order, changed = await self._order(actor, stopped=True, why=why)
        await self._control.confirm(order.version)
        reached(Point.STOP_ALL_CONFIRMED)
        message = "nothing starts until start-all, what is in flight finishes"
        return Ordered(order, message if changed else f"nothing new: {order.message}")

    async def start_all(self, actor: Actor, *, why: str | None = None) -> Ordered:
        """Take the order back: within seconds everything goes on that nothing else holds."""
        order, changed = await self._order(actor, stopped=False, why=why)
        await self._control.look()  # so that whoever looks here sees it at once; the others hear of it
        return Ordered(order, "everything goes on, unless something else holds it" if changed else "nothing is stopped")

    async def stop_at_start(self) -> StopOrder:
        """The order of `serve --paused`, given before anything runs here that could start something."""
        order, _ = await self._order(Actor(SYSTEM), stopped=True, why="started with --paused")
        return order

    async def _order(self, actor: Actor, *, stopped: bool, why: str | None) -> tuple[StopOrder, bool]:
        """The order in force, and whether this changed it."""
        now = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            present = await self._store.lock(on=connection)
            if present.stopped is stopped:
                return present, False
            order = await self._store.change(stopped=stopped, by=actor.name, why=why, at=now, on=connection)
            action = "daemon.stop_all" if stopped else "daemon.start_all"
            old, new = {"stopped": present.stopped}, {"stopped": stopped}
            await audit.record(connection, actor, action, SUBJECT, at=now, reason=why, old=old, new=new)
            reached(Point.STOP_ALL_BEFORE_COMMIT if stopped else Point.START_ALL_BEFORE_COMMIT)
        reached(Point.STOP_ALL_AFTER_COMMIT if stopped else Point.START_ALL_AFTER_COMMIT)
        return order, True
