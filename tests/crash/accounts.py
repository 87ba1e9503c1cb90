"""Three accounts of one backfill that must agree: its rows, its counters over HTTP, and what the target saw."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from tests.support.daemon import DaemonProcess
from tests.support.ledgers import ENDED_ITEMS
from tests.support.logging_target import LoggingTarget

COUNTERS = ("succeeded", "failed", "skipped", "cancelled")


@dataclass(frozen=True)
class Row:
    """One planned item and its outcome."""

    entity_id: str
    status: str | None
    error_class: str | None
    attempts: int | None
    started_at: datetime | None


async def rows_of(dsn: str, id: str) -> list[Row]:
    """The whole plan, as it stands in the database."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            f"""
            SELECT i.entity_id, o.status, o.error_class, o.attempts, o.started_at
              FROM backfills AS b
              JOIN plan_items AS i ON i.backfill_number = b.number
              LEFT JOIN {ENDED_ITEMS} AS o USING (backfill_number, position)
             WHERE b.id = $1
             ORDER BY i.position
            """,  # noqa: S608
            id,
        )
    finally:
        await connection.close()
    return [Row(**dict(row)) for row in rows]


async def counters_of(dsn: str, id: str) -> dict[str, Any]:
    """The row of counters, and how many retries are left."""
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(
            """
            SELECT p.planned, p.succeeded, p.failed, p.skipped, p.cancelled, p.retrying,
                   (SELECT count(*) FROM retries AS r WHERE r.backfill_number = b.number) AS retries
              FROM backfills AS b
              JOIN backfill_progress AS p ON p.backfill_number = b.number
             WHERE b.id = $1
            """,
            id,
        )
    finally:
        await connection.close()
    return dict(row)


async def assert_exact(daemon: DaemonProcess, dsn: str, id: str, *, planned: int) -> Counter[str]:
    """Every item has its one outcome, and all counters say so; how many of each status there are."""
    rows = await rows_of(dsn, id)
    found = Counter(str(row.status) for row in rows)
    counters = await counters_of(dsn, id)
    shown = await daemon.backfill(id)
    listed = [item async for item in daemon.client.every("entities", f"/backfills/{id}/entities")]

    assert planned == len(rows) == len({row.entity_id for row in rows})
    assert [] == [row.entity_id for row in rows if row.status is None]
    assert {name: found[name] for name in COUNTERS} == {name: counters[name] for name in COUNTERS}
    assert (planned, 0, 0) == (counters["planned"], counters["retrying"], counters["retries"])
    assert {name: found[name] for name in COUNTERS} == {name: shown[f"{name}_count"] for name in COUNTERS}
    assert planned == shown["total_entities"] == shown["processed_count"] + shown["cancelled_count"]
    assert [(row.entity_id, row.status) for row in rows] == [(item["entity_id"], item["status"]) for item in listed]
    return found


def assert_keys_never_change(target: LoggingTarget) -> None:
    """Every try and every repeat of an entity carried one key, and no two entities shared one."""
    keys: dict[str, set[str]] = defaultdict(set)
    for call in target.calls:
        keys[call.entity_id].add(call.key)

    assert {1} == {len(found) for found in keys.values()}
    assert len(keys) == len(set.union(*keys.values()))


def repeats(target: LoggingTarget) -> int:
    """How many calls were not the first of their entity."""
    return len(target.calls) - len({call.entity_id for call in target.calls})


def assert_never_above(target: LoggingTarget, max_in_flight: int) -> None:
    """No life of the daemon ever had more in flight."""
    assert {} == {life: most for life, most in target.most_live.items() if most > max_in_flight}


async def assert_audit_is_whole(dsn: str, id: str) -> Counter[str]:
    """Each row of the audit trail begins where the last one ended, and the last one is how it stands; rows by action.

    So no change is missing, and none is written down that did not happen.
    """
    connection = await asyncpg.connect(dsn)
    try:
        backfill = await connection.fetchrow("SELECT number, status, reason_code FROM backfills WHERE id = $1", id)
        rows = await connection.fetch(
            "SELECT action, old, new FROM audit_log WHERE backfill_number = $1 ORDER BY id", backfill["number"]
        )
    finally:
        await connection.close()
    moves = [(_standing(row["old"]), _standing(row["new"])) for row in rows if _standing(row["new"])]
    ends = [("planning", None), *(new for _, new in moves)]

    assert ends[:-1] == [old for old, _ in moves]
    assert (backfill["status"], backfill["reason_code"]) == ends[-1]
    assert ["backfill.create"] == [row["action"] for row in rows if row["action"] == "backfill.create"]
    return Counter(row["action"] for row in rows)


def _standing(told: str | None) -> tuple[str, str | None] | None:
    """Status and reason, if the text says a status."""
    values = json.loads(told) if told else {}
    return (values["status"], values["status_reason"]) if "status_reason" in values else None
