"""How a backfill becomes a row, and a row a backfill.

Apart from the statements, so that every reader of the table agrees on what its columns mean.
"""

import json
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from backfilld.domain.backfills.records import Backfill, Progress, Reason
from backfilld.domain.backfills.states import ReasonCode, Status

_COUNTERS = tuple(f.name for f in fields(Progress) if f.name != "in_flight_retries")


@dataclass(frozen=True, slots=True)
class NewBackfill:
    """What a backfill is made of; it starts as `planning`. JSON values are plain Python values, not text."""

    id: UUID
    kind: str
    workflow_id: int
    revision_id: int
    entity_type: str | None
    filter_spec: Any
    filter_resolved: Any
    windows: Any
    timezone: str
    max_in_flight: int
    max_attempts: int
    created_by: str
    created_at: datetime
    exclusive: bool
    parent_no: int | None = None
    parent_id: UUID | None = None
    entity_ids: tuple[str, ...] | None = None
    excluded_dates: frozenset[date] = frozenset()
    item_order: str = "source"
    reprocess_behavior: str = "failed"
    start_mode: str = "now"
    sample_size: int | None = None
    params: Any = field(default_factory=dict)
    total_estimated: int | None = None
    name: str | None = None
    reason_given: str | None = None
    credits_per_entity: Decimal | None = None
    schedule_id: int | None = None
    session_from: datetime | None = None
    session_to: datetime | None = None
    stop_on_failure: bool = False


def json_text(value: Any) -> str:
    """JSON as it is stored: whole numbers of any size survive, which is why this is not orjson."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def insert_values(new: NewBackfill) -> tuple[Any, ...]:
    """The parameters of `insert_backfill`, in its order."""

    def optional(value: Any) -> str | None:
        return None if value is None else json_text(value)

    return (
        new.id, new.kind, new.parent_no, new.parent_id, new.workflow_id, new.revision_id, new.entity_type,
        optional(new.filter_spec), optional(new.filter_resolved), new.entity_ids,
        optional(new.windows), new.timezone, sorted(new.excluded_dates), new.max_in_flight, new.max_attempts,
        new.item_order, new.reprocess_behavior, new.start_mode,
        new.sample_size, json_text(new.params), new.total_estimated, new.name, new.reason_given, new.credits_per_entity,
        new.exclusive, new.created_by, new.created_at, new.schedule_id, new.session_from, new.session_to,
        new.stop_on_failure,
    )  # fmt: skip


def reason_values(reason: Reason | None) -> tuple[Any, ...]:
    """Code, message, since, until; all None for no reason."""
    if reason is None:
        return (None, None, None, None)
    return (reason.code, reason.message, reason.since, reason.until)


def progress_of(row: asyncpg.Record) -> Progress:
    """The counters of a row that has them."""
    return Progress(**{name: row[name] for name in _COUNTERS})


def _reason(row: asyncpg.Record) -> Reason | None:
    if row["reason_code"] is None:
        return None
    return Reason(ReasonCode(row["reason_code"]), row["reason_message"] or "", row["reason_since"], row["reason_until"])


_OTHERWISE = {"status", "reason", "reason_given", "entity_ids", "excluded_dates"}
_JSON = ("definition", "filter_spec", "filter_resolved", "windows", "params", "error")
_PLAIN = tuple(f.name for f in fields(Backfill) if f.name not in _OTHERWISE and f.name not in _JSON)


def backfill_of(row: asyncpg.Record) -> Backfill:
    """The backfill of a row that carries its workflow's and revision's columns too."""
    documents: dict[str, Any] = {name: None if row[name] is None else json.loads(row[name]) for name in _JSON}
    return Backfill(
        **{name: row[name] for name in _PLAIN},
        **documents,
        status=Status(row["status"]),
        reason=_reason(row),
        reason_given=row["reason"],
        entity_ids=None if row["entity_ids"] is None else tuple(row["entity_ids"]),
        excluded_dates=frozenset(row["excluded_dates"]),
    )
