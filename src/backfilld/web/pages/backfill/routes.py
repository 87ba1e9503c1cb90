"""`/backfills/{id}` and what is below it, and their streams."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from backfilld.api.public.watching.report import Reports, WantedReport
from backfilld.domain.access.callers import ROLES, Role
from backfilld.domain.calendars import shown_zone
from backfilld.operations.auditing import AuditReading
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.live.regions import Picture, Region
from backfilld.web.live.stream import Streams
from backfilld.web.pages.backfill import ledger, settings
from backfilld.web.pages.backfill.errors import groups_of
from backfilld.web.pages.backfill.pictures.chart import chart_of
from backfilld.web.pages.backfill.pictures.openings import openings_of
from backfilld.web.pages.backfill.progress import progress_of
from backfilld.web.pages.backfill.shell import IDS, PATH, RERUN, Looked, Shell, quoted
from backfilld.web.pages.backfill.timeline import days_of

PAGE_SIZE = 50
MOST_SLOTS = 64
LATEST = 7
LARGEST_CURSOR = 18  # digits
LONGEST_FINGERPRINT = 16
MOST_GROUPS = 6
SLOW_SECONDS = 10.0
PARTS = "backfill/regions.html"


@dataclass(slots=True)
class _Slow:
    """A region that is drawn now and then only."""

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
        self._reports = Reports(operations)

    async def show(self, visit: Visit) -> web.Response:
        """How far it is."""
        looked = await self._shell.look(visit.path["id"])
        shown = {**await self._moving(looked), **await self._history(looked)}
        return self._shell.page(visit, "progress", looked, **shown)

    async def show_ledger(self, visit: Visit) -> web.Response:
        """Its items, in plan order."""
        looked = await self._shell.look(visit.path["id"])
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
        return self._shell.page(
            visit, "ledger", looked, told=told, rows=[ledger.row_of(one, zone, visit.at) for one in found[:PAGE_SIZE]],
            files=None if entity_id or error_class else urlencode(chosen), again=urlencode(chosen) if can_rerun else "",
            chips=ledger.chips_of(view, base, status), outcome=status, entity_id=entity_id, error_class=error_class,
            more=more, is_later=behind >= 0,
        )  # fmt: skip

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
        looked = await self._shell.look(visit.path["id"])
        id_ = looked.view.backfill.id
        first = _number(visit.http.query.get("cursor", ""), 0)
        end = first + PAGE_SIZE
        failures = await self._operations.errors.list_groups(id_, part=slice(first, end + 1))
        found = groups_of(failures.groups, id_)
        return self._shell.page(
            visit, "errors", looked, groups=found[:PAGE_SIZE], ungrouped=failures.ungrouped, is_later=first > 0,
            more=f"/backfills/{id_}/errors?cursor={end}" if len(found) > PAGE_SIZE else "",
        )  # fmt: skip

    async def show_timeline(self, visit: Visit) -> web.Response:
        """What happened to it, newest first."""
        looked = await self._shell.look(visit.path["id"])
        backfill = looked.view.backfill
        before = _number(visit.http.query.get("cursor", ""), 0) or None
        events = await self._audit.latest(backfill.number, before=before, limit=PAGE_SIZE + 1)
        more = ""
        if len(events) > PAGE_SIZE:
            more = f"/backfills/{backfill.id}/timeline?cursor={events[PAGE_SIZE - 1].id}"
        days = days_of(events[:PAGE_SIZE], shown_zone(backfill), visit.at)
        return self._shell.page(visit, "timeline", looked, more=more, days=days)

    async def show_settings(self, visit: Visit) -> web.Response:
        """How it was set up."""
        looked = await self._shell.look(visit.path["id"])
        changes = await self._audit.last_changes(looked.view.number)
        may_change = any(verb.name == "edit" for verb in looked.verbs)
        groups = settings.groups_of(looked.view, changes)
        return self._shell.page(visit, "settings", looked, groups=groups, may_change=may_change)

    async def follow(self, visit: Visit) -> web.StreamResponse:
        """What changes of any page of it."""
        id_, role, tab = visit.path["id"], visit.caller.role, visit.path["tab"]

        slow = _Slow()

        async def look() -> Picture:
            return await self._picture(id_, role, tab, slow)

        return await self._streams.serve(visit, ("backfill", id_, tab), look)

    async def _picture(self, id_: UUID, role: Role, tab: str, slow: "_Slow") -> Picture:
        looked = await self._shell.look(id_)
        head, draw = looked.head, self._frame.piece

        def may(needed: Role) -> bool:
            return ROLES.index(role) >= ROLES.index(needed)

        regions = [
            Region("state", draw("frame/state.html", "state", head.title, head.needs_person)),
            Region("head", draw(PARTS, "head", head, looked.verbs, role, may)),
            Region("why", draw(PARTS, "why", head)),
            Region("tabs", draw(PARTS, "tabs", head, tab)),
        ]
        if tab == "progress":
            shown = await self._moving(looked)
            now = self._frame.clock.monotonic()
            if slow.pair is None or now - slow.drawn_at >= SLOW_SECONDS or looked.view.has_ended:
                more = await self._history(looked)
                pair = (more["chart"], more["openings"], more["groups"], more["days"])
                slow.pair, slow.drawn_at = Region("pair", draw(PARTS, "pair", head, *pair)), now
            regions += [
                Region("progress", draw(PARTS, "progress", head, shown["progress"])),
                Region("flight", draw(PARTS, "flight", head, shown["progress"], shown["quote"])),
                slow.pair,
            ]
        return Picture(regions, is_last=looked.view.has_ended)

    async def _moving(self, looked: Looked) -> Mapping[str, Any]:
        """What changes all the time."""
        view, moving = looked.view, []
        if view.counts.in_flight:
            found = await self._operations.ledger.list_page(
                view.backfill.id, statuses={"in_flight"}, limit=MOST_SLOTS
            )  # fmt: skip
            moving = list(found)
        return {"progress": progress_of(view, moving, self._frame.clock.now()), "quote": quoted}

    async def _history(self, looked: Looked) -> Mapping[str, Any]:
        """What has happened so far, which takes longer to read."""
        view, now = looked.view, self._frame.clock.now()
        id_ = view.backfill.id
        failed = await self._operations.errors.list_largest(id_, MOST_GROUPS) if view.counts.failed else []
        samples = await self._operations.history.samples(id_, None, None, None) if view.planned else None
        events = await self._audit.latest(view.number, limit=LATEST)
        return {
            "chart": chart_of(view, samples.points, now) if samples else None,
            "openings": openings_of(view, now),
            "groups": groups_of(failed, id_),
            "days": days_of(events, shown_zone(view.backfill), now),
        }


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
