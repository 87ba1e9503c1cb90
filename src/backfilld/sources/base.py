"""Where entities come from, as planner, reader and previews see it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

from backfilld.domain.entities.attributes_text import Content
from backfilld.domain.entities.records import Entity

Order = Literal["source", "newest_first", "oldest_first"]


class SourceUnreachable(Exception):
    """The source does not answer now. Whoever asked waits and asks again; not before `until`, where that is known."""

    def __init__(self, message: str, *, until: datetime | None = None) -> None:
        super().__init__(message)
        self.until = until


class SourceRefused(SourceUnreachable):
    """The source answers, and takes our credentials for nothing. Whoever asked waits until somebody has seen to it."""


class SourceBusy(SourceUnreachable):
    """We may not ask now: what we allowed ourselves is used up, or the other side asked us to slow down."""


class SourceBroken(Exception):
    """The source cannot list what it should: somebody has to mend its query, or its data. The message says what."""


class TypeNotOffered(SourceBroken):
    """The system behind the source has nothing of this type. `offered` are the types that it has."""

    def __init__(self, message: str, offered: Sequence[str]) -> None:
        super().__init__(message)
        self.offered = tuple(offered)


@dataclass(frozen=True, slots=True)
class EntityQuery:
    """Which entities are wanted: of a type, matching a resolved filter tree (`domain.filters.tree`; None: all).

    Without `with_attributes` a page that is `exact` may come with empty attributes, which is cheaper. `early`: nobody
    waits for it yet, so a source that is dear takes its time.
    """

    entity_type: str
    tree: Any = None
    order: Order = "source"
    with_attributes: bool = True
    early: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A record that cannot be read. `id` None: nor does it have an id that an entity may have."""

    id: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Page:
    """Entities in order, and the cursor that the next page starts behind. A page may be empty and not the last.

    If `exact`, all of them match: there is nothing left to test. `left_out` are those of the page that cannot be read,
    where the source is told to go on nevertheless; nobody knows whether they match. `remarks` are sentences about the
    listing as a whole, which whoever looks at the plan should read. `is_last`: there is surely none behind it.
    """

    entities: Sequence[Entity]
    cursor: str | None = field(default=None)
    exact: bool = False
    left_out: Sequence[LeftOut] = ()
    remarks: Sequence[str] = ()
    is_last: bool = False


class EntitySource(Protocol):
    """Lists and reads the entities of a type. May list more than match: the planner tests each one again.

    Every method raises SourceUnreachable or SourceBroken.
    """

    @property
    def can_be_read_again(self) -> bool:
        """True if `read` gives present attributes later on; else the plan freezes what `pages` gave."""

    @property
    def plans_outside_windows(self) -> bool:
        """True if listing does not burden what the windows protect."""

    @property
    def plans_early(self) -> bool:
        """True if a plan that will wait for approval is listed at once, gently, also outside the windows."""

    @property
    def freshness_seconds(self) -> float | None:
        """How long attributes may be kept before they are read again; None: as the engine's own setting says."""

    async def count(self, query: EntityQuery, *, within_seconds: float) -> int | None:
        """How many match, exactly; None if that cannot be told in time."""

    def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int) -> AsyncGenerator[Page, None]:
        """Pages behind `cursor` (None: from the start), stable under inserts. To be closed by whoever stops early."""

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
        """The present entities among `ids`; those that are gone are missing."""


@runtime_checkable
class HandsOn(Protocol):
    """A source that has JSON as text, which need not be read to be sent."""

    async def read_unparsed(self, entity_type: str, ids: Sequence[str]) -> Mapping[str, Content]:
        """As `read`, for whoever sends it."""


@runtime_checkable
class Bounded(Protocol):
    """A source that can tell more of a count than None."""

    async def at_most(self, query: EntityQuery) -> int | None:
        """No more than so many match; None where nobody knows. Asked after `count` gave None, it costs nothing."""


@dataclass(frozen=True, slots=True)
class Price:
    """Requests of a connection: for each entity that is listed, and for each that is read before its start."""

    connection: str
    listing: float
    reading: float


@runtime_checkable
class Priced(Protocol):
    """A source whose requests are counted."""

    def price(self) -> Price:
        """What its entities cost."""


@runtime_checkable
class Labelled(Protocol):
    """A source some of whose fields hold numbers that stand for words."""

    def labels(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Field → each value with its label, as far as that is known by now."""
