"""The source of one entity type behind a REST API.

The API is asked for what it can select; the predicate has the last word on every record, except where the API says
exactly what the filter means.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from backfilld.clock import Clock
from backfilld.domain.entities.records import Entity, FieldType
from backfilld.domain.filters import Tree, compile_predicate, forgiving
from backfilld.sources.base import EntityQuery, Page, Price, SourceBroken, SourceUnreachable
from backfilld.sources.http import places
from backfilld.sources.http.answers import NotUnderstood
from backfilld.sources.http.asking.connection import Connection
from backfilld.sources.http.asking.rates import Purpose
from backfilld.sources.http.children import ChildLister
from backfilld.sources.http.dialects.base import Conditions, Dialect, KnownField
from backfilld.sources.http.listing import SHIFTED, Batch, Lister
from backfilld.sources.http.places import ChildPlace, Place, Somewhere
from backfilld.sources.http.push import both
from backfilld.sources.http.rereading import Rereader
from backfilld.sources.http.shape import Resource

FRESHNESS_SECONDS = 300.0
METADATA_SECONDS = 86_400.0
MOST_COUNTED_PAGES = 10
MOST_PAGES_UNTOLD = 2  # where the API does not say how many there are


@dataclass(frozen=True, slots=True)
class Purposes:
    """For whom a source asks: the engine, or people who look."""

    listing: Purpose = Purpose.PLAN
    reading: Purpose = Purpose.READ


LOOKING = Purposes(Purpose.LOOK, Purpose.LOOK)


class HttpSource:
    """`ForeignSource` over one resource. "source" order is as the API lists; it sorts in no other."""

    plans_early = True

    def __init__(
        self,
        resource: Resource,
        dialect: Dialect,
        connection: Connection,
        clock: Clock,
        purposes: Purposes | None = None,
        parents_dialect: Dialect | None = None,
    ) -> None:
        purposes = purposes or Purposes()
        self.resource = resource
        self.connection = connection
        self._dialect = dialect
        self._clock = clock
        self._purposes = purposes
        self._lister = Lister(resource, dialect, connection, clock)
        self._parents: Lister | None = None
        if resource.parent is not None:
            parents_dialect = parents_dialect or dialect
            self._parents = Lister(resource.parent.resource, parents_dialect, connection, clock)
        self._rereader = Rereader(resource, dialect, connection, clock, purposes.reading)
        self._always = None if resource.where is None else forgiving(compile_predicate(resource.where), otherwise=True)
        self._told: Mapping[str, KnownField] = {}
        self._told_at: float | None = None
        self._asking_fields = asyncio.Lock()
        self._counted: dict[str, int] = {}  # the last number that the API told, by what it was asked

    @property
    def can_be_read_again(self) -> bool:
        return self.resource.read.kind != "none"

    @property
    def plans_outside_windows(self) -> bool:
        return self.resource.plans_outside_windows

    @property
    def freshness_seconds(self) -> float | None:
        seconds = self.resource.freshness_seconds
        return FRESHNESS_SECONDS if seconds is None else seconds

    def price(self) -> Price:
        """What its entities cost of the connection's budget."""
        read = self.resource.read
        reading = {"none": 0.0, "one": 1.0, "many": 1 / max(1, read.most)}[read.kind]
        return Price(self.connection.name, 1 / max(1, self.resource.paging.size), reading)

    async def known_fields(self) -> Mapping[str, FieldType]:
        """From the API's own metadata, kept for a day, and from the configuration, which wins.

        SourceRefused while credentials are known to be refused: nothing that is made now could be planned.
        """
        self.connection.require_not_refused()
        told = await self._metadata()
        return {**{name: field.type for name, field in told.items()}, **self.resource.fields}

    def labels(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Those of the API's own metadata."""
        return {name: field.values for name, field in self._told.items() if field.values}

    async def look(self) -> Mapping[str, FieldType]:
        """Whether it answers, and its fields."""
        await self.connection.look()
        return await self.known_fields()

    async def remarks(self) -> list[str]:
        """What should be known before a plan is made of it."""
        remarks = []
        if self.resource.parent is not None:
            own, parents = self.resource.entity_type, self.resource.parent.resource.entity_type
            remark = f"entities of type '{own}' are listed under each {parents}: at least one request for each"
            remarks.append(remark + await self._what_parents_cost())
        if self._lister.learned.shifted:
            remarks.append(SHIFTED.format(self.resource.entity_type))
        return remarks

    async def count(self, query: EntityQuery, *, within_seconds: float) -> int | None:
        """How many match: one request where the API knows; else by looking at a few pages; else None."""
        try:
            async with asyncio.timeout(within_seconds) as deadline:
                return await self._count(query)
        except TimeoutError:
            if deadline.expired():
                return None
            raise

    async def at_most(self, query: EntityQuery) -> int | None:
        """No more than so many match; None where nobody knows."""
        pushed = await self._pushed(query.tree)
        known = self._counted.get(repr(pushed.conditions))
        return await self._asked_count(pushed) if known is None else known

    async def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int) -> AsyncGenerator[Page, None]:
        """Pages as the API gives them, whatever `page_size` says: a request is dearer than a record."""
        kind = self.resource.paging.kind
        place: Somewhere | None = None
        if cursor is not None and (place := places.read(cursor, kind)) is None:
            return
        pushed = await self._pushed(query.tree)
        exact = pushed.exact and self._always is None
        is_plan = self._purposes.listing is Purpose.PLAN
        purpose = Purpose.EARLY_PLAN if is_plan and query.early else self._purposes.listing
        async with aclosing(self._batches(pushed, place, purpose)) as batches:
            async for batch in batches:
                if pushed.conditions and not batch.is_filtered:
                    exact = False
                    self._told_at = None  # perhaps a field that was known is none any more
                entities, always = batch.entities, self._always
                kept = entities if always is None else [one for one in entities if always(one.attributes)]
                cursor, is_last = places.written(batch.following, kind), batch.following is None
                yield Page(kept, cursor, exact, remarks=batch.remarks, is_last=is_last)

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
        """The present entities among `ids`."""
        if not self.can_be_read_again:
            raise SourceBroken(f"entities of type '{entity_type}' cannot be read by their ids; give no entity_ids")
        found = await self._rereader.read(ids)
        if self._always is None:
            return found
        return {id: entity for id, entity in found.items() if self._always(entity.attributes)}

    async def close(self) -> None:
        """Nothing is kept open here but by the connection, which others use, too."""

    def _batches(self, pushed: Conditions, place: Somewhere | None, purpose: Purpose) -> AsyncGenerator[Batch, None]:
        if self._parents is None:
            assert place is None or isinstance(place, Place)  # noqa: S101 - as it was written
            return self._lister.pages(pushed, place, purpose=purpose)
        assert place is None or isinstance(place, ChildPlace)  # noqa: S101
        return self._children().pages(pushed, place, purpose)

    def _children(self) -> ChildLister:
        assert self._parents is not None  # noqa: S101 - else nobody asks
        assert self.resource.parent is not None  # noqa: S101
        where = both(self.resource.parent.resource.where, self.resource.parent.where)
        pushed = self._dialect.push(self._parents.resource, where, self._parents.resource.fields)
        return ChildLister.of(self._parents, self._lister, pushed)

    async def _pushed(self, tree: Tree | None) -> Conditions:
        whole = both(self.resource.where, tree)
        return self._dialect.push(self.resource, whole, await self._askable() if whole is not None else {})

    async def _askable(self) -> Mapping[str, FieldType]:
        """The types of the fields that the API can be asked for."""
        told = await self._metadata()
        own = {name: kind for name, kind in self.resource.fields.items() if name not in told}
        return {**own, **{name: field.type for name, field in told.items() if field.can_be_asked}}

    async def _count(self, query: EntityQuery) -> int | None:
        pushed = await self._pushed(query.tree)
        asked = await self._asked_count(pushed)
        if asked == 0 or (asked is not None and pushed.exact):
            return asked
        if asked is not None and asked > MOST_COUNTED_PAGES * self.resource.paging.size:
            return None
        matches = forgiving(compile_predicate(query.tree), otherwise=True) if query.tree is not None else None
        found, pages_read = set[str](), 0
        most_pages = MOST_COUNTED_PAGES if asked is not None else MOST_PAGES_UNTOLD
        async with aclosing(self.pages(query, cursor=None, page_size=self.resource.paging.size)) as pages:
            async for page in pages:
                fit = (one for one in page.entities if page.exact or matches is None or matches(one.attributes))
                found.update(one.id for one in fit)
                pages_read += bool(page.entities)
                if pages_read >= most_pages and page.cursor != places.written(None, ""):
                    return None
        return len(found)

    async def _asked_count(self, pushed: Conditions) -> int | None:
        request = self._dialect.count(self.resource, pushed)
        if request is None:
            return None
        if self._lister.learned.refuses(pushed):
            return None
        try:
            answer = await self.connection.ask(request, self._purposes.listing)
        except NotUnderstood:
            if not pushed.conditions:
                raise
            self._lister.learned.refuse(pushed)
            return None
        counted = self._dialect.counted(self.resource, answer.document())
        if counted is not None:
            self._counted = {repr(pushed.conditions): counted}
        return counted

    async def _what_parents_cost(self) -> str:
        """How many requests there are at least, and how long they take within the budget; empty if nobody knows."""
        assert self._parents is not None  # noqa: S101 - else nobody asks
        resource = self._parents.resource
        request = self._dialect.count(resource, self._children().parents_pushed)
        if request is None:
            return ""
        parents = self._dialect.counted(resource, (await self.connection.ask(request, Purpose.LOOK)).document())
        if parents is None:
            return ""
        seconds = self.connection.budget.seconds_for(parents)
        took = f", {seconds / 3600:,.1f} h within its budget" if seconds >= 360 else ""
        return f", about {parents:,} requests{took}"

    async def _metadata(self) -> Mapping[str, KnownField]:
        async with self._asking_fields:
            now = self._clock.monotonic()
            if self._told_at is None or now - self._told_at > METADATA_SECONDS:
                requests = self._dialect.metadata(self.resource)
                try:
                    answers = [(await self.connection.ask(one, self._purposes.reading)).document() for one in requests]
                except SourceUnreachable:
                    if self._told_at is None:
                        raise
                    return self._told  # what was known before will do meanwhile
                self._told = self._dialect.fields(self.resource, answers)
                self._told_at = now
            return self._told
