"""A walk over the children of parents: these are listed themselves, and then what is under each."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import compile_predicate, forgiving
from backfilld.sources.base import SourceBroken
from backfilld.sources.http.answers import NotThere
from backfilld.sources.http.asking.rates import Purpose
from backfilld.sources.http.dialects.base import Conditions
from backfilld.sources.http.listing import Batch, Lister
from backfilld.sources.http.places import ChildPlace, Place
from backfilld.sources.http.shape import Resource


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
            async for parents in pages:
                following = parents.following
                assert following is None or isinstance(following, Place)  # noqa: S101 - parents are nobody's children
                kept = [entity for entity in parents.entities if self._matches(entity.attributes)]
                ids = [_raw(entity, self._parents.resource) for entity in kept]
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
                    yield Batch([], _behind(following))
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
                async for batch in pages:
                    inner = batch.following
                    assert inner is None or isinstance(inner, Place)  # noqa: S101 - one parent's children
                    yield replace(batch, following=after if inner is None else ChildPlace(at, id, inner))
        except NotThere:  # the parent is gone meanwhile
            yield Batch([], after)


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
    if isinstance(found, str) and "/" in found:
        message = (
            f"the id of the {resource.entity_type} {found[:60]!r} has a slash, which stands between parent and child"
        )
        raise SourceBroken(message)
    return found if isinstance(found, str | int) else entity.id
