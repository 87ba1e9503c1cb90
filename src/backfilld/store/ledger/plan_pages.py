"""What is left of a plan, page by page.

A page takes time in proportion to the positions it looks at, which are bounded, and jumps over the stretches that the
planner left out; whatever the database's statistics say of a backfill that they may not know yet.
"""

from dataclasses import dataclass
from itertools import repeat
from operator import attrgetter

from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load
from backfilld.store.ledger.entries import PlanRow

_sql = load("ledger.plan_pages")
_position = attrgetter("position")


@dataclass(frozen=True, slots=True)
class PlanPage:
    """Items in plan order that nobody has started, and the position to go on from (None: the plan ends here).

    A page may be empty though the plan goes on.
    """

    rows: list[PlanRow]
    goes_on_at: int | None


class PlanPages:
    """Reads the untouched items of any backfill."""

    def __init__(self, pool: Pool | Connection) -> None:
        self._pool = pool

    async def read(self, backfill_number: int, *, since: int, most: int) -> PlanPage:
        """Items without outcome or retry, of the `most` positions from `since` on that may have some."""
        row = await self._pool.fetchrow(_sql.read_plan, backfill_number, since, most)
        assert row is not None  # noqa: S101 - an aggregate always has a row
        positions, ids, attributes, goes_on_at = row
        rows = map(PlanRow, positions or (), ids or (), attributes or repeat(None))
        return PlanPage(sorted(rows, key=_position), goes_on_at)  # they come so, and PostgreSQL does not promise it

    async def read_sample(self, backfill_number: int, *, since: int, most: int) -> PlanPage:
        """The same of the sample alone, at most `most` items."""
        rows = [PlanRow(*row) for row in await self._pool.fetch(_sql.read_sample, backfill_number, since, most)]
        return PlanPage(rows, rows[-1].position + 1 if len(rows) == most else None)
