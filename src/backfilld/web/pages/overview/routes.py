"""`/`: all backfills."""

from urllib.parse import urlencode

from aiohttp import web

from backfilld.domain.backfills.explaining import Explanation
from backfilld.domain.backfills.holding import Group
from backfilld.domain.unreadable import UnreadableRow
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.view import BackfillView
from backfilld.operations.overview import GROUPS, OverviewPage
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Page, Visit
from backfilld.web.pages.overview.rows import row_of
from backfilld.web.words.states import GROUP_NAMES

PAGE_SIZE = 50
LONGEST_SEARCH = 200


class OverviewPages:
    """The handler."""

    def __init__(self, frame: Frame, operations: BackfillOperations) -> None:
        self._frame = frame
        self._operations = operations

    async def show(self, visit: Visit) -> web.Response:
        query = visit.http.query
        only = next((group for group in GROUPS if group == query.get("show")), None)
        text = query.get("q", "").strip()[:LONGEST_SEARCH]
        cursor = query.get("cursor", "")
        before = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 and only else None
        page = await self._operations.overview.read(only, text=text or None, before_number=before, limit=PAGE_SIZE)
        groups = [
            {
                "group": one.group,
                "name": GROUP_NAMES[one.group],
                "count": page.counts[one.group],
                "rows": [row_of(seen, visit.at) for seen in one.seen],
                "more": _address(one.group, text, _number(one.seen[-1])) if one.more else "",
            }
            for one in page.groups
        ]
        return self._frame.page(
            visit, "overview/overview.html", here="backfills", chips=_chips(page, only, text), groups=groups,
            only=only, q=text, total=page.total, attention=page.counts["attention"] > 0, is_later=before is not None,
        )  # fmt: skip


def _number(seen: tuple[BackfillView, Explanation] | UnreadableRow) -> int:
    return int(seen.number if isinstance(seen, UnreadableRow) else seen[0].number)


def _chips(page: OverviewPage, only: Group | None, text: str) -> list[dict[str, object]]:
    chips = [{"name": "All", "count": page.total, "address": _address(None, text), "chosen": only is None}]
    for group in GROUPS:
        address = _address(group, text)
        chips.append(
            {"name": GROUP_NAMES[group], "count": page.counts[group], "address": address, "chosen": only == group}
        )
    return chips


def _address(group: Group | None, text: str, cursor: int | None = None) -> str:
    query = {"show": group, "q": text, "cursor": cursor}
    given = {name: value for name, value in query.items() if value}
    return "/?" + urlencode(given) if given else "/"


def pages(frame: Frame, operations: BackfillOperations) -> list[Page]:
    return [Page("GET", "/", OverviewPages(frame, operations).show)]
