"""What starting and killing an attempt by hand asks of the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from backfilld.store.connection.pool import Connection
from backfilld.store.connection.queries import load

_sql = load("sessions.attempt_starts")


@dataclass(frozen=True, slots=True)
class Startable:
    """A revision of a workflow that is not deleted."""

    workflow_id: int
    project_id: int
    workflow_name: str
    enabled: bool
    revision_id: int
    definition: Mapping[str, Any]
    managed_by: str


@dataclass(frozen=True, slots=True)
class KillRequest:
    """`has_ended`: nobody ran it, so that it is over; `is_first`: nobody has asked for it before."""

    has_ended: bool
    is_first: bool


async def find_startable(connection: Connection, id: int) -> Startable | None:
    """What the id of a workflow, or of one of its revisions, names; nobody changes it until the transaction ends."""
    await connection.execute(_sql.hold_workflow, id)
    row = await connection.fetchrow(_sql.find_startable, id)
    return Startable(**{**row, "definition": orjson.loads(row["definition"])}) if row else None


async def find_attempt(connection: Connection, workflow_id: int, session_time: datetime, name: str) -> int | None:
    """The attempt of that name, if the session has one."""
    id: int | None = await connection.fetchval(_sql.find_attempt, workflow_id, session_time, name)
    return id


async def request_kill(connection: Connection, id: int, at: datetime) -> KillRequest | None:
    """Have an attempt that no backfill carries killed; None if it has finished."""
    row = await connection.fetchrow(_sql.request_kill, id, at)
    return KillRequest(**row) if row else None
