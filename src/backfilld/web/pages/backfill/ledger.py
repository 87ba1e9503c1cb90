"""The ledger as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from urllib.parse import urlencode

from backfilld.domain.unreadable import UnreadableRow
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


def row_of(entry: LedgerEntry | UnreadableRow, zone: tzinfo, now: datetime) -> LedgerRow:
    """Of a row that this version cannot read its id, and why."""
    if isinstance(entry, UnreadableRow):
        said = f"This version cannot read it: {entry.problem}"
        return LedgerRow(str(entry.entity_id), "unreadable", "pending", 0, "", "", "", said, "")
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
