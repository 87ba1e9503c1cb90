"""What is left of a plan, page by page.

A page takes time in proportion to the positions it looks at, which are bounded, and jumps over the stretches that the
planner left out; whatever the database's statistics say of a backfill that they may not know yet.
"""

from dataclasses import dataclass

from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load
from backfilld.store.ledger.entries import PlanRow

_sql = load("ledger.plan_pages")


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
        rows = await self._pool.fetch(_sql.read_plan, backfill_number, since, most)
        goes_on_at = rows.pop()["position"] if rows and rows[-1]["entity_id"] is None else None
        return PlanPage([PlanRow(*row) for row in rows], goes_on_at)

    async def read_sample(self, backfill_number: int, *, since: int, most: int) -> PlanPage:
        """The same of the sample alone, at most `most` items."""
        rows = [PlanRow(*row) for row in await self._pool.fetch(_sql.read_sample, backfill_number, since, most)]
        return PlanPage(rows, rows[-1].position + 1 if len(rows) == most else None)
