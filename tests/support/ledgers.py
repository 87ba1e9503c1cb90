"""Ledgers for tests that begin with one: what the planner and the recorder would have written."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tests.support.clock import NOON

from backfilld.domain.backfills.records import Backfill
from backfilld.store.connection.pool import Connection, Pool

MOMENT = timedelta(milliseconds=250)
# What became of every item, also of those that were cancelled with the rest and have no row.
ENDED_ITEMS = """(
SELECT backfill_number, position, status::text AS status, error_class, skip_reason, fingerprint, credits, attempts,
       started_at
  FROM outcomes
 UNION ALL
SELECT i.backfill_number, i.position, 'cancelled', NULL, NULL, NULL, NULL, 0, NULL
  FROM plan_items AS i
  JOIN backfill_progress AS p USING (backfill_number)
 WHERE p.rest_cancelled_at IS NOT NULL
   AND NOT EXISTS (SELECT FROM outcomes AS o
                    WHERE o.backfill_number = i.backfill_number AND o.position = i.position))"""


async def make_ledger(pool: Pool, backfill: Backfill, entries: Mapping[str, str]) -> None:
    """A frozen plan of `entries`, in their order: entity id → succeeded, failed, skipped, cancelled, retrying, pending.

    A status may carry an error class, as in `failed:http_404`. The counters fit.
    """
    kinds = {entity_id: status.partition(":") for entity_id, status in entries.items()}
    for position, (entity_id, (status, _, error_class)) in enumerate(kinds.items()):
        await pool.execute(
            "INSERT INTO plan_items (backfill_number, position, entity_id) VALUES ($1, $2, $3)",
            backfill.number, position, entity_id,
        )  # fmt: skip
        if status == "retrying":
            await insert_retry(pool, backfill.number, position, error_class or "timeout")
        elif status != "pending":
            await _insert_outcome(pool, backfill.number, position, status, error_class)
    counts = dict.fromkeys(("succeeded", "failed", "skipped", "cancelled", "retrying"), 0)
    for status, _, _ in kinds.values():
        if status in counts:
            counts[status] += 1
    untouched = [position for position, kind in enumerate(kinds.values()) if kind[0] == "pending"]
    await pool.execute(
        "UPDATE backfill_progress SET planned = $2, succeeded = $3, failed = $4, skipped = $5, cancelled = $6,"
        " retrying = $7, low_water_mark = $8, started_at = $9 WHERE backfill_number = $1",
        backfill.number, len(entries), *counts.values(), untouched[0] if untouched else len(entries), NOON,
    )  # fmt: skip
    await pool.execute("UPDATE backfills SET planned_at = $2 WHERE number = $1", backfill.number, NOON)


async def insert_retry(pool: Pool, number: int, position: int, error_class: str = "timeout") -> None:
    """An item that waits for its second try."""
    await pool.execute(
        "INSERT INTO retries (backfill_number, position, tries, counted, next_attempt_at, first_started_at,"
        " last_failed_at, error_class, error) VALUES ($1, $2, 1, 1, $3, $4, $4, $5, 'again')",
        number, position, NOON + timedelta(hours=1), NOON, error_class,
    )  # fmt: skip
    await insert_try(pool, number, position, error_class=error_class)


async def insert_try(pool: Pool, number: int, position: int, *, attempt: int = 1, error_class: str = "timeout") -> None:
    """A try that was not final."""
    await pool.execute(
        "INSERT INTO tries"
        " (backfill_number, position, attempt, started_at, finished_at, error_class, error, http_status)"
        " VALUES ($1, $2, $3, $4, $5, $6, 'again', 503)",
        number, position, attempt, NOON, NOON + MOMENT, error_class,
    )  # fmt: skip


async def _insert_outcome(pool: Pool, number: int, position: int, status: str, error_class: str) -> None:
    ran = status in ("succeeded", "failed")
    values: dict[str, Any] = {
        "started_at": NOON if ran else None,
        "finished_at": NOON + MOMENT,
        "attempts": 1 if ran else 0,
        "message": "done" if status == "succeeded" else None,
        "result": '{"label": "a"}' if status == "succeeded" else None,
        "error_class": (error_class or "http_500") if status == "failed" else None,
        "error": "no" if status == "failed" else None,
        "skip_reason": "already_succeeded" if status == "skipped" else None,
    }
    columns = ", ".join(values)
    places = ", ".join(f"${number}" for number in range(4, 4 + len(values)))
    await pool.execute(
        f"INSERT INTO outcomes (backfill_number, position, status, {columns}) VALUES ($1, $2, $3, {places})",  # noqa: S608 - names from above
        number, position, status, *values.values(),
    )  # fmt: skip


async def rows_touched(connection: Connection) -> int:
    """How many rows of plans and ledgers this connection has looked at, lately: only a difference says something."""
    touched: int = await connection.fetchval(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables"
        " WHERE relname = ANY ($1::text[])",
        ["plan_items", "outcomes", "retries", "tries", "last_runs", "entities"],
    )
    return touched
