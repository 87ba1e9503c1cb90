"""How a backfill becomes a row, and a row a backfill.

Apart from the statements, so that every reader of the table agrees on what its columns mean.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.records import Backfill, Child, Progress
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.entities.ids import NamedIds
from backfilld.store.backfills.ids import EndedIn


@dataclass(frozen=True, slots=True)
class NewBackfill:
    """What a backfill is made of; it starts as `planning`. JSON values are plain Python values, not text."""

    id: UUID
    kind: str
    workflow_id: int
    revision_id: int
    settings: BackfillSettings
    filter_resolved: Any
    created_by: str
    created_at: datetime
    exclusive: bool
    parent_number: int | None = None
    parent_id: UUID | None = None
    entity_ids: Sequence[str] | EndedIn | None = None  # None: whatever matches
    credits_per_entity: Decimal | None = None
    schedule_id: int | None = None
    session_from: datetime | None = None
    session_to: datetime | None = None


_SETTINGS = TypeAdapter(BackfillSettings)
_COLUMNS = ("entity_type", "max_in_flight", "name")  # settings that statements ask for; the rest is one document
_NEW = tuple(f.name for f in fields(NewBackfill) if f.name not in ("settings", "entity_ids"))
_JSON = ("definition", "filter_resolved", "error")
_PLAIN = tuple(
    f.name for f in fields(Backfill) if f.name not in (*_JSON, "settings", "status", "reason", "named_ids", "children")
)
_COUNTERS = tuple(f.name for f in fields(Progress) if f.name != "in_flight_retries")


def json_text(value: Any) -> str:
    """JSON as it is stored: whole numbers of any size survive, which is why this is not orjson."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def row_text(new: NewBackfill) -> str:
    """The row of `insert_backfill`: a JSON object by the names of the columns."""
    settings = _SETTINGS.dump_python(new.settings, mode="json")
    row = {name: getattr(new, name) for name in _NEW} | {name: settings.pop(name) for name in _COLUMNS}
    return json.dumps(row | {"settings": settings}, ensure_ascii=False, separators=(",", ":"), default=str)


def settings_values(settings: BackfillSettings) -> tuple[str, int, str | None]:
    """The document, and those that have columns of their own and may change: max_in_flight, name."""
    document = _SETTINGS.dump_python(settings, mode="json")
    kept = {name: value for name, value in document.items() if name not in _COLUMNS}
    return json_text(kept), settings.max_in_flight, settings.name


def reason_values(reason: Reason | None) -> tuple[Any, ...]:
    """Code, message, since, until; all None for no reason."""
    if reason is None:
        return (None, None, None, None)
    return (reason.code, reason.message, reason.since, reason.until)


def facts_of(reason: Reason | None) -> str | None:
    """What the text of a reason is made of, as JSON."""
    return None if reason is None or reason.facts is None else json_text(dict(reason.facts))


def progress_of(row: asyncpg.Record) -> Progress:
    """The counters of a row that has them."""
    return Progress(**{name: row[name] for name in _COUNTERS})


def _reason(row: asyncpg.Record) -> Reason | None:
    if row["reason_code"] is None:
        return None
    facts = row["reason_facts"]
    return Reason(
        ReasonCode(row["reason_code"]),
        row["reason_message"] or "",
        row["reason_since"],
        row["reason_until"],
        None if facts is None else json.loads(facts),
    )


def backfill_of(row: asyncpg.Record) -> Backfill:
    """The backfill of a row that has the columns of `backfills.sql`."""
    return Backfill(
        **{name: row[name] for name in _PLAIN},
        **{name: _json(row[name]) for name in _JSON},
        settings=_settings(row),
        status=Status(row["status"]),
        reason=_reason(row),
        named_ids=_named_ids(row),
        children=tuple(Child(UUID(id), Status(status)) for id, status in _json(row["children"]) or ()),
    )


def _settings(row: asyncpg.Record) -> BackfillSettings:
    return _SETTINGS.validate_python(json.loads(row["settings"]) | {name: row[name] for name in _COLUMNS})


def _named_ids(row: asyncpg.Record) -> NamedIds | None:
    if row["entity_ids_count"] is None:
        return None
    return NamedIds(row["entity_ids_count"], row["entity_ids_digest"], tuple(row["first_ids"]))


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)
