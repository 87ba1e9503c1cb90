"""Ending one attempt of a backfill, while the rest of the backfill goes on.

Nobody runs the backfill: it is ended here. Somebody does: it is written down, and the owner, on whichever daemon, cuts
it off or takes it out of the plan; he is waited for, but not for long, since a program may take its time to die.
"""

from backfilld.clock import Clock
from backfilld.crash_points import Point, reached
from backfilld.domain.access.callers import Actor
from backfilld.domain.errors import Conflict
from backfilld.domain.sessions.records import Attempt
from backfilld.engine.control import Control
from backfilld.store.admin import audit
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger import session_items as items
from backfilld.store.sessions.sessions import list_attempts

WAITS_SECONDS = 3.0
LOOKS_EVERY_SECONDS = 0.02


class BackfillKiller:
    """Kills attempts that have a backfill."""

    def __init__(self, pool: Pool, control: Control, clock: Clock) -> None:
        self._pool = pool
        self._control = control
        self._clock = clock

    async def kill(self, actor: Actor, attempt: Attempt) -> None:
        """End it now, or have it ended; its state afterwards is for the caller to read. Conflict if it has finished."""
        if attempt.backfill_number is None:
            raise ValueError(f"attempt {attempt.id} belongs to no backfill")
        at = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            request = await items.request_kill(connection, attempt.backfill_number, attempt.id, at)
            if request is None:
                raise Conflict(f"attempt {attempt.id} is already killed or finished", code="attempt_finished")
            if request.is_first:
                await audit.record(
                    connection, actor, "attempt.kill", f"attempt/{attempt.id}", at=at,
                    backfill_number=attempt.backfill_number, new=told_of(attempt),
                )  # fmt: skip
            reached(Point.KILL_BEFORE_COMMIT)
        reached(Point.KILL_AFTER_COMMIT)
        self._control.nudge()
        if not request.has_ended:
            await self._wait(attempt.id)

    async def _wait(self, attempt_id: int) -> None:
        until = self._clock.monotonic() + WAITS_SECONDS
        while self._clock.monotonic() < until:
            found = await list_attempts(self._pool, [attempt_id])
            if not found or found[0].finished_at is not None:
                return
            await self._clock.sleep(LOOKS_EVERY_SECONDS)


def told_of(attempt: Attempt) -> dict[str, object]:
    """Which attempt it is, for whoever reads of it in a timeline or in the audit log."""
    return {
        "attempt_id": attempt.id,
        "session_time": attempt.session_time,
        "name": attempt.name,
        "workflow": attempt.workflow_name,
    }
