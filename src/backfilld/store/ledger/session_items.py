"""Attempts that are items of a backfill: what their owner reads and writes of them.

The ledger stays the account of the backfill; whatever it says of an item is said of the item's attempt in the same
transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from backfilld.domain.backfills.records import Item
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load
from backfilld.store.ledger.entries import EndedItem, TriedItem

_sql = load("ledger.session_items")


@dataclass(frozen=True, slots=True)
class SessionItem:
    """The attempt behind an item."""

    attempt_id: int
    index: int
    name: str
    params: Any
    project_id: int
    timezone: str
    session_id: int
    session_uuid: UUID
    session_time: datetime


class SessionItems:
    """The attempts of one database's backfills over sessions."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, backfill_number: int, ids: Sequence[str]) -> dict[str, SessionItem]:
        """The attempts behind items, by the items' entity ids."""
        rows = await self._pool.fetch(_sql.read_items, backfill_number, list(ids))
        return {row["entity_id"]: _session_item(row) for row in rows}

    async def note_running(self, backfill_number: int, fence: int, item: Item, at: datetime) -> None:
        """Say that a try of an item is under way; if it comes too late, nothing is said."""
        await self._pool.execute(_sql.note_running, backfill_number, fence, item.position, at, item.attempt)

    async def is_free(self, backfill_number: int, position: int) -> bool:
        """True if the session before that position has no attempt that is not finished."""
        return await self._pool.fetchval(_sql.find_unfinished_before, backfill_number, position) is None

    async def list_killed(self, backfill_number: int) -> set[int]:
        """Positions whose attempts somebody wants to end, and that have not ended."""
        return {row["position"] for row in await self._pool.fetch(_sql.list_killed, backfill_number)}

    async def end_killed(self, backfill_number: int, at: datetime) -> None:
        """End what somebody wanted to end while its owner was leaving. Not if somebody runs the backfill again."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.fetchrow(_sql.lock_backfill, backfill_number)
            if await connection.fetchval(_sql.find_owner, backfill_number) is None:
                for row in await connection.fetch(_sql.list_killed, backfill_number):
                    await _end_killed(connection, backfill_number, row["position"], at)


async def finish(connection: Connection, ended: Sequence[EndedItem], tried: Sequence[TriedItem]) -> None:
    """Say of attempts what the ledger was just told of their items."""
    if tried:
        await connection.execute(
            _sql.rest_attempts,
            [item.backfill_number for item in tried],
            [item.position for item in tried],
            [item.tried.attempt for item in tried],
            [item.tried.next_attempt_at for item in tried],
            [item.tried.finished_at for item in tried],
            [item.tried.log for item in tried],
        )
    if ended:
        await connection.execute(
            _sql.finish_attempts,
            [item.backfill_number for item in ended],
            [item.position for item in ended],
            [item.outcome.log for item in ended],
        )


async def cancel(connection: Connection, backfill_number: int, at: datetime) -> None:
    """End the attempts whose items a cancel is ending."""
    await connection.execute(_sql.cancel_attempts, backfill_number, at)


async def request_kill(
    connection: Connection, backfill_number: int, attempt_id: int, at: datetime
) -> "KillRequest | None":
    """Write down that an attempt shall end, and end it if nobody runs its backfill. None: it has finished already.

    Takes the connection of a transaction.
    """
    await connection.fetchrow(_sql.lock_backfill, backfill_number)
    row = await connection.fetchrow(_sql.request_kill, attempt_id, at)
    if row is None:
        return None
    has_owner = await connection.fetchval(_sql.find_owner, backfill_number) is not None
    if not has_owner:
        await _end_killed(connection, backfill_number, row["position"], at)
    await connection.execute(_sql.wake, backfill_number)
    await connection.execute(_sql.tell_owner, backfill_number)
    return KillRequest(is_first=row["is_first"], has_ended=not has_owner)


async def _end_killed(connection: Connection, backfill_number: int, position: int, at: datetime) -> None:
    """End one that nobody else can end."""
    await connection.execute(_sql.end_killed, backfill_number, position, at)
    await connection.execute(_sql.finish_attempts, [backfill_number], [position], [None])
    await connection.execute(_sql.wake, backfill_number)


@dataclass(frozen=True, slots=True)
class KillRequest:
    """`is_first`: nobody had asked for it before. `has_ended`: nobody needs to be waited for."""

    is_first: bool
    has_ended: bool


def _session_item(row: asyncpg.Record) -> SessionItem:
    own = {name: value for name, value in row.items() if name != "entity_id"}
    return SessionItem(**{**own, "params": orjson.loads(own["params"])})
