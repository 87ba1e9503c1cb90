"""What stands above every page of one backfill."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backfilld.domain.backfills.explaining import Explanation
from backfilld.domain.calendars import shown_zone
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.words import numbers, times
from backfilld.web.words.sentences import Said, said
from backfilld.web.words.states import Pill, pill


@dataclass(frozen=True, slots=True)
class Head:
    """Of one moment."""

    id: UUID
    name: str
    title: str
    pill: Pill
    sentences: Sequence[Said]
    workflow: str
    kind: str
    schedule_id: int | None
    created_at: datetime
    owner: str
    place: str
    always_open: bool
    parent: UUID | None
    children: Sequence[UUID]
    reason: str
    needs_person: bool
    planned: bool
    total: int
    failed: int
    ended: bool


def head_of(view: BackfillView, explanation: Explanation, now: datetime) -> Head:
    backfill, counts = view.backfill, view.counts
    zone = shown_zone(backfill)
    name = backfill.settings.name or backfill.workflow_name
    shown = pill(view)
    share = numbers.percent(counts.processed + counts.cancelled, counts.total) if view.planned else ""
    needs = "▲ " if shown.glyph == "alert" or shown.tone == "warn" else ""
    return Head(
        id=backfill.id,
        name=name,
        title=needs + " · ".join(filter(None, [share, name])),
        pill=shown,
        sentences=[said(sentence, zone, now) for sentence in explanation.sentences if sentence],
        workflow=backfill.workflow_name,
        kind=backfill.settings.entity_type or "sessions",
        schedule_id=backfill.schedule_id,
        created_at=backfill.created_at,
        owner=backfill.created_by_name or backfill.created_by.partition(":")[0],
        place=times.place(zone),
        always_open=view.effective_windows is None or _is_always(view),
        parent=backfill.parent_id,
        children=[child.id for child in getattr(backfill, "children", ())],
        reason=backfill.settings.reason or "",
        needs_person=bool(needs),
        planned=view.planned,
        total=counts.total,
        failed=counts.failed,
        ended=view.has_ended,
    )


def _is_always(view: BackfillView) -> bool:
    return view.window.open and view.window.closes_at is None
