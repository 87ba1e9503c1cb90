"""What outlives a backfill: the last outcome of each entity under its workflow.

Filled in batches behind the recorder, so that a success writes nothing but its one row; brought up to
date before a planner or a preview reads it.
"""

from collections.abc import Sequence
from datetime import datetime

from backfilld.crash_points import Point, reached
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

queries = load("ledger.last_runs")

AT_ONCE = 10_000


class LastRunsStore:
    """`last_runs`, and the answers that idempotency keys stand for."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def bring_up_to_date(self, workflow_id: int | None = None) -> int:
        """Remember the outcomes of a workflow's backfills (None: of all that have ended); how many were looked at."""
        only_ended = workflow_id is None
        rows = await self._pool.fetch(queries.list_unremembered, workflow_id, only_ended)
        for row in rows:
            await self._bring_up_to_date(
                row["number"], row["remembered_mark"], row["low_water_mark"], row["planned"], ended=row["ended"]
            )
            await self._pool.execute(queries.note_remembered, row["number"], row["outcomes"], row["ended"])
        return len(rows)

    async def last_outcomes(self, workflow_id: int, entity_type: str, ids: Sequence[str]) -> dict[str, str]:
        """How each of `ids` ended last under the workflow; those that never ran are missing."""
        rows = await self._pool.fetch(queries.last_outcomes, workflow_id, entity_type, ids)
        return {row["entity_id"]: row["status"] for row in rows}

    async def _bring_up_to_date(
        self, number: int, mark: int, low_water_mark: int, planned: int, *, ended: bool
    ) -> None:
        """What lies before the low-water mark, to which nobody comes back, and what has ended ahead of it."""
        await self._remember(number, mark, planned if ended else low_water_mark, moves=True)
        await self._pool.execute(queries.remember_waiting, number)
        if not ended:
            await self._remember(number, low_water_mark, planned, moves=False)

    async def _remember(self, number: int, since: int, until: int, *, moves: bool) -> None:
        """`moves`: the mark comes along, past what waits for its next try."""
        while since < until:
            async with self._pool.acquire() as connection, connection.transaction():
                since = await connection.fetchval(queries.remember, number, since, until, AT_ONCE, moves)
                if moves:
                    await connection.execute(queries.move_remembered_mark, number, since)
                reached(Point.REMEMBER_BEFORE_COMMIT)
            reached(Point.REMEMBER_AFTER_COMMIT)

    async def forget_idempotency_keys(self, *, older_than: datetime) -> None:
        await self._pool.execute(queries.forget_idempotency_keys, older_than)
