"""The ledger as a table, and one entity of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from urllib.parse import quote, urlencode

from backfilld.operations.backfills.ledger import LedgerEntry
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.words import times

# status → what it is called, and the fill that its mark has
OUTCOMES = {
    "succeeded": ("succeeded", "succeeded"), "failed": ("failed", "failed"), "skipped": ("skipped", "skipped"),
    "in_flight": ("in flight", "flight"), "retrying": ("to retry", "retry"), "pending": ("pending", "pending"),
    "cancelled": ("cancelled", "cancelled"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chip:
    """One way to look at the ledger."""

    name: str
    count: int
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One entity."""

    entity_id: str
    word: str
    fill: str
    tries: int
    ended: str
    whole: str
    took: str
    said: str
    error_class: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try."""

    number: int
    outcome: str
    started: str
    whole: str
    took: str
    error_class: str
    error: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The same entity in another backfill. `at`: when it ended there, or the backfill was made."""

    name: str
    address: str
    word: str
    fill: str
    at: datetime
    error_class: str


def elsewhere_of(entry: LedgerEntry) -> Sequence[Elsewhere]:
    return [
        Elsewhere(
            name=one.name or str(one.backfill_id)[:8],
            address=f"/backfills/{one.backfill_id}/entities/{quote(entry.entity_id, safe='')}",
            word=OUTCOMES[one.status][0],
            fill=OUTCOMES[one.status][1],
            at=one.finished_at or one.created_at,
            error_class=one.error_class or "",
        )
        for one in entry.elsewhere
    ]


def chips_of(view: BackfillView, base: str, chosen: str) -> Sequence[Chip]:
    counts = view.counts
    numbers = {
        "succeeded": counts.succeeded, "failed": counts.failed, "skipped": counts.skipped,
        "in_flight": counts.in_flight, "retrying": counts.retrying, "pending": counts.pending,
        "cancelled": counts.cancelled,
    }  # fmt: skip
    made = [Chip("All", counts.total, base, chosen == "")]
    for status, (word, _) in OUTCOMES.items():
        is_shown = numbers[status] or status in ("succeeded", "failed") or status == chosen
        if is_shown:
            made.append(Chip(word, numbers[status], f"{base}?{urlencode({'status': status})}", chosen == status))
    return made


def row_of(entry: LedgerEntry, zone: tzinfo, now: datetime) -> LedgerRow:
    word, fill = OUTCOMES[entry.status]
    at = entry.finished_at
    return LedgerRow(
        entity_id=entry.entity_id,
        word=word,
        fill=fill,
        tries=entry.attempts,
        ended=times.clock_time(at, zone, now, seconds=True) if at else "",
        whole=times.whole(at, zone) if at else "",
        took=times.duration(entry.duration_ms / 1000) if entry.duration_ms is not None else "",
        said=entry.error or entry.message or (entry.skip_reason or "").replace("_", " "),
        error_class=entry.error_class or "",
    )


def attempts_of(entry: LedgerEntry, zone: tzinfo, now: datetime) -> Sequence[Attempt]:
    return [
        Attempt(
            number=one.attempt,
            outcome="failed" if one.error_class else "went well",
            started=times.clock_time(one.started_at, zone, now, seconds=True) if one.started_at else "",
            whole=times.whole(one.started_at, zone) if one.started_at else "",
            took=_took(one.started_at, one.finished_at),
            error_class=one.error_class or "",
            error=one.error or "",
        )
        for one in entry.tries
    ]


def _took(began: datetime | None, ended: datetime | None) -> str:
    return times.duration((ended - began).total_seconds()) if began and ended else ""


def pretty(value: Any) -> str:
    """JSON for people; "" for None."""
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False, default=str)
