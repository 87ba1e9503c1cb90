"""One walk over the records of a resource, page by page, and over the children of parents.

Of listings that may shift while they are read, the total tells: if it is not what was seen, or has changed since the
first page, the listing begins anew and brings what is new, a few times at most.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import compile_predicate, forgiving
from backfilld.sources.base import SourceBroken
from backfilld.sources.http.answers import NotThere, NotUnderstood, TooLarge, Unreachable, inside
from backfilld.sources.http.asking.budget import Purpose
from backfilld.sources.http.asking.connection import Connection
from backfilld.sources.http.dialects.base import Conditions, Dialect
from backfilld.sources.http.paging import require_ascending
from backfilld.sources.http.places import ChildPlace, Place, Somewhere
from backfilld.sources.http.push import Pushed
from backfilld.sources.http.records import RecordReader
from backfilld.sources.http.shape import Resource

MOST_ROUNDS = 3
MOST_FAILURES = 5

Batch = tuple[list[Entity], Somewhere | None]  # entities of a page, and where the next begins


@dataclass(slots=True)
class Learned:
    """What is found out about a resource while it is listed, kept for the next listing."""

    size: int
    gives_full_pages: bool = False
    pushes: bool = True
    failed: tuple[str, int, int] = ("", 0, 0)  # a page, how often, and the successes of others at the first time
    shifted: int = 0


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
        seen: set[str] = set()
        at: Place | None = place or self._dialect.first(self.resource)
        while at is not None:
            asked = conditions if self.learned.pushes else Pushed((), False)
            entities, at = await self._page(asked, at, parent, seen, purpose)
            yield entities, at

    async def _page(
        self, conditions: Conditions, place: Place, parent: str | int | None, seen: set[str], purpose: Purpose
    ) -> tuple[list[Entity], Place | None]:
        while True:
            size = self.learned.size
            try:
                found = await self._asked(conditions, place, size, parent, seen, purpose)
            except (TooLarge, Unreachable) as problem:
                self._smaller(problem, place, size)
                continue
            except NotUnderstood as problem:
                if not conditions.conditions or (isinstance(problem, NotThere) and parent is not None):
                    raise
                self.learned.pushes = False  # what it cannot read may be a filter of ours
                conditions = Pushed((), False)
                if self.resource.paging.kind not in ("keyset", "none"):
                    return [], self._dialect.first(self.resource)  # its places are of another list
                continue
            self.learned.failed = ("", 0, 0)
            return found

    async def _asked(
        self,
        conditions: Conditions,
        place: Place,
        size: int,
        parent: str | int | None,
        seen: set[str],
        purpose: Purpose,
    ) -> tuple[list[Entity], Place | None]:
        resource = self.resource
        request = self._dialect.page(resource, conditions, place, size, parent)
        where = self._connection.where(request)
        answer = await self._connection.ask(request, purpose)
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
        except SourceBroken as problem:
            raise SourceBroken(f"{where}: {problem}") from problem
        if resource.paging.may_shift:
            following = self._next_round(place, following, document, ids, seen)
        return self._reader.entities(records, ids, self._clock.now(), parent), following

    def _next_round(
        self, place: Place, following: Place | None, document: Any, ids: list[str | int], seen: set[str]
    ) -> Place | None:
        """Where a listing goes on that may have shifted: at its beginning, if it has."""
        path = self.resource.paging.total
        told = inside(document, path) if path else None
        total = told if type(told) is int else None
        names = set(map(str, ids))
        has_shifted = place.has_shifted or bool(names & seen)
        has_shifted |= None not in (total, place.total) and total != place.total
        seen |= names
        count = place.seen + len(names)
        first = place.total if place.total is not None else total
        if following is None and total is not None and count < total and ids and not has_shifted:
            following = place.at(_number(place) + (1 if self.resource.paging.kind == "page" else len(ids)))
        if following is not None:
            return replace(following, total=first, seen=count, has_shifted=has_shifted, round=place.round)
        if total is None or not (has_shifted or count != total):
            return None
        if place.round >= MOST_ROUNDS:
            self.learned.shifted += 1
            return None
        seen.clear()
        return replace(self._dialect.first(self.resource), round=place.round + 1)

    def _smaller(self, problem: Exception, place: Place, size: int) -> None:
        """Ask for half as many, where that may do; else the problem, which is a broken page once it stays."""
        may_be_too_much = isinstance(problem, TooLarge) or getattr(problem, "is_slow", False)
        paging = self.resource.paging
        if may_be_too_much and size > 1 and paging.size_parameter and paging.kind != "page":  # its numbers go by size
            self.learned.size = max(1, size // 2)
            return
        page, times, successes = self.learned.failed
        if page != repr(place):
            page, times, successes = repr(place), 0, self._connection.health.successes
        self.learned.failed = (page, times + 1, successes)
        if times + 1 >= MOST_FAILURES and self._connection.health.successes > successes:
            self.learned.failed = ("", 0, 0)
            raise SourceBroken(f"{problem}; so {MOST_FAILURES} times in a row, while other requests succeed")
        raise problem


class ChildLister:
    """Lists the children of parents, which are listed themselves."""

    def __init__(self, parents: Lister, children: Lister, parents_pushed: Conditions, matches: Callable[..., bool]):
        self._parents = parents
        self._children = children
        self.parents_pushed = parents_pushed
        self._matches = matches
        self.learned = children.learned

    @staticmethod
    def of(parents: Lister, children: Lister, pushed: Conditions) -> "ChildLister":
        """Those of all parents that the configured filter lets through."""
        parent = children.resource.parent
        where = parent.where if parent is not None else None
        matches = (lambda _: True) if where is None else forgiving(compile_predicate(where), otherwise=True)
        return ChildLister(parents, children, pushed, matches)

    async def pages(
        self, conditions: Conditions, place: ChildPlace | None = None, purpose: Purpose = Purpose.PLAN
    ) -> AsyncGenerator[Batch, None]:
        """Pages of children, none of them of two parents."""
        resume = place
        at: Place | None = None if place is None else place.parents
        async with aclosing(self._parents.pages(self.parents_pushed, at, purpose=purpose)) as pages:
            at = at or Place()
            async for parents, following in pages:
                assert following is None or isinstance(following, Place)  # noqa: S101 - parents are nobody's children
                ids = [_raw(entity, self._parents.resource) for entity in parents if self._matches(entity.attributes)]
                start, within = _resumed(ids, resume)
                resume = None
                for number in range(start, len(ids)):
                    id = ids[number]
                    rest = ids[number + 1] if number + 1 < len(ids) else None
                    after = ChildPlace(at, rest) if rest is not None else _behind(following)
                    async for batch in self._of_one(conditions, at, id, within, after, purpose):
                        yield batch
                    within = None
                if not ids:
                    yield [], _behind(following)
                at = following or at

    async def _of_one(
        self,
        conditions: Conditions,
        at: Place,
        id: str | int,
        within: Place | None,
        after: ChildPlace | None,
        purpose: Purpose,
    ) -> AsyncGenerator[Batch, None]:
        try:
            async with aclosing(self._children.pages(conditions, within, id, purpose=purpose)) as pages:
                async for children, inner in pages:
                    assert inner is None or isinstance(inner, Place)  # noqa: S101 - one parent's children
                    yield children, after if inner is None else ChildPlace(at, id, inner)
        except NotThere:  # the parent is gone meanwhile
            yield [], after


def _resumed(ids: list[str | int], place: ChildPlace | None) -> tuple[int, Place | None]:
    """Where among these parents a listing goes on. If its parent is gone: at the first behind it, else at the first."""
    if place is None or place.parent is None:
        return 0, None
    if place.parent in ids:
        return ids.index(place.parent), place.within
    if isinstance(place.parent, int):
        later = [number for number, id in enumerate(ids) if isinstance(id, int) and id > place.parent]
        return (later[0] if later else len(ids)), None
    return 0, None


def _behind(following: Place | None) -> ChildPlace | None:
    return None if following is None else ChildPlace(following)


def _raw(entity: Entity, resource: Resource) -> str | int:
    found: Any = entity.attributes
    for name in resource.id:
        found = found[name]
    return found if isinstance(found, str | int) else entity.id


def _number(place: Place) -> int:
    return place.value if isinstance(place.value, int) else int(place.value or 0)
