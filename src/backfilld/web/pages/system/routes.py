"""`/system`: the pages that only look."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from uuid import UUID

from aiohttp import web

from backfilld.api.framework.cursors import decode_cursor, encode_cursor
from backfilld.api.public.keys import KeyAnswer
from backfilld.api.public.notifications import DeliveryAnswer
from backfilld.domain.access.callers import Role
from backfilld.domain.errors import NotFound
from backfilld.operations.system.every import SystemOperations
from backfilld.web.frame.cards import Cards
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Visit, may_of
from backfilld.web.live.regions import Picture, Region
from backfilld.web.live.stream import Streams
from backfilld.web.pages.system import listing
from backfilld.web.pages.system.audit import ACTIONS, Wanted, event_of
from backfilld.web.pages.system.tabs import LIVE, TABS, Read, Reading

if TYPE_CHECKING:
    from markupsafe import Markup

PAGE_SIZE = 50
HEAD = "system/head.html"
KEY_KINDS, AUDIT_KINDS = (datetime, UUID), (datetime, int)
STATES = ("pending", "delivered", "dead")


class SystemPages:
    """The handlers."""

    def __init__(self, frame: Frame, streams: Streams, system: SystemOperations) -> None:
        self._frame = frame
        self._streams = streams
        self._system = system
        self._reading = Reading(system)

    def show(self, tab: str) -> Any:
        """The handler of a page that needs nothing of its address."""

        async def shown(visit: Visit) -> web.Response:
            return await self._page(visit, tab, self._reading.by_tab[tab])

        return shown

    async def show_workflows(self, visit: Visit) -> web.Response:
        """Those that there are, by id."""
        (after,) = self._behind(visit, (int,)) or (None,)

        async def read() -> Mapping[str, Any]:
            found = await self._system.workflows.list(after=after, limit=PAGE_SIZE + 1)
            more = ""
            if len(found) > PAGE_SIZE:
                more = f"/system/workflows?cursor={encode_cursor(found[PAGE_SIZE - 1].id)}"
            rows = [listing.workflow_of(one) for one in found[:PAGE_SIZE]]
            return {"rows": rows, "more": more, "is_later": after is not None}

        return await self._page(visit, "workflows", read)

    async def show_keys(self, visit: Visit) -> web.Response:
        """All of them, for administrators; whoever may not is told so."""
        behind = self._behind(visit, KEY_KINDS)

        async def read() -> Mapping[str, Any]:
            if not visit.may("admin"):
                return {"rows": None}
            found = await self._system.keys.list(after=behind, limit=PAGE_SIZE + 1)
            last = found[PAGE_SIZE - 1] if len(found) > PAGE_SIZE else None
            more = f"/system/keys?cursor={encode_cursor(last.created_at, last.id)}" if last else ""
            rows = [(one := KeyAnswer.of(key), listing.key_pill(one, visit.at)) for key in found[:PAGE_SIZE]]
            is_person = visit.caller.kind != "key"
            return {"rows": rows, "more": more, "is_person": is_person, "is_later": behind is not None}

        return await self._page(visit, "keys", read)

    async def show_audit(self, visit: Visit) -> web.Response:
        """Who did what, newest first."""
        wanted, behind = Wanted.of(visit.http.query), self._behind(visit, AUDIT_KINDS)

        async def read() -> Mapping[str, Any]:
            shown: dict[str, Any] = {"wanted": wanted, "actions": ACTIONS, "rows": [], "more": ""}
            if wanted.faults:
                return shown
            found = await self._system.audit.list_page(
                visit.caller, wanted.filter(), before=behind, limit=PAGE_SIZE + 1
            )  # fmt: skip
            shown["rows"] = [event_of(one, visit.at) for one in found[:PAGE_SIZE]]
            if len(found) > PAGE_SIZE:
                last = found[PAGE_SIZE - 1]
                query = wanted.query() | {"cursor": encode_cursor(last.at, last.id)}
                shown["more"] = f"/system/audit?{urlencode(query)}"
            return shown

        return await self._page(visit, "audit", read)

    async def show_deliveries(self, visit: Visit) -> web.Response:
        """The messages of one endpoint, newest first."""
        name, query = visit.path["name"], visit.http.query
        state = next((one for one in STATES if one == query.get("state")), None)
        behind = self._behind(visit, KEY_KINDS)

        async def read() -> Mapping[str, Any]:
            found = await self._system.notifications.list_deliveries(name, state, before=behind, limit=PAGE_SIZE + 1)
            base, more = f"/system/notifications/{quote(name, safe='')}", ""
            if len(found) > PAGE_SIZE:
                last = found[PAGE_SIZE - 1]
                kept = {"state": state} if state else {}
                more = f"{base}?{urlencode(kept | {'cursor': encode_cursor(last.created_at, last.id)})}"
            rows = [(one := DeliveryAnswer.of(row), listing.delivery_pill(one)) for row in found[:PAGE_SIZE]]
            return {"name": name, "base": base, "state": state, "states": STATES, "rows": rows, "more": more}

        return await self._page(visit, "deliveries", read, tab="notifications")

    async def follow(self, visit: Visit) -> web.StreamResponse:
        """What changes of a page."""
        tab = visit.path["tab"]
        if tab not in LIVE:
            raise NotFound("there is no such stream")

        cards = Cards(self._frame.piece, visit.request_id, LIVE[tab].path)

        async def look() -> Picture:
            role = visit.caller.role
            part = await self._part(cards, tab, LIVE[tab].word, self._reading.by_tab[tab], role)
            return Picture([Region("head", self._frame.piece(HEAD, "head", role, may_of(role))), Region("part", part)])

        return await self._streams.serve(visit, ("system", tab), look)

    async def _part(self, cards: Cards, part: str, word: str, read: Read, role: Role) -> "Markup":
        """What stands below the tabs; they and the head are there also where it cannot be read."""

        async def make() -> "Markup":
            return self._frame.piece(f"system/parts/{part}.html", "part", await read(), role, may_of(role))

        return await cards.draw("part", word, make)

    def _behind(self, visit: Visit, kinds: tuple[type, ...]) -> Any:
        """The key after which the page goes on; None: from the first, also for a cursor that is none."""
        cursor = visit.http.query.get("cursor", "")
        try:
            return decode_cursor(cursor, kinds) if cursor else None
        except ValueError:
            return None

    async def _page(self, visit: Visit, part: str, read: Read, tab: str = "") -> web.Response:
        tab = tab or part
        live = f"/events/system/{tab}" if part in LIVE else ""
        word = next(one.word for one in TABS if one.name == tab)
        cards = Cards(self._frame.piece, visit.request_id, visit.address)
        drawn = await self._part(cards, part, word, read, visit.caller.role)
        return self._frame.page(
            visit, "system/page.html", here="system", tab=tab, tabs=TABS, word=word, drawn=drawn, live=live,
            status=500 if cards.has_failed("part") else 200,
        )  # fmt: skip
