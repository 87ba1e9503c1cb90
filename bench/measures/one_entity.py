"""How long one entity takes to be planned, by the daemon's own clock: for P15, alone and beside what else there is."""

import asyncpg

from bench.project import BenchedDaemon
from bench.stock import ENTITY_TYPE

PLANS = 5
TOOK = "SELECT planned_at - created_at AS took FROM backfills WHERE id = $1"


async def planning_seconds(dsn: str, id: str) -> float:
    """From the row of the backfill to its frozen plan."""
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(TOOK, id)
        assert row is not None and row["took"] is not None, f"{id} has no plan"
        return float(row["took"].total_seconds())
    finally:
        await connection.close()


async def one_entity_plans(daemon: BenchedDaemon, dsn: str, plans: int = PLANS) -> list[float]:
    """Seconds of so many backfills of one entity each; none of them is left."""
    seconds = []
    for _ in range(plans):
        id = await daemon.create(entity_type=ENTITY_TYPE, entity_ids=["T0000001"], start="when_approved")
        await daemon.reaches(id, "paused", every_seconds=0.01)
        seconds.append(await planning_seconds(dsn, id))
        await daemon.client.cancel_backfill(id)
    return seconds
