"""`/backfills/{id}` and what is below it, and their streams."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from backfilld.api.public.watching.report import Reports, WantedReport
from backfilld.domain.access.callers import Role
from backfilld.domain.calendars import shown_zone
from backfilld.operations.auditing import AuditReading
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.web.frame.cards import Cards
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit, may_of
from backfilld.web.live.regions import Picture, Region
from backfilld.web.live.stream import Streams
from backfilld.web.pages.backfill import ledger, settings
from backfilld.web.pages.backfill.errors import groups_of
from backfilld.web.pages.backfill.progress.cards import ProgressCards
from backfilld.web.pages.backfill.shell import IDS, PARTS, PATH, RERUN, Looked, Shell
from backfilld.web.pages.backfill.timeline import days_of

PAGE_SIZE = 50
LARGEST_CURSOR = 18  # digits
LONGEST_FINGERPRINT = 16
SLOW_SECONDS = 10.0


@dataclass(slots=True)
class _Slow:
    """What is kept from look to look: a region that is drawn now and then only."""

    cards: Cards
    pair: Region | None = None
    drawn_at: float = 0.0


class BackfillPages:
    """The handlers that only look."""

    def __init__(
        self, frame: Frame, streams: Streams, operations: BackfillOperations, audit: AuditReading
    ) -> None:  # fmt: skip
        self._frame = frame
        self._shell = Shell(frame, operations)
        self._streams = streams
        self._operations = operations
        self._audit = audit
        self._cards = ProgressCards(frame.piece, operations, audit, frame.clock)
        self._reports = Reports(operations)

    async def show(self, visit: Visit) -> web.Response:
        """How far it is."""
        return await self._shell.show(visit, "progress", self._progress)

    async def _progress(self, visit: Visit, looked: Looked) -> Mapping[str, Any]:
        cards = Cards(self._frame.piece, visit.request_id, visit.address)
        return {"moving": await self._cards.moving(looked, cards), "history": await self._cards.history(looked, cards)}

    async def show_ledger(self, visit: Visit) -> web.Response:
        """Its items, in plan order."""
        return await self._shell.show(visit, "ledger", self._ledger)

    async def _ledger(self, visit: Visit, looked: Looked) -> Mapping[str, Any]:
        view, query = looked.view, visit.http.query
        status = query.get("status", "") if query.get("status", "") in ledger.OUTCOMES else ""
        entity_id, error_class = query.get("entity_id", "").strip(), query.get("error_class", "").strip()
        group = _fingerprint(query.get("error_group", ""))
        behind = _number(query.get("cursor", ""), -1)
        found = await self._operations.ledger.list_page(
            view.backfill.id, statuses={status} if status else (), error_class=error_class or None,
            error_group=group, entity_id=entity_id or None, behind=behind, limit=PAGE_SIZE + 1,
        )  # fmt: skip
        base, zone = f"/backfills/{view.backfill.id}/entities", shown_zone(view.backfill)
        more = ""
        if len(found) > PAGE_SIZE:
            kept = {"status": status, "error_class": error_class, "cursor": found[PAGE_SIZE - 1].position}
            kept |= {"error_group": group.hex()} if group else {}
            more = base + "?" + urlencode({name: value for name, value in kept.items() if value != ""})
        told = ""
        if group is not None:
            only = await self._operations.errors.list_groups(view.backfill.id, only=group)
            told = only.groups[0].message if only.groups else ""
        chosen = {"status": status, "error_group": group.hex() if group else "", "error_class": error_class}
        chosen = {name: value for name, value in chosen.items() if value}
        can_rerun = view.has_ended and status in RERUN and not entity_id and bool(found)
        return {
            "told": told, "rows": [ledger.row_of(one, zone, visit.at) for one in found[:PAGE_SIZE]],
            "files": None if entity_id or error_class else urlencode(chosen),
            "again": urlencode(chosen) if can_rerun else "", "chips": ledger.chips_of(view, base, status),
            "outcome": status, "entity_id": entity_id, "error_class": error_class, "more": more,
            "is_later": behind >= 0,
        }  # fmt: skip

    async def send_report(self, visit: Visit) -> web.StreamResponse:
        """The ledger as a file, all of it or what a filter of the ledger leaves."""
        query = visit.http.query
        status, group = query.get("status", ""), query.get("error_group", "")
        asked: dict[str, Any] = {"format": "jsonl" if query.get("format") == "jsonl" else "csv"}
        asked |= {"status": [status]} if status in ledger.OUTCOMES else {}
        asked |= {"error_group": group} if _fingerprint(group) else {}
        return await self._reports.send(visit.http, visit.path["id"], WantedReport.model_validate(asked))

    async def show_errors(self, visit: Visit) -> web.Response:
        """What failed, by what the failures have in common."""
        return await self._shell.show(visit, "errors", self._errors)

    async def _errors(self, visit: Visit, looked: Looked) -> Mapping[str, Any]:
        id_ = looked.view.backfill.id
        first = _number(visit.http.query.get("cursor", ""), 0)
        end = first + PAGE_SIZE
        failures = await self._operations.errors.list_groups(id_, part=slice(first, end + 1))
        found = groups_of(failures.groups, id_)
        return {
            "groups": found[:PAGE_SIZE], "ungrouped": failures.ungrouped, "is_later": first > 0,
            "more": f"/backfills/{id_}/errors?cursor={end}" if len(found) > PAGE_SIZE else "",
        }  # fmt: skip

    async def show_timeline(self, visit: Visit) -> web.Response:
        """What happened to it, newest first."""
        return await self._shell.show(visit, "timeline", self._timeline)

    async def _timeline(self, visit: Visit, looked: Looked) -> Mapping[str, Any]:
        backfill = looked.view.backfill
        before = _number(visit.http.query.get("cursor", ""), 0) or None
        events = await self._audit.latest(backfill.number, before=before, limit=PAGE_SIZE + 1)
        more = ""
        if len(events) > PAGE_SIZE:
            more = f"/backfills/{backfill.id}/timeline?cursor={events[PAGE_SIZE - 1].id}"
        return {"more": more, "days": days_of(events[:PAGE_SIZE], shown_zone(backfill), visit.at)}

    async def show_settings(self, visit: Visit) -> web.Response:
        """How it was set up."""
        return await self._shell.show(visit, "settings", self._settings)

    async def _settings(self, visit: Visit, looked: Looked) -> Mapping[str, Any]:
        changes = await self._audit.last_changes(looked.view.number)
        may_change = any(verb.name == "edit" for verb in looked.verbs)
        return {"groups": settings.groups_of(looked.view, changes), "may_change": may_change}

    async def follow(self, visit: Visit) -> web.StreamResponse:
        """What changes of any page of it."""
        id_, role, tab = visit.path["id"], visit.caller.role, visit.path["tab"]

        slow = _Slow(Cards(self._frame.piece, visit.request_id, f"/backfills/{id_}"))

        async def look() -> Picture:
            return await self._picture(id_, role, tab, slow)

        return await self._streams.serve(visit, ("backfill", id_, tab), look)

    async def _picture(self, id_: UUID, role: Role, tab: str, slow: "_Slow") -> Picture:
        looked = await self._shell.look(id_)
        head, draw = looked.head, self._frame.piece
        regions = [
            Region("state", draw("frame/state.html", "state", head.title, head.needs_person)),
            Region("head", draw(PARTS, "head", head, looked.verbs, role, may_of(role))),
            Region("why", draw(PARTS, "why", head)),
            Region("tabs", draw(PARTS, "tabs", head, tab)),
        ]
        if tab == "progress":
            moving = await self._cards.moving(looked, slow.cards)
            now = self._frame.clock.monotonic()
            if slow.pair is None or now - slow.drawn_at >= SLOW_SECONDS or looked.view.has_ended:
                slow.pair, slow.drawn_at = Region("pair", await self._cards.history(looked, slow.cards)), now
            regions += [Region("progress", moving.progress), Region("flight", moving.flight), slow.pair]
        return Picture(regions, is_last=looked.view.has_ended)


def _fingerprint(text: str) -> bytes | None:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return None
    return found if found and len(found) <= LONGEST_FINGERPRINT else None


def _number(text: str, default: int) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= LARGEST_CURSOR
    return int(text) if is_number else default


def pages(frame: Frame, streams: Streams, operations: BackfillOperations, audit: AuditReading) -> list[Page]:
    does = BackfillPages(frame, streams, operations, audit)
    return [
        Page("GET", PATH, does.show, path_types=IDS),
        Page("GET", PATH + "/entities", does.show_ledger, path_types=IDS),
        Page("GET", PATH + "/report", does.send_report, path_types=IDS, is_stream=True),
        Page("GET", PATH + "/errors", does.show_errors, path_types=IDS),
        Page("GET", PATH + "/timeline", does.show_timeline, path_types=IDS),
        Page("GET", PATH + "/settings", does.show_settings, path_types=IDS),
        Page("GET", "/events/backfills/{id}/{tab}", does.follow, path_types=IDS, is_stream=True),
    ]
