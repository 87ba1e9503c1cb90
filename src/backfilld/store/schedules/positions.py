"""Where schedules stand, written by whoever writes their workflows or steers them.

All of it happens in the transaction of the caller, who holds the schedule's row.
"""

from datetime import datetime

from backfilld.domain.schedules import Slot
from backfilld.domain.sessions.positions import Position
from backfilld.store.connection.pool import Connection
from backfilld.store.connection.queries import load

_sql = load("schedules.positions")


async def lock_position(connection: Connection, workflow_id: int) -> Position | None:
    """Where the schedule of a workflow stands, held until the transaction ends; None if it has none."""
    row = await connection.fetchrow(_sql.lock_position, workflow_id)
    return Position(**row) if row else None


async def insert_schedule(connection: Connection, workflow_id: int, slot: Slot, at: datetime) -> int:
    """A schedule that stands at `slot`; its id."""
    id: int = await connection.fetchval(_sql.insert_schedule, workflow_id, slot.session_time, slot.run_time, at)
    await tell_live(connection)
    return id


async def put_position(connection: Connection, position: Position, at: datetime) -> None:
    """Let it stand exactly so."""
    await connection.execute(
        _sql.put_position, position.id, position.next_session_at, position.next_run_at,
        position.last_session_at, position.skipped_to, at,
    )  # fmt: skip
    await tell_live(connection)


async def delete_schedule(connection: Connection, workflow_id: int) -> None:
    """The workflow has no schedule any more, if it had one."""
    await connection.execute(_sql.delete_schedule, workflow_id)


async def set_disabled(connection: Connection, id: int, disabled_at: datetime | None, at: datetime) -> None:
    """Let it fire no more, or again."""
    await connection.execute(_sql.set_disabled, id, disabled_at, at)
    await tell_live(connection)


async def tell_live(connection: Connection) -> None:
    """Every daemon looks at its schedules and their attempts as soon as the transaction is committed."""
    await connection.execute(_sql.tell_live)
