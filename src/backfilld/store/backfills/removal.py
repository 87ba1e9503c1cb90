"""What may go: the rows of deleted backfills, and what is older than it has to be kept.

Everything goes in pieces, each a transaction of its own and bounded in rows. Whoever takes the pieces decides how
fast; broken off anywhere, it goes on next time where it was.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

_sql = load("backfills.removal")

AT_ONCE = 2_000  # positions, or rows: some ten milliseconds
HIDDEN_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Expired:
    """A backfill that was just hidden because of its age."""

    id: UUID
    workflow: str


@dataclass(frozen=True, slots=True)
class Hidden:
    """A backfill that nobody sees any more, whose outcomes are remembered and whose ledger has its digest."""

    number: int
    id: UUID
    planned: int


class RemovalStore:
    """Removes rows. `at_once` bounds each piece: positions of a plan, or rows of a log."""

    def __init__(self, pool: Pool, *, at_once: int = AT_ONCE) -> None:
        self._pool = pool
        self._at_once = at_once

    async def hide_expired(self, *, ended_before: datetime, at: datetime, why: str) -> list[Expired]:
        """Hide backfills that ended before then (some; ask again until none is left), and write down that it was us."""
        rows = await self._pool.fetch(_sql.hide_expired, ended_before, at, why, HIDDEN_AT_ONCE)
        return [Expired(row["id"], row["workflow"]) for row in rows]

    async def read_evidence(self, number: int, *, on: Connection) -> dict[str, Any]:
        """What the audit log keeps of a backfill whose rows go: what it was, how it went, who and when."""
        found: dict[str, Any] = orjson.loads(await on.fetchval(_sql.read_evidence, number))
        return found

    async def thin_points(self, since: datetime, until: datetime, step: timedelta) -> int:
        """Of the points of progress in `[since, until)` keep one a step, the last; how many went."""
        done: str = await self._pool.execute(_sql.thin_points, since, until, step)
        return int(done.rpartition(" ")[2])

    async def list_hidden(self) -> list[Hidden]:
        """Whatever `remove` may be called for, oldest first."""
        return [Hidden(row["number"], row["id"], row["planned"]) for row in await self._pool.fetch(_sql.list_hidden)]

    async def remove(self, hidden: Hidden) -> AsyncGenerator[int, None]:
        """Remove every row of a hidden backfill; yields after each transaction how many rows it took."""
        for since in range(0, hidden.planned, self._at_once):
            yield await self._pool.fetchval(_sql.delete_positions, hidden.number, since, since + self._at_once)
        while rows := await self._pool.fetchval(_sql.delete_drafts, hidden.number, self._at_once):
            yield rows
        while rows := await self._pool.fetchval(_sql.delete_ids, hidden.number, self._at_once):
            yield rows
        while rows := await self._pool.fetchval(_sql.delete_moves, hidden.number, self._at_once):
            yield rows
        yield await self._pool.fetchval(_sql.delete_backfill, hidden.number)

    async def remove_events(self, *, before: datetime) -> AsyncGenerator[int, None]:
        """Remove what was written down of who did what before then; yields as `remove`."""
        while rows := await self._pool.fetchval(_sql.delete_events, before, self._at_once):
            yield rows

    async def remove_entities(self, *, unchanged_since: datetime) -> AsyncGenerator[int, None]:
        """Remove entities of the built-in store that have not changed since then; yields as `remove`, zeros too.

        Every entity is looked at, a page at a time: there is no index that every upload would have to keep. Who loads
        entities meanwhile waits for what goes, and not for what is looked at.
        """
        for entity_type in await self._pool.fetch(_sql.list_entity_types):
            name, behind = entity_type["name"], ""
            while True:
                page = await self._pool.fetchrow(_sql.find_stale_entities, name, behind, unchanged_since, self._at_once)
                assert page is not None  # noqa: S101 - an aggregate
                stale = page["stale"]
                yield (
                    await self._pool.fetchval(_sql.delete_stale_entities, name, stale, unchanged_since) if stale else 0
                )
                if page["last_id"] is None:
                    break
                behind = page["last_id"]
