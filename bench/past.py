"""A backfill with a long past, written behind the daemon's back: to run a million items is not what is measured."""

import asyncio

import asyncpg
from tests.support.daemon import ENDED, DaemonProcess

from bench.stock import ENTITY_TYPE

POLL_SECONDS = 0.1
LONGEST_SECONDS = 600.0
# The one item that was run stands at position 0, and stays as it was.
FILL = """
WITH items AS (
    INSERT INTO plan_items (backfill_number, position, entity_id)
    SELECT $1, n, 'T' || lpad(n::text, 7, '0') FROM generate_series(1, $2::integer - 1) AS n
    RETURNING position
)
INSERT INTO outcomes (backfill_number, position, status, started_at, finished_at, attempts, http_status, message,
                      result, error_class, error)
SELECT $1, position, CASE WHEN position % $3 = 0 THEN 'failed' ELSE 'succeeded' END::outcome_status, now(), now(), 1,
       200,
       CASE WHEN position % $3 > 0 THEN 'classified as hardware' END,
       CASE WHEN position % $3 > 0 THEN '{"label": "hardware", "score": 0.93}'::json END,
       CASE WHEN position % $3 = 0 THEN 'http_422' END,
       CASE WHEN position % $3 = 0 THEN 'unknown category ' || position END
  FROM items
"""
COUNT = """
UPDATE backfill_progress SET planned = $2::integer, succeeded = $2::integer - $3::integer, failed = $3
 WHERE backfill_number = $1
"""
# The past is past: what wrote it is not left to whoever reads it first.
SETTLE = ("VACUUM (ANALYZE) plan_items, outcomes", "CHECKPOINT")
STATUS = "UPDATE backfills SET status = 'completed_with_failures' WHERE number = $1"


async def long_ended(daemon: DaemonProcess, dsn: str, items: int, *, fails_each: int = 10) -> str:
    """The id of an ended backfill over the first `items` entities of the stock; each `fails_each`-th of them failed."""
    id = await daemon.create(entity_type=ENTITY_TYPE, entity_ids=["T0000000"])
    async with asyncio.timeout(LONGEST_SECONDS):
        while not _is_over(await daemon.backfill(id)):
            await asyncio.sleep(POLL_SECONDS)
    connection = await asyncpg.connect(dsn)
    try:
        number = await connection.fetchval("SELECT max(number) FROM backfills")
        await connection.execute(FILL, number, items, fails_each, timeout=LONGEST_SECONDS)
        await connection.execute(COUNT, number, items, (items - 1) // fails_each)
        await connection.execute(STATUS, number)
        for statement in SETTLE:
            await connection.execute(statement, timeout=LONGEST_SECONDS)
    finally:
        await connection.close()
    return id


def _is_over(backfill: dict[str, object]) -> bool:
    """Whether it has ended, and nothing is left to be done about it."""
    return backfill["status"] in ENDED and backfill["ledger_digest"] is not None
