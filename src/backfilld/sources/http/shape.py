"""What is said about an API, as the rest of the package sees it: data, and nothing that does anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backfilld.domain.entities.pair_lists import PairMembers
from backfilld.domain.entities.records import FieldType
from backfilld.domain.filters import Tree

Path = tuple[str, ...]  # into a body or a record; empty: all of it
PagingKind = Literal["keyset", "page", "offset", "cursor", "link_header", "next_url", "none"]
DateFormat = Literal["rfc3339", "date", "epoch_seconds", "epoch_milliseconds"]


@dataclass(frozen=True, slots=True)
class Paging:
    """How one gets from a page to the next. `size_is_kept`: the API gives as many as are asked for, if there are."""

    kind: PagingKind
    parameter: str | None = None
    size_parameter: str | None = None
    size: int = 100
    order: Mapping[str, str] = field(default_factory=dict)
    first: str | int | None = None
    total: Path | None = None
    cursor: Path | None = None
    cursor_header: str | None = None
    url: Path | None = None
    size_is_kept: bool = False

    @property
    def may_shift(self) -> bool:
        """Whether records that come and go meanwhile move the others from one page to another."""
        return self.kind in ("page", "offset")


@dataclass(frozen=True, slots=True)
class Counting:
    """Where to ask how many there are."""

    path: str
    value: Path


@dataclass(frozen=True, slots=True)
class Reading:
    """How records are read again by their ids: `many` with a parameter, `one` by a path with {id}."""

    kind: Literal["many", "one", "none"]
    parameter: str = ""
    join: str = ","
    most: int = 100
    path: str = ""


@dataclass(frozen=True, slots=True)
class PushedField:
    """A field that the API itself can filter by."""

    operators: tuple[str, ...]
    parameter: str
    join: str | None = None
    exact: bool = False
    format: DateFormat | None = None
    widen_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PairList:
    """A list of pairs that becomes an object, under a name of its own."""

    at: str
    members: PairMembers
    name: str


@dataclass(frozen=True, slots=True)
class Parent:
    """Whose children are listed: one parent after the other."""

    resource: "Resource"
    where: Tree | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """What one entity type is over there. `where` is a filter that always holds, besides what is asked for."""

    entity_type: str
    path: str
    paging: Paging
    method: Literal["GET", "POST"] = "GET"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    records: Path = ()
    id: Path = ("id",)
    updated_at: Path | None = None
    count: Counting | None = None
    read: Reading = Reading("none")
    fields: Mapping[str, FieldType] = field(default_factory=dict)
    push: Mapping[str, PushedField] = field(default_factory=dict)
    lists: tuple[PairList, ...] = ()
    where: Tree | None = None
    parent: Parent | None = None
    freshness_seconds: float | None = None
    plans_outside_windows: bool = False
    entity: str = ""  # what the API calls it, where a path alone does not say
    can_search: bool = False  # its filter may be sent in a body, so it may be long
    longest_url: int = 7_500  # of a read of many, without the base: beyond it fewer are asked for
    parent_field: str = ""  # the field of a child that holds its parent's id, where it is asked by that


@dataclass(frozen=True, slots=True)
class Request:
    """One request below the base of a connection. `endpoint` is what its concurrency and its figures are counted by.

    `url` instead of a path: the whole of it, as the API gave it (of the same origin, which was seen to).
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    endpoint: str = ""
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
