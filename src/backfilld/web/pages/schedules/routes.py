"""`/schedules` and `/schedules/{id}`, and their streams."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from aiohttp import web

from backfilld.domain.access.callers import Role
from backfilld.domain.errors import Conflict
from backfilld.domain.sessions.records import StoredSchedule
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.auditing import AuditFilter, AuditReading
from backfilld.operations.schedules.overview import (
    COMING,
    OUTCOMES,
    STATES,
    Outcome,
    ScheduleSeen,
    SchedulesPage,
    State,
)
from backfilld.operations.schedules.verbs import ScheduleVerbs
from backfilld.web.frame.cards import Cards
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit, may_of
from backfilld.web.live.regions import Picture, Region
from backfilld.web.live.stream import Streams
from backfilld.web.pages.backfill.timeline import days_of
from backfilld.web.pages.backfill.verbs import Verb
from backfilld.web.pages.schedules import sessions
from backfilld.web.pages.schedules.head import Head, head_of
from backfilld.web.pages.schedules.rows import RECENT, STATE_NAMES, row_of, zone_of
from backfilld.web.pages.schedules.strip import MOST, Strip, strip_of
from backfilld.web.pages.schedules.verbs import verbs_of

if TYPE_CHECKING:
    from markupsafe import Markup

PATH = "/schedules/{id}"
IDS = {"id": int}
PAGE_SIZE = 50
SCHEDULES = 20  # on a page; with its marks one weighs more than a session
LATEST = 7
LONGEST_SEARCH = 200
LONGEST_CURSOR = 18  # digits
LIST, PARTS = "schedules/list.html", "schedules/regions.html"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the list somebody looks at."""

    only: State | None
    text: str
    project: str
    behind: int | None

    @classmethod
    def of(cls, visit: Visit) -> Self:
        """As the address says; what it says amiss counts as not said."""
        query = visit.http.query
        only = next((state for state in STATES if state == query.get("status")), None)
        text = (query.get("q") or query.get("workflow") or "").strip()[:LONGEST_SEARCH]
        project = query.get("project", "").strip()[:LONGEST_SEARCH]
        return cls(only, text, project, _number(query.get("cursor", "")) if only else None)

    def address(self, path: str = "/schedules", **changed: Any) -> str:
        query = {"status": self.only, "q": self.text, "project": self.project, "cursor": self.behind} | changed
        given = {name: value for name, value in query.items() if value}
        return f"{path}?{urlencode(given)}" if given else path


