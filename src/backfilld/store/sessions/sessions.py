"""Sessions and their attempts: made here, whoever wants them; shown the same wherever they are shown."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from backfilld.domain.sessions.records import Attempt
from backfilld.domain.unreadable import each
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

_sql = load("sessions.sessions")

_NAME_TAKEN = "attempts_session_id_name_key"


class AttemptNameTaken(Exception):
    """One of the sessions has an attempt of this name already; nothing of the transaction may stay."""


@dataclass(frozen=True, slots=True)
class NewAttempts:
    """One attempt for each slot, under one name. `params` has one object per slot, or is empty for none."""

    project_id: int
    workflow_id: int
    revision_id: int
    timezone: str
    name: str
    created_by: str
    created_at: datetime
    session_times: Sequence[datetime]
    params: Sequence[Mapping[str, Any]] = field(default=())
    backfill_number: int | None = None
    skip_existing: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """An attempt that was just made."""

    id: int
    index: int
    position: int | None
    session_id: int
    session_uuid: UUID
    session_time: datetime


async def open_attempts(connection: Connection, new: NewAttempts) -> list[Opened]:
    """Make them; what they are, in the order of their session times. AttemptNameTaken.

    With `skip_existing`, sessions that have an attempt already are left out, also those made in this very moment.
    """
    params = new.params or [{}] * len(new.session_times)
    texts = [orjson.dumps(each).decode() for each in params]
    try:
        rows = await connection.fetch(
            _sql.open_attempts, new.project_id, new.workflow_id, new.revision_id, new.timezone, new.name,
            new.created_by, new.created_at, new.backfill_number, new.skip_existing, list(new.session_times), texts,
            _bytes_of_uuids(len(texts)),
        )  # fmt: skip
    except asyncpg.UniqueViolationError as problem:
        if problem.constraint_name == _NAME_TAKEN:
            raise AttemptNameTaken(new.name) from problem
        raise
    return [Opened(**row) for row in rows]


def _bytes_of_uuids(count: int) -> list[bytes]:
    """Those of random UUIDs, from one draw; by itself each would take the server four microseconds."""
    drawn = bytearray(os.urandom(16 * count))
    drawn[6::16] = bytes(byte & 0x0F | 0x40 for byte in drawn[6::16])  # version 4
    drawn[8::16] = bytes(byte & 0x3F | 0x80 for byte in drawn[8::16])  # and its variant
    return [bytes(drawn[start : start + 16]) for start in range(0, len(drawn), 16)]


async def list_attempts(on: Connection | Pool, ids: Collection[int]) -> list[Attempt]:
    """Attempts by id, ascending; those that do not exist are left out."""
    return each(await on.fetch(_sql.list_attempts_by_id, list(ids)), attempt_of)


def attempt_of(row: asyncpg.Record) -> Attempt:
    """The attempt of a row with the columns of `list_attempts_by_id`."""
    return Attempt(**{**row, "params": orjson.loads(row["params"])})
