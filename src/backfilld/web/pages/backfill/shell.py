"""What all pages of one backfill share: what is looked up for them, and the frame around their tab."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from backfilld.api.framework.answering.responses import is_foreseen
from backfilld.domain.calendars import shown_zone
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.view import BackfillView
from backfilld.web.frame.cards import Cards
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Visit
from backfilld.web.pages.backfill.head import Head, head_of
from backfilld.web.pages.backfill.verbs import Verb, verbs_of
from backfilld.web.words import times

PATH = "/backfills/{id}"
IDS = {"id": UUID}
PARTS = "backfill/regions.html"
RERUN = ("failed", "succeeded", "skipped", "cancelled")


@dataclass(frozen=True, slots=True)
class Looked:
    """What all pages of a backfill need."""

    view: BackfillView
    head: Head
    verbs: Sequence[Verb]


Read = Callable[[Visit, Looked], Awaitable[Mapping[str, Any]]]  # what a tab shows


class Shell:
    """Looks a backfill up, and draws its pages."""

    def __init__(self, frame: Frame, operations: BackfillOperations) -> None:
        self._frame = frame
        self._operations = operations

    async def look(self, id_: UUID) -> Looked:
        """As it stands now. NotFound."""
        view, explanation = await self._operations.explainer.look(id_)
        verbs = verbs_of(view, delete_needs_admin=self._operations.limits.delete_needs_admin)
        return Looked(view, head_of(view, explanation, self._frame.clock.now()), verbs)

    async def show(self, visit: Visit, tab: str, read: Read) -> web.Response:
        """`backfill/{tab}.html` with what `read` answers; what raises there stands in the place of the tab."""
        looked = await self.look(visit.path["id"])
        try:
            return self._page(visit, tab, looked, f"backfill/{tab}.html", await read(visit, looked))
        except Exception as problem:
            if is_foreseen(problem):
                raise
            card = Cards(self._frame.piece, visit.request_id, visit.address).failed("tab", tab.capitalize(), problem)
            return self._page(visit, tab, looked, "backfill/broken.html", {"card": card}, 500)

    def _page(
        self, visit: Visit, tab: str, looked: Looked, template: str, values: Mapping[str, Any], status: int = 200
    ) -> web.Response:
        """Followed live until the backfill has ended."""
        head, backfill = looked.head, looked.view.backfill
        zone = shown_zone(backfill)
        live = "" if looked.view.has_ended else f"/events/backfills/{backfill.id}/{tab}"
        more = {"quote": quoted} | dict(values)
        return self._frame.page(
            visit, template, status=status, here="backfills", tab=tab, head=head, verbs=looked.verbs,
            attention=head.needs_person, zone=times.place(zone), live=live,
            as_of=f"{visit.at.astimezone(zone):%H:%M} {times.place(zone)}", **more,
        )  # fmt: skip


def quoted(entity_id: str) -> str:
    """An id as a part of an address."""
    return quote(entity_id, safe="")
