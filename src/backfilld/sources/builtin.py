"""The source that needs no other system: entities that were loaded into our own database.

The filter goes into the statement. Where SQL says exactly what the filter means (nearly always), nothing is tested
again and a plan is made where the entities lie; where it selects too much, the predicate has the last word.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from backfilld.domain.entities.attributes_text import Unparsed
from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import compile_predicate, forgiving
from backfilld.sources.base import EntityQuery, Order, Page, SourceUnreachable
from backfilld.store.backfills.selections import FIRST_PARAMETER, Selection
from backfilld.store.connection.transient_errors import is_transient
from backfilld.store.entities.entities import EntityStore
from backfilld.store.entities.filters import SqlFilter, entities_that
from backfilld.store.entities.keys import Path

if TYPE_CHECKING:
    from collections.abc import Iterator

IndexedFields = Callable[[str], Collection[Path]]  # entity type → fields

_COUNT_PAGE = 1_000


class BuiltinSource:
    """`EntitySource` over `EntityStore`. "source" order is by id; `as_of` is when an entity last changed here.

    In the other orders an entity whose time changes while pages are read may be missed or come twice.
    """

    name = "builtin"
    can_be_read_again = True
    plans_outside_windows = True
    plans_early = False
    freshness_seconds = None

    def __init__(self, store: EntityStore, indexed: IndexedFields = lambda _: ()) -> None:
        """`indexed`: the fields of a type that have an index at this moment."""
        self._store = store
        self._indexed = indexed

    async def count(self, query: EntityQuery, *, within_seconds: float) -> int | None:
        """How many match, exactly; None if that takes longer."""
        with _reached():
            try:
                async with asyncio.timeout(within_seconds) as deadline:
                    return await self._count(query)
            except TimeoutError:
                if deadline.expired():
                    return None
                raise

    async def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int) -> AsyncGenerator[Page, None]:
        """Pages of up to `page_size`, none of them empty; ValueError for a cursor of another order."""
        lister = _Lister(self._store, query, page_size, self._indexed)
        place: _Place | None = _Place.read(cursor, query.order)
        while place is not None:
            with _reached():
                entities = await lister.list(place)
            after, place = place, place.behind(entities, full=len(entities) == page_size)
            if entities:
                yield Page(entities, (place or after.at(entities[-1])).written(), exact=lister.exact)

    def selection(self, query: EntityQuery) -> Selection | None:
        """A query as SQL alone answers it, in the order of ids; None if the predicate must have the last word."""
        condition = _condition(query, FIRST_PARAMETER, self._indexed)
        if condition is not None and not condition.exact:
            return None
        return Selection(query.entity_type, condition, lambda id: _Place("source", id).written())

    def id_behind(self, cursor: str | None) -> str:
        """The id that a listing in the order of ids goes on behind."""
        return _Place.read(cursor, "source").id

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
        """Those of `ids` that there are."""
        with _reached():
            return await self._store.read(entity_type, ids)

    async def read_unparsed(self, entity_type: str, ids: Sequence[str]) -> dict[str, Unparsed]:
        """Those of `ids` that there are, to be sent."""
        with _reached():
            return await self._store.read_unparsed(entity_type, ids)

    async def _count(self, query: EntityQuery) -> int:
        condition = _condition(query, EntityStore.FIRST_IN_COUNT, self._indexed)
        if condition is None or condition.exact:
            return await self._store.count(query.entity_type, condition)
        matches = forgiving(compile_predicate(query.tree), otherwise=True)  # as the plan counts
        every = EntityQuery(query.entity_type, query.tree)
        pages = self.pages(every, cursor=None, page_size=_COUNT_PAGE)
        return sum([sum(matches(entity.attributes) for entity in page.entities) async for page in pages])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in an order a listing has got to. In orders by time those without a time come last, by id."""

    order: Order
    id: str = ""
    updated_at: datetime | None = None
    timeless: bool = False

    def at(self, entity: Entity) -> "_Place":
        return _Place(self.order, entity.id, entity.updated_at, self.timeless)

    def behind(self, entities: Sequence[Entity], *, full: bool) -> "_Place | None":
        """Where the page after these starts; None if they were the last."""
        if full:
            return self.at(entities[-1])
        return None if self.timeless or self.order == "source" else _Place(self.order, timeless=True)

    def written(self) -> str:
        at = self.updated_at.isoformat() if self.updated_at else None
        return orjson.dumps([self.order, self.id, at, self.timeless]).decode()

    @staticmethod
    def read(cursor: str | None, order: Order) -> "_Place":
        if cursor is None:
            return _Place(order)
        written, id, at, timeless = orjson.loads(cursor)
        if written != order:
            raise ValueError(f"this cursor belongs to the order {written}, not {order}")
        return _Place(order, id, datetime.fromisoformat(at) if at else None, timeless)


class _Lister:
    """One query, ready to be asked page by page."""

    def __init__(self, store: EntityStore, query: EntityQuery, limit: int, indexed: IndexedFields) -> None:
        self._store = store
        self._query = query
        self._limit = limit
        self._by_id = _condition(query, EntityStore.FIRST_BY_ID, indexed)
        self._by_time = _condition(query, EntityStore.FIRST_BY_TIME, indexed)
        self.exact = self._by_id is None or self._by_id.exact
        self._attributes = query.with_attributes or not self.exact

    async def list(self, place: _Place) -> list[Entity]:
        entity_type, limit, attributes = self._query.entity_type, self._limit, self._attributes
        if place.order == "source" or place.timeless:
            by_id = self._store.page_by_id if place.order == "source" else self._store.page_without_time
            return await by_id(entity_type, after=place.id, limit=limit, condition=self._by_id, attributes=attributes)
        return await self._store.page_by_time(
            entity_type,
            newest_first=place.order == "newest_first",
            after=(place.updated_at, place.id) if place.updated_at else None,
            limit=limit,
            condition=self._by_time,
            attributes=attributes,
        )


def _condition(query: EntityQuery, first_parameter: int, indexed: IndexedFields) -> SqlFilter | None:
    fields = indexed(query.entity_type)
    return entities_that(query.entity_type, query.tree, first_parameter=first_parameter, indexed=fields)


@contextmanager
def _reached() -> "Iterator[None]":
    try:
        yield
    except Exception as problem:
        if is_transient(problem):
            raise SourceUnreachable(f"the built-in entity store does not answer: {problem}") from problem
        raise
