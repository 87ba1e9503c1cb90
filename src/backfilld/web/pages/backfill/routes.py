"""`/backfills/{id}` and what is below it."""

from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from aiohttp import web

from backfilld.domain.calendars import shown_zone
from backfilld.operations.auditing import AuditReading
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.backfill import ledger, settings
from backfilld.web.pages.backfill.head import head_of
from backfilld.web.pages.backfill.openings import openings_of
from backfilld.web.pages.backfill.progress import progress_of
from backfilld.web.pages.backfill.timeline import days_of
from backfilld.web.pages.backfill.verbs import verbs_of
from backfilld.web.words import times

PATH = "/backfills/{id}"
IDS = {"id": UUID}
PAGE_SIZE = 50
MOST_SLOTS = 64
LATEST = 7
LARGEST_CURSOR = 18  # digits


class BackfillPages:
    """The handlers that only look."""

    def __init__(self, frame: Frame, operations: BackfillOperations, audit: AuditReading) -> None:
        self._frame = frame
        self._operations = operations
        self._audit = audit

    async def show(self, visit: Visit) -> web.Response:
        """How far it is."""
        view, head = await self._look(visit)
        moving: Any = []
        if view.counts.in_flight:
            moving = await self._operations.ledger.list_page(
                view.backfill.id, statuses={"in_flight"}, limit=MOST_SLOTS
            )  # fmt: skip
        failed: Any = []
        if view.counts.failed:
            failed = await self._operations.ledger.list_page(view.backfill.id, statuses={"failed"}, limit=LATEST - 1)
        zone = shown_zone(view.backfill)
        events = await self._audit.latest(view.number, limit=LATEST)
        return self._page(
            visit, "progress", view, head, progress=progress_of(view, moving, visit.at),
            openings=openings_of(view, visit.at), days=days_of(events, zone, visit.at),
            failed=[ledger.row_of(one, zone, visit.at) for one in failed],
        )  # fmt: skip

    async def show_ledger(self, visit: Visit) -> web.Response:
        """Its items, in plan order."""
        view, head = await self._look(visit)
        query = visit.http.query
        status = query.get("status", "") if query.get("status", "") in ledger.OUTCOMES else ""
        entity_id, error_class = query.get("entity_id", "").strip(), query.get("error_class", "").strip()
        behind = _number(query.get("cursor", ""), -1)
        found = await self._operations.ledger.list_page(
            view.backfill.id, statuses={status} if status else (), error_class=error_class or None,
            entity_id=entity_id or None, behind=behind, limit=PAGE_SIZE + 1,
        )  # fmt: skip
        base, zone = f"/backfills/{view.backfill.id}/entities", shown_zone(view.backfill)
        more = ""
        if len(found) > PAGE_SIZE:
            kept = {"status": status, "error_class": error_class, "cursor": found[PAGE_SIZE - 1].position}
            more = base + "?" + urlencode({name: value for name, value in kept.items() if value != ""})
        return self._page(
            visit, "ledger", view, head, rows=[ledger.row_of(one, zone, visit.at) for one in found[:PAGE_SIZE]],
            chips=ledger.chips_of(view, base, status), outcome=status, entity_id=entity_id, error_class=error_class,
            more=more, is_later=behind >= 0,
        )  # fmt: skip

    async def show_entity(self, visit: Visit) -> web.Response:
        """One item, with all its tries."""
        view, head = await self._look(visit)
        entry = await self._operations.ledger.get(view.backfill.id, visit.path["entity_id"])
        zone = shown_zone(view.backfill)
        return self._page(
            visit, "entity", view, head, row=ledger.row_of(entry, zone, visit.at), entry=entry,
            attempts=ledger.attempts_of(entry, zone, visit.at), result=ledger.pretty(entry.result),
        )  # fmt: skip

    async def show_timeline(self, visit: Visit) -> web.Response:
        """What happened to it, newest first."""
        view, head = await self._look(visit)
        before = _number(visit.http.query.get("cursor", ""), 0) or None
        events = await self._audit.latest(view.number, before=before, limit=PAGE_SIZE + 1)
        more = ""
        if len(events) > PAGE_SIZE:
            more = f"/backfills/{view.backfill.id}/timeline?cursor={events[PAGE_SIZE - 1].id}"
        return self._page(
            visit, "timeline", view, head, more=more,
            days=days_of(events[:PAGE_SIZE], shown_zone(view.backfill), visit.at),
        )  # fmt: skip

    async def show_settings(self, visit: Visit) -> web.Response:
        """How it was set up."""
        view, head = await self._look(visit)
        return self._page(visit, "settings", view, head, rows=settings.rows_of(view))

    async def _look(self, visit: Visit) -> tuple[BackfillView, Any]:
        view, explanation = await self._operations.explainer.look(visit.path["id"])
        return view, head_of(view, explanation, visit.at)

    def _page(self, visit: Visit, tab: str, view: BackfillView, head: Any, **values: Any) -> web.Response:
        verbs = verbs_of(view, delete_needs_admin=self._operations.limits.delete_needs_admin)
        return self._frame.page(
            visit, f"backfill/{tab}.html", here="backfills", tab=tab, head=head, verbs=verbs,
            attention=head.title.startswith("▲"), zone=times.place(shown_zone(view.backfill)), quote=_quoted, **values,
        )  # fmt: skip


def _quoted(entity_id: str) -> str:
    return quote(entity_id, safe="")


def _number(text: str, default: int) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= LARGEST_CURSOR
    return int(text) if is_number else default


def pages(frame: Frame, operations: BackfillOperations, audit: AuditReading) -> list[Page]:
    does = BackfillPages(frame, operations, audit)
    return [
        Page("GET", PATH, does.show, path_types=IDS),
        Page("GET", PATH + "/entities", does.show_ledger, path_types=IDS),
        Page("GET", PATH + "/entities/{entity_id}", does.show_entity, path_types=IDS),
        Page("GET", PATH + "/timeline", does.show_timeline, path_types=IDS),
        Page("GET", PATH + "/settings", does.show_settings, path_types=IDS),
    ]
