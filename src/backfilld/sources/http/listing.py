"""One walk over the records of a resource, page by page.

Of listings that may shift while they are read, the total tells: if it is not what was seen, or has changed since the
first page, the listing begins anew and brings what is new, a few times at most. What would never end is broken.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.entities.records import Entity
from backfilld.sources.base import SourceBroken
from backfilld.sources.http.answers import NotThere, NotUnderstood, TooLarge, Unreachable, inside
from backfilld.sources.http.asking.connection import Connection
from backfilld.sources.http.asking.rates import Purpose
from backfilld.sources.http.dialects.base import Conditions, Dialect
from backfilld.sources.http.paging import require_ascending
from backfilld.sources.http.places import Place, Somewhere
from backfilld.sources.http.push import Pushed
from backfilld.sources.http.records import RecordReader
from backfilld.sources.http.shape import Resource

MOST_ROUNDS = 3
MOST_FAILURES = 5
MOST_REMEMBERED = 1_000
SMALLEST_OF_SLOW = 100  # whoever is too slow for so few records is not helped by fewer
SHIFTED = (
    "records moved while they were listed, 3 times over, so some of type {} may be missing; another backfill with"
    " reprocess_behavior 'none' finds them (listing_shifted)"
)
_SAME_AT_ANY_FILTER = ("keyset", "none")  # places that mean the same whatever is asked for


@dataclass(frozen=True, slots=True)
class Batch:
    """Entities of a page, and where the next begins. `is_filtered` False: the API was not asked for the filter.

    `remarks`: what should be known of the whole listing.
    """

    entities: list[Entity]
    following: Somewhere | None
    is_filtered: bool = True
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class Learned:
    """What is found out about a resource while it is listed, kept for the next listing."""

    size: int
    gives_full_pages: bool = False
    refused: set[str] = field(default_factory=set)  # conditions that the API does not understand
    failed: dict[str, tuple[int, int]] = field(default_factory=dict)  # page → how often, and successes at the first
    shifted: bool = False  # the last listing that was read to its end

    def refuses(self, conditions: Conditions) -> bool:
        """Whether the API was asked for these before, and did not understand them."""
        return bool(self.refused) and repr(conditions.conditions) in self.refused

    def refuse(self, conditions: Conditions) -> None:
        """It did not understand these."""
        if len(self.refused) >= MOST_REMEMBERED:
            self.refused.clear()
        self.refused.add(repr(conditions.conditions))


@dataclass(slots=True)
class _Walk:
    """One listing, as far as it has come."""

    parent: str | int | None
    purpose: Purpose
    last_page: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)  # in this round
    given: set[str] = field(default_factory=set)  # in all of them
    places: set[str | int | None] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)

    def told(self) -> tuple[str, ...]:
        told, self.remarks = tuple(self.remarks), []
        return told


class Lister:
    """Lists one resource on a connection."""

    def __init__(self, resource: Resource, dialect: Dialect, connection: Connection, clock: Clock) -> None:
        self.resource = resource
        self.learned = Learned(resource.paging.size, resource.paging.size_is_kept)
        self._dialect = dialect
        self._connection = connection
        self._clock = clock
        self._reader = RecordReader(resource)

    async def pages(
        self,
        conditions: Conditions,
        place: Place | None = None,
        parent: str | int | None = None,
        *,
        purpose: Purpose = Purpose.PLAN,
    ) -> AsyncGenerator[Batch, None]:
        """Pages from a place on (None: all of them). Pages may be empty."""
        walk = _Walk(parent, purpose)
        at: Somewhere | None = place or self._first()
        while at is not None:
            assert isinstance(at, Place)  # noqa: S101 - nobody's children
            batch = await self._page(conditions, at, walk)
            yield batch
            at = batch.following

    def _first(self) -> Place:
        place, size = self._dialect.first(self.resource), self.learned.size
        return replace(place, size=size) if size != self.resource.paging.size and self._counts_pages else place

    @property
    def _counts_pages(self) -> bool:
        return self.resource.paging.kind == "page"  # its numbers go by the size of a page

    def _size(self, place: Place) -> int:
        return (place.size or self.resource.paging.size) if self._counts_pages else self.learned.size

    async def _page(self, conditions: Conditions, at: Place, walk: _Walk) -> Batch:
        if not at.unfiltered and self.learned.refuses(conditions):
            return self._without_filter(at, "refused it before")
        asked: Conditions = Pushed((), False) if at.unfiltered else conditions
        size = self._size(at)
        try:
            entities, following = await self._asked(asked, at, size, walk)
        except (TooLarge, Unreachable) as problem:
            return Batch([], self._smaller(problem, at, size), not at.unfiltered)
        except NotUnderstood as problem:
            if not asked.conditions or (isinstance(problem, NotThere) and walk.parent is not None):
                raise
            self.learned.refuse(conditions)  # what it cannot read may be a filter of ours
            return self._without_filter(at, str(problem))
        self.learned.failed.pop(repr(at), None)
        return Batch(entities, following, not at.unfiltered, walk.told())

    def _without_filter(self, at: Place, why: str) -> Batch:
        all_of_them = f"every {self.resource.entity_type} was listed, and the filter tested on each"
        remark = f"{self._connection.name} does not understand the filter, so {all_of_them}: {why}"
        goes_on = self.resource.paging.kind in _SAME_AT_ANY_FILTER
        return Batch([], replace(at if goes_on else self._first(), unfiltered=True), False, (remark,))

    async def _asked(
        self, conditions: Conditions, place: Place, size: int, walk: _Walk
    ) -> tuple[list[Entity], Place | None]:
        resource = self.resource
        request = self._dialect.page(resource, conditions, place, size, walk.parent)
        where = self._connection.where(request)
        answer = await self._connection.ask(request, walk.purpose)
        document = answer.document()
        records = self._reader.listed(document, where)
        ids = self._reader.raw_ids(records, where)
        try:
            require_ascending(resource.paging, place, ids)
            is_short = len(ids) < size
            self.learned.gives_full_pages |= not is_short
            following = self._dialect.behind(
                resource, place, answer, document, ids, short_is_last=is_short and self.learned.gives_full_pages
            )
            names = set(map(str, ids))
            self._require_all(document, names)
            self._require_progress(names, following, walk)
        except SourceBroken as problem:
            raise SourceBroken(f"{where}: {problem}") from problem
        if resource.paging.may_shift:
            following = self._next_round(place, following, document, names, walk)
        entities = self._reader.entities(answer, records, ids, self._clock.now(), walk.parent)
        if resource.paging.kind not in _SAME_AT_ANY_FILTER:
            entities = [one for one, id in zip(entities, ids, strict=True) if str(id) not in walk.given]
            walk.given |= names
        return entities, following

    def _require_all(self, document: Any, names: set[str]) -> None:
        """SourceBroken where one page is said to be all, and the API says that there are more."""
        paging = self.resource.paging
        told = inside(document, paging.total) if paging.kind == "none" and paging.total else None
        if type(told) is int and told > len(names):
            raise SourceBroken(
                f"gives {len(names):,} of {told:,} records: it has pages, and paging says that it has none"
            )

    def _require_progress(self, names: set[str], following: Place | None, walk: _Walk) -> None:
        """SourceBroken where the API gives again what it gave, so that the listing would never end."""
        paging = self.resource.paging
        again = names & walk.last_page
        if paging.kind == "keyset" and again:
            raise SourceBroken(f"the ids do not ascend: {min(again)[:60]!r} comes a second time")
        if paging.may_shift and names and names == walk.last_page:
            raise SourceBroken(f"the records of the page before come again; are pages asked by {paging.parameter!r}?")
        walk.last_page = names
        if paging.may_shift or following is None:
            return
        if following.value in walk.places:
            raise SourceBroken("the next page is one that was read before: the listing would never end")
        walk.places.add(following.value)

    def _next_round(
        self, place: Place, following: Place | None, document: Any, names: set[str], walk: _Walk
    ) -> Place | None:
        """Where a listing goes on that may have shifted: at its beginning, if it has."""
        path = self.resource.paging.total
        told = inside(document, path) if path else None
        total = told if type(told) is int else None
        has_shifted = place.has_shifted or bool(names & walk.seen)
        has_shifted |= None not in (total, place.total) and total != place.total
        walk.seen |= names
        count = place.seen + len(names)
        first = place.total if place.total is not None else total
        if following is None and total is not None and count < total and names and not has_shifted:
            following = place.at(_number(place) + (1 if self._counts_pages else len(names)))
        if following is not None:
            return replace(following, total=first, seen=count, has_shifted=has_shifted, round=place.round)
        if total is None or not (has_shifted or count != total):
            self.learned.shifted = False
            return None
        if place.round >= MOST_ROUNDS:
            self.learned.shifted = True
            walk.remarks.append(SHIFTED.format(self.resource.entity_type))
            return None
        walk.seen.clear()
        walk.last_page = set()
        return self._again(place, place.round + 1)

    def _again(self, place: Place, round: int) -> Place:
        """The beginning of the same listing."""
        return replace(self._dialect.first(self.resource), round=round, size=place.size, unfiltered=place.unfiltered)

    def _smaller(self, problem: Exception, place: Place, size: int) -> Place:
        """Where to ask for half as many, if that may do; else the problem, which is a broken page once it stays."""
        paging, is_too_large = self.resource.paging, isinstance(problem, TooLarge)
        least = 1 if is_too_large else SMALLEST_OF_SLOW
        if not (is_too_large or getattr(problem, "is_slow", False)) or size <= least or not paging.size_parameter:
            raise self._counted(problem, place)
        smaller = max(least, size // 2)
        # A number of a page, or an address, is one of pages of this size: with another one all are read anew.
        is_of_size = self._counts_pages or (paging.kind in ("link_header", "next_url") and place.value is not None)
        if not is_of_size:
            self.learned.size = smaller
            return place
        if not is_too_large and place.value != self._dialect.first(self.resource).value:
            raise self._counted(problem, place)
        self.learned.size = smaller
        return replace(self._again(place, place.round), size=smaller if self._counts_pages else None)

    def _counted(self, problem: Exception, place: Place) -> Exception:
        """The problem; SourceBroken where it is this page that cannot be had."""
        failed, page, present = self.learned.failed, repr(place), self._connection.health.successes
        if len(failed) >= MOST_REMEMBERED:
            failed.clear()
        times, successes = failed.get(page, (0, present))
        failed[page] = (times + 1, successes)
        if times + 1 >= MOST_FAILURES and present > successes:
            del failed[page]
            return SourceBroken(f"{problem}; so {MOST_FAILURES} times in a row, while other requests succeed")
        return problem


def _number(place: Place) -> int:
    return place.value if isinstance(place.value, int) else int(place.value or 0)
