"""Numbers for those who watch the daemon."""

from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

_sql = load("backfills.counts")


async def count_active_backfills(pool: Pool) -> list[tuple[str, str | None, int]]:
    """How many backfills are active, by status and reason code."""
    rows = await pool.fetch(_sql.count_active_backfills)
    return [(row["status"], row["reason_code"], row["number"]) for row in rows]
