"""Parts of a page that stand or fall by themselves: one that raises says so in its place, and the others live."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from backfilld.api.framework.answering.responses import is_foreseen

if TYPE_CHECKING:
    from markupsafe import Markup

log = structlog.get_logger(__name__)

Draw = Callable[..., "Markup"]  # a template, a macro of it, and its values


class Cards:
    """Of one page, or of one that is looked at again and again: a fault is logged when it begins, and when another
    takes its place.

    `address`: the page itself, to try again. `request_id` stands on the card and beside the traceback in the log.
    """

    def __init__(self, draw: Draw, request_id: UUID, address: str) -> None:
        self._draw = draw
        self._request_id = request_id
        self._address = address
        self._broken: dict[str, str] = {}

    def has_failed(self, id_: str) -> bool:
        """Whether it could not be drawn when it was looked at last."""
        return id_ in self._broken

    async def draw(self, id_: str, title: str, make: Callable[[], Awaitable["Markup"]]) -> "Markup":
        """What `make` draws as the element with that id; else a card that says that it could not."""
        try:
            made = await make()
        except Exception as problem:
            if is_foreseen(problem):
                raise
            return self.failed(id_, title, problem)
        self._broken.pop(id_, None)
        return made

    def failed(self, id_: str, title: str, problem: Exception) -> "Markup":
        """A card in the place of one that raised `problem`."""
        self._tell(id_, problem)
        return self._failed("card", id_, title)

    def line(self, id_: str, name: str, link: str, problem: Exception) -> "Markup":
        """The same where the part is a row of a list."""
        self._tell(id_, problem)
        return self._failed("line", id_, name, link)

    def _failed(self, macro: str, *values: Any) -> "Markup":
        return self._draw("frame/failed.html", macro, *values, self._request_id, self._address)

    def _tell(self, id_: str, problem: Exception) -> None:
        if self._broken.get(id_) == repr(problem):
            return
        self._broken[id_] = repr(problem)
        log.error("part of a page failed", part=id_, request_id=str(self._request_id), exc_info=problem)
