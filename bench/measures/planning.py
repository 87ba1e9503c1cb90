"""P8: making a plan, beside the least that it could take: the same rows copied out of the store and into a table.

The copy has the same filter, order, columns and indexes, and goes through a client as ours does. Nothing else.
"""

import io
import time
from statistics import median
from typing import Any

import asyncpg

from bench.measures.one_entity import planning_seconds
from bench.project import benched_daemon
from bench.setting import Setting
from bench.stock import ENTITY_TYPE, STATUSES

ROUNDS = 3
OUT = """
    SELECT 1::bigint, (row_number() OVER (ORDER BY id) - 1)::integer, id, NULL::json
      FROM entities WHERE entity_type = $1 AND attributes ->> 'status' = ANY ($2::text[]) ORDER BY id
"""


async def measure(setting: Setting) -> dict[str, Any]:
    """The median of the ratios, each made in a database of its own."""
    ratios, seconds = [], []
    template, key = await setting.stock.template(setting.scale.medium)
    for _ in range(ROUNDS):
        async with setting.postgres.database(template) as dsn:
            plain = await _copied(dsn)
            async with benched_daemon(setting.folder, dsn, key, setting.target) as daemon:
                id = await daemon.planned()
                planned = await planning_seconds(dsn, id)
        ratios.append(planned / plain)
        seconds.append(planned)
    items = setting.scale.medium
    return {
        "ratio": median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios), "rounds": ROUNDS,
        "micros_per_item": median(seconds) / items * 1e6, "items": items,
    }  # fmt: skip


async def _copied(dsn: str) -> float:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE TABLE plain (LIKE plan_items INCLUDING ALL)")
        began = time.monotonic()
        rows = io.BytesIO()
        await connection.copy_from_query(OUT, ENTITY_TYPE, list(STATUSES), output=rows, format="binary")
        rows.seek(0)
        await connection.copy_to_table("plain", source=rows, format="binary")
        seconds = time.monotonic() - began
        await connection.execute("DROP TABLE plain")
        return seconds
    finally:
        await connection.close()