@dataclass(frozen=True, slots=True)
class Line:
    """A drawn row of the list."""

    id: int
    html: "Markup"


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of one schedule, and its cards."""

    stored: StoredSchedule
    head: Head
    verbs: Sequence[Verb]
    strip: "Markup"
    sessions: "Markup"


@dataclass(frozen=True, slots=True)
class Sessions:
    """A page of them. `more`: where the older ones are; `empty`: what is said instead of none."""

    rows: Sequence[sessions.SessionRow]
    more: str
    empty: str


class SchedulePages:
    """The handlers that only look."""

    def __init__(self, frame: Frame, streams: Streams, verbs: ScheduleVerbs, audit: AuditReading) -> None:
        self._frame = frame
        self._streams = streams
        self._verbs = verbs
        self._audit = audit

    async def list(self, visit: Visit) -> web.Response:
        wanted = Wanted.of(visit)
        page, groups = await self._read(wanted, visit.caller.role, self._cards(visit, wanted))
        return self._frame.page(
            visit, "schedules/schedules.html", here="schedules", chips=_chips(page, wanted), groups=groups,
            wanted=wanted, attention=page.counts["attention"] > 0, live=wanted.address("/events/schedules"),
        )  # fmt: skip

    async def follow_list(self, visit: Visit) -> web.StreamResponse:
        wanted, role = Wanted.of(visit), visit.caller.role
        cards = self._cards(visit, wanted)

        async def look() -> Picture:
            return await self._picture(wanted, role, cards)

        return await self._streams.serve(visit, ("schedules", wanted), look)

    def _cards(self, visit: Visit, wanted: Wanted) -> Cards:
        return Cards(self._frame.piece, visit.request_id, wanted.address())

    async def _read(
        self, wanted: Wanted, role: Role, cards: Cards
    ) -> tuple[SchedulesPage, Sequence[dict[str, Any]]]:  # fmt: skip
        page = await self._verbs.overview.list_page(
            text=wanted.text or None, project=wanted.project or None, state=wanted.only, behind=wanted.behind,
            limit=SCHEDULES, recent=RECENT,
        )  # fmt: skip
        groups = [
            {
                "state": one.state,
                "name": STATE_NAMES[one.state],
                "count": page.counts[one.state],
                "rows": [self._line(seen, one.state, role, cards) for seen in one.seen],
                "more": wanted.address(status=one.state, cursor=_id(one.seen[-1])) if one.more else "",
            }
            for one in page.groups
        ]
        return page, groups

    def _line(self, seen: ScheduleSeen | UnreadableRow, state: State, role: Role, cards: Cards) -> Line:
        """A row that cannot be drawn hides no other."""
        id_ = _id(seen)
        try:
            html = self._frame.piece(LIST, "line", row_of(seen, state, self._frame.clock.now()), may_of(role))
        except Exception as problem:
            html = cards.line(f"s{id_}", _named(seen), f"/schedules/{id_}", problem)
        return Line(id_, html)

    async def _picture(self, wanted: Wanted, role: Role, cards: Cards) -> Picture:
        page, groups = await self._read(wanted, role, cards)
        draw = self._frame.piece
        which = repr([(one["state"], one["count"], one["more"], [row.id for row in one["rows"]]) for one in groups])
        lines = [Region(f"s{row.id}", row.html, inside="rows") for one in groups for row in one["rows"]]
        needs = page.counts["attention"] > 0
        return Picture(
            [
                Region("state", draw("frame/state.html", "state", f"{'▲ ' if needs else ''}Schedules", needs)),
                Region("chips", draw(LIST, "chips", _chips(page, wanted))),
                Region("rows", draw(LIST, "rows", groups, wanted), same=which),
                *lines,
            ]
        )

    async def show(self, visit: Visit) -> web.Response:
        """One schedule: how it stands, its last slots, its sessions, and what was done to it."""
        outcome = next((one for one in OUTCOMES if one == visit.http.query.get("status")), None)
        before = _instant(visit.http.query.get("cursor", ""), self._frame.clock.now())
        cards = Cards(self._frame.piece, visit.request_id, visit.address)
        looked = await self._look(visit.path["id"], outcome, before, visit.caller.role, cards)

        async def done() -> "Markup":
            wanted = AuditFilter(subject=f"schedule/{looked.stored.id}")
            events = await self._audit.list_page(visit.caller, wanted, limit=LATEST)
            return self._frame.piece(PARTS, "done", days_of(events, zone_of(looked.stored), visit.at))

        query = {"status": outcome, "cursor": visit.http.query.get("cursor") if before else None}
        asked = urlencode({key: one for key, one in query.items() if one})
        return self._frame.page(
            visit, "schedules/schedule.html", here="schedules", looked=looked, head=looked.head,
            attention=looked.head.needs_person, chips=sessions.chips_of(f"/schedules/{looked.stored.id}", outcome),
            done=await cards.draw("done", "What was done to it", done),
            live=f"/events/schedules/{looked.stored.id}" + (f"?{asked}" if asked else ""),
        )  # fmt: skip

    async def follow(self, visit: Visit) -> web.StreamResponse:
        id_, role, query = visit.path["id"], visit.caller.role, visit.http.query
        outcome = next((one for one in OUTCOMES if one == query.get("status")), None)
        before = _instant(query.get("cursor", ""), self._frame.clock.now())
        cards = Cards(self._frame.piece, visit.request_id, f"/schedules/{id_}")

        async def look() -> Picture:
            looked = await self._look(id_, outcome, before, role, cards)
            head, draw = looked.head, self._frame.piece
            return Picture(
                [
                    Region("state", draw("frame/state.html", "state", head.title, head.needs_person)),
                    Region("head", draw(PARTS, "head", head, looked.verbs, role, may_of(role))),
                    Region("why", draw(PARTS, "why", head)),
                    Region("strip", looked.strip),
                    Region("sessions", looked.sessions),
                ]
            )

        return await self._streams.serve(visit, ("schedule", id_, outcome, before), look)

    async def _look(
        self, id_: int, outcome: Outcome | None, before: datetime | None, role: Role, cards: Cards
    ) -> Looked:  # fmt: skip
        stored, now, overview = await self._verbs.reading.get(id_), self._frame.clock.now(), self._verbs.overview
        if isinstance(stored, UnreadableRow):
            raise Conflict(f"schedule {id_} cannot be read by this version: {stored.problem}")
        problem, missed, draw = "", 0, self._frame.piece
        try:
            stored.schedule()
            missed = await overview.missed(stored)
        except ValueError as found:
            problem = str(found)[:1].upper() + str(found)[1:]
        head = head_of(stored, await overview.newest(stored.workflow_id), missed, problem, now)

        async def strip() -> "Markup":
            shown = None if problem else await self._strip(stored)
            return draw(PARTS, "strip", head, shown, may_of(role))

        async def had() -> "Markup":
            return draw(PARTS, "sessions", head, await self._sessions(stored, outcome, before))

        return Looked(
            stored, head, verbs_of(stored, readable=not problem), await cards.draw("strip", "Last slots", strip),
            await cards.draw("sessions", "Sessions", had),
        )  # fmt: skip

    async def _strip(self, stored: StoredSchedule) -> Strip | None:
        overview, slots = self._verbs.overview, await self._verbs.overview.slots(stored, MOST)
        return strip_of(slots, overview.coming(stored, COMING), zone_of(stored), self._frame.clock.now())

    async def _sessions(self, stored: StoredSchedule, outcome: Outcome | None, before: datetime | None) -> Sessions:
        page = await self._verbs.overview.sessions(
            stored.workflow_id, before=before, outcome=outcome, limit=PAGE_SIZE + 1
        )  # fmt: skip
        more, now = "", self._frame.clock.now()
        if len(page) > PAGE_SIZE:
            cursor = int(page[PAGE_SIZE - 1].session_time.timestamp())
            more = f"/schedules/{stored.id}?{urlencode({'status': outcome or '', 'cursor': cursor})}"
        rows = [sessions.row_of(one, zone_of(stored), now) for one in page[:PAGE_SIZE]]
        return Sessions(rows, more, sessions.nothing(outcome, is_later=before is not None))


def _id(seen: Any) -> int:
    return int(seen.id if isinstance(seen, UnreadableRow) else seen.stored.id)


def _named(seen: ScheduleSeen | UnreadableRow) -> str:
    return str(seen.workflow_name if isinstance(seen, UnreadableRow) else seen.stored.workflow_name)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_CURSOR else None


def _instant(text: str, like: datetime) -> datetime | None:
    number = _number(text.removeprefix("-"))
    try:
        found = None if number is None else -number if text.startswith("-") else number
        return None if found is None else datetime.fromtimestamp(found, like.tzinfo)
    except (OverflowError, ValueError, OSError):
        return None


def _chips(page: SchedulesPage, wanted: Wanted) -> list[dict[str, object]]:
    def chip(name: str, count: int, state: State | None) -> dict[str, object]:
        address = wanted.address(status=state, cursor=None)
        return {"name": name, "count": count, "address": address, "chosen": wanted.only == state}

    return [
        chip("All", sum(page.counts.values()), None),
        *(chip(STATE_NAMES[state], page.counts[state], state) for state in STATES),
    ]


def pages(frame: Frame, streams: Streams, verbs: ScheduleVerbs, audit: AuditReading) -> list[Page]:
    does = SchedulePages(frame, streams, verbs, audit)
    return [
        Page("GET", "/schedules", does.list),
        Page("GET", "/events/schedules", does.follow_list, is_stream=True),
        Page("GET", PATH, does.show, path_types=IDS),
        Page("GET", "/events/schedules/{id}", does.follow, path_types=IDS, is_stream=True),
    ]
