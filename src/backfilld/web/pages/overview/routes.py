"""`/`: all backfills, and its stream."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode

from aiohttp import web

from backfilld.domain.access.callers import Role
from backfilld.domain.backfills.explaining import Explanation
from backfilld.domain.backfills.holding import Group
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.view import BackfillView
from backfilld.operations.overview import GROUPS, OverviewPage
from backfilld.web.frame.cards import Cards
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit, may_of
from backfilld.web.live.regions import Picture, Region
from backfilld.web.live.stream import Streams
from backfilld.web.pages.overview.rows import row_of
from backfilld.web.words.states import GROUP_NAMES

if TYPE_CHECKING:
    from markupsafe import Markup

PAGE_SIZE = 50
# Of all groups together a page, most of those that need a person.
SHOWN_TOGETHER: Mapping[Group, int] = {"attention": 20, "working": 12, "paused": 6, "waiting": 6, "ended": 8}
SHOWN_ALONE: Mapping[Group, int] = dict.fromkeys(GROUPS, PAGE_SIZE)
LONGEST_SEARCH = 200
LONGEST_CURSOR = 18  # digits
PARTS = "overview/list.html"
Seen = tuple[BackfillView, Explanation] | UnreadableRow


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the overview somebody looks at."""

    only: Group | None
    text: str
    before: int | None

    @classmethod
    def of(cls, visit: Visit) -> Self:
        """As the address says; what it says amiss counts as not said."""
        query = visit.http.query
        only = next((group for group in GROUPS if group == query.get("show")), None)
        cursor = query.get("cursor", "")
        is_number = cursor.isascii() and cursor.isdigit() and len(cursor) <= LONGEST_CURSOR
        before = int(cursor) if is_number and only else None
        return cls(only, query.get("q", "").strip()[:LONGEST_SEARCH], before)

    def address(self, path: str = "/") -> str:
        query = {"show": self.only, "q": self.text, "cursor": self.before}
        given = {name: value for name, value in query.items() if value}
        return f"{path}?{urlencode(given)}" if given else path


@dataclass(frozen=True, slots=True)
class _Line:
    """A drawn row."""

    number: int
    html: "Markup"


@dataclass(frozen=True, slots=True)
class _Group:
    """Backfills that stand alike. `more`: where the older ones are."""

    group: Group
    name: str
    count: int
    lines: Sequence[_Line]
    more: str


class OverviewPages:
    """The handlers."""

    def __init__(self, frame: Frame, streams: Streams, operations: BackfillOperations) -> None:
        self._frame = frame
        self._streams = streams
        self._operations = operations

    async def show(self, visit: Visit) -> web.Response:
        wanted = Wanted.of(visit)
        page, groups = await self._read(wanted, visit.caller.role, self._cards(visit, wanted))
        return self._frame.page(
            visit, "overview/overview.html", here="backfills", chips=_chips(page, wanted), groups=groups,
            only=wanted.only, q=wanted.text, attention=page.counts["attention"] > 0,
            is_later=wanted.before is not None, live=wanted.address("/events/overview"),
        )  # fmt: skip

    async def follow(self, visit: Visit) -> web.StreamResponse:
        wanted, role = Wanted.of(visit), visit.caller.role
        cards = self._cards(visit, wanted)

        async def look() -> Picture:
            return await self._picture(wanted, role, cards)

        return await self._streams.serve(visit, ("overview", wanted), look)

    def _cards(self, visit: Visit, wanted: Wanted) -> Cards:
        return Cards(self._frame.piece, visit.request_id, wanted.address())

    async def _read(self, wanted: Wanted, role: Role, cards: Cards) -> tuple[OverviewPage, Sequence[_Group]]:
        page = await self._operations.overview.read(
            wanted.only,
            text=wanted.text or None,
            before_number=wanted.before,
            limits=SHOWN_ALONE if wanted.only else SHOWN_TOGETHER,
        )
        groups = [
            _Group(
                group=one.group,
                name=GROUP_NAMES[one.group],
                count=page.counts[one.group],
                lines=[self._line(seen, role, cards) for seen in one.seen],
                more=Wanted(one.group, wanted.text, _number(one.seen[-1])).address() if one.more else "",
            )
            for one in page.groups
        ]
        return page, groups

    def _line(self, seen: Seen, role: Role, cards: Cards) -> _Line:
        """A row that cannot be drawn hides no other."""
        number = _number(seen)
        try:
            html = self._frame.piece(PARTS, "line", row_of(seen, self._frame.clock.now()), may_of(role))
        except Exception as problem:
            id_ = seen.id if isinstance(seen, UnreadableRow) else seen[0].backfill.id
            html = cards.line(f"b{number}", str(id_), f"/backfills/{id_}", problem)
        return _Line(number, html)

    async def _picture(self, wanted: Wanted, role: Role, cards: Cards) -> Picture:
        page, groups = await self._read(wanted, role, cards)
        draw: Callable[..., str] = self._frame.piece
        drawn = draw(PARTS, "rows", groups, wanted.text or wanted.only, wanted.before is not None, may_of(role))
        which = repr([(one.group, one.count, one.more, [line.number for line in one.lines]) for one in groups])
        lines = [Region(f"b{line.number}", line.html, inside="rows") for one in groups for line in one.lines]
        needs = page.counts["attention"] > 0
        state = draw("frame/state.html", "state", f"{'▲ ' if needs else ''}Backfills", needs)
        return Picture(
            [
                Region("state", state),
                Region("chips", draw(PARTS, "chips", _chips(page, wanted))),
                Region("rows", drawn, same=which),
                *lines,
            ]
        )


def _number(seen: Seen) -> int:
    return int(seen.number if isinstance(seen, UnreadableRow) else seen[0].number)


def _chips(page: OverviewPage, wanted: Wanted) -> list[dict[str, object]]:
    def chip(name: str, count: int, group: Group | None) -> dict[str, object]:
        address = Wanted(group, wanted.text, None).address()
        return {"name": name, "count": count, "address": address, "chosen": wanted.only == group}

    return [
        chip("All", page.total, None),
        *(chip(GROUP_NAMES[group], page.counts[group], group) for group in GROUPS),
    ]


def pages(frame: Frame, streams: Streams, operations: BackfillOperations) -> list[Page]:
    does = OverviewPages(frame, streams, operations)
    return [Page("GET", "/", does.show), Page("GET", "/events/overview", does.follow, is_stream=True)]
