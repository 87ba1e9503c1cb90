"""Where a listing has got to, as it is stored with the page before it."""

from dataclasses import dataclass, replace
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Place:
    """`value`: the id that the page starts behind, the number of a page, an offset, a token or a URL.

    The rest tells of listings that may shift: what the first page said of the total, how many ids were seen in this
    round, whether something has moved, and which round it is. `size`: of pages that are counted, where it is not the
    usual one. `unfiltered`: of a listing in which the API is not asked for the filter, since it refused it.
    """

    value: str | int | None = None
    total: int | None = None
    seen: int = 0
    has_shifted: bool = False
    round: int = 1
    size: int | None = None
    unfiltered: bool = False

    def at(self, value: str | int | None) -> "Place":
        """The same listing, further on."""
        return replace(self, value=value)

    def written(self) -> list[Any]:
        plain = [self.value]
        if self == Place(self.value):
            return plain
        more = [self.total, self.seen, self.has_shifted, self.round]
        usual = self.size is None and not self.unfiltered
        return [*plain, *more] if usual else [*plain, *more, self.size, self.unfiltered]


@dataclass(frozen=True, slots=True)
class ChildPlace:
    """Among children: the page of parents (its place), the parent, and the place among its children."""

    parents: Place
    parent: str | int | None = None
    within: Place | None = None


Somewhere = Place | ChildPlace
END = "end"


def written(place: Somewhere | None, kind: str) -> str:
    """The cursor of a place; None: nothing is left."""
    if place is None:
        return orjson.dumps([END]).decode()
    if isinstance(place, Place):
        return orjson.dumps([kind, *place.written()]).decode()
    within = None if place.within is None else place.within.written()
    return orjson.dumps(["children", kind, place.parents.written(), place.parent, within]).decode()


def read(cursor: str, kind: str) -> Somewhere | None:
    """The place of a cursor; None: nothing is left. ValueError for the cursor of another kind of listing."""
    found = orjson.loads(cursor)
    if found[0] == END:
        return None
    if found[0] == "children" and found[1] == kind:
        return ChildPlace(Place(*found[2]), found[3], None if found[4] is None else Place(*found[4]))
    if found[0] != kind:
        raise ValueError(f"this cursor belongs to paging by {found[0]}, not by {kind}")
    return Place(*found[1:])
