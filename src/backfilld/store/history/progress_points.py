"""How backfills went: their cumulative counters, a point a minute and one at each move of the status."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from backfilld.domain.backfills.open_rates import Point
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

_sql = load("history.progress_points")


class ProgressPoints:
    """The table `progress_points`. Points of moves are written by the statement that moves."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def note_minute(self, now: datetime) -> None:
        """Write down where each active backfill stands, unless somebody has since the minute began."""
        await self._pool.execute(_sql.note_minute, now, now.replace(second=0, microsecond=0))

    async def list_samples(
        self, backfill_number: int, since: datetime, until: datetime, step: timedelta
    ) -> list[Point]:
        """The last point of each step in `[since, until)`, oldest first, behind the last one before `since`."""
        rows = await self._pool.fetch(_sql.list_samples, backfill_number, since, until, step)
        return sorted(map(_point, rows), key=lambda point: point.at)

    async def find_bounds(self, backfill_number: int) -> tuple[datetime, datetime] | None:
        """When its first and last points were taken; None if it has none."""
        row = await self._pool.fetchrow(_sql.find_bounds, backfill_number)
        return None if row is None or row["first_at"] is None else (row["first_at"], row["last_at"])

    async def list_latest(self, backfill_numbers: Sequence[int], *, most: int) -> dict[int, list[Point]]:
        """The newest `most` points of each, newest first."""
        found: dict[int, list[Point]] = {number: [] for number in backfill_numbers}
        for row in await self._pool.fetch(_sql.list_latest, list(backfill_numbers), most):
            found[row["backfill_number"]].append(_point(row))
        return found


def _point(row: asyncpg.Record) -> Point:
    return Point(**{name: row[name] for name in Point.__slots__})
