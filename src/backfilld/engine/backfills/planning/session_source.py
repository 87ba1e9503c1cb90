"""Where the sessions of a backfill come from: the attempts that were made with it.

To the reader they are like entities of any source that can be read again; what is read with a page are the facts that
the executor will be told.
"""

from collections.abc import AsyncGenerator, Sequence

from backfilld.domain.entities.records import Entity
from backfilld.sources.base import EntityQuery, Page
from backfilld.store.ledger.session_items import SessionItem, SessionItems

ITEM = "item"


class SessionSource:
    """The sessions of one backfill."""

    can_be_read_again = True
    plans_outside_windows = True
    plans_early = False
    freshness_seconds = None

    def __init__(self, items: SessionItems, backfill_number: int) -> None:
        self._items = items
        self._number = backfill_number

    async def count(self, query: EntityQuery, *, within_seconds: float) -> int | None:
        """The plan is made with the backfill: nobody counts."""
        raise AssertionError("the plan of a backfill over sessions is made with it")

    def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int) -> AsyncGenerator[Page, None]:
        """Nor does anybody plan."""
        raise AssertionError("the plan of a backfill over sessions is made with it")

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
        """The attempts of these sessions; none is ever gone."""
        found = await self._items.read(self._number, ids)
        return {id: Entity(id, {ITEM: item}) for id, item in found.items()}


def session_item(attributes: object) -> SessionItem:
    """The attempt that an item was read with."""
    item = attributes[ITEM]  # type: ignore[index]  # what `read` put there
    assert isinstance(item, SessionItem)  # noqa: S101
    return item
