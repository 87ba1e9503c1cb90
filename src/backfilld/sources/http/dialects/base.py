"""What a dialect says of a system: how to ask for a page, a count or some records, and what can be pushed to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backfilld.domain.entities.records import FieldType
from backfilld.domain.filters import Tree
from backfilld.sources.http.answers import Answer
from backfilld.sources.http.places import Place
from backfilld.sources.http.push import Pushed
from backfilld.sources.http.shape import Request, Resource

Conditions = Pushed[Any]


@dataclass(frozen=True, slots=True)
class KnownField:
    """A field that the API tells of. `values`: of a pick list each value with its label."""

    type: FieldType
    can_be_asked: bool = True
    values: tuple[tuple[str, str], ...] = ()


class Dialect(Protocol):
    """One way to speak. `parent` is the raw id of a child's parent."""

    def push(self, resource: Resource, tree: Tree | None, fields: Mapping[str, FieldType]) -> Conditions:
        """What of a filter the API can be asked."""

    def first(self, resource: Resource) -> Place:
        """Where a listing begins."""

    def page(
        self, resource: Resource, pushed: Conditions, place: Place, size: int, parent: str | int | None = None
    ) -> Request:
        """Asks for the page at a place."""

    def behind(
        self,
        resource: Resource,
        place: Place,
        answer: Answer,
        document: Any,
        ids: Sequence[str | int],
        *,
        short_is_last: bool,
    ) -> Place | None:
        """The place of the following page; None if there is none."""

    def count(self, resource: Resource, pushed: Conditions) -> Request | None:
        """Asks how many there are; None where that cannot be asked."""

    def counted(self, resource: Resource, document: Any) -> int | None:
        """The number in that answer; None if there is none."""

    def many(self, resource: Resource, ids: Sequence[str]) -> Request:
        """Asks for the records of some ids, at most `read.most`."""

    def one(self, resource: Resource, id: str) -> Request:
        """Asks for one record."""

    def record(self, resource: Resource, document: Any) -> Any:
        """The record in that answer; None: it is gone."""

    def can_be_id(self, resource: Resource, id: str) -> bool:
        """Whether a record may have this id; else it need not be asked for."""

    def metadata(self, resource: Resource) -> Sequence[Request]:
        """Asks what fields there are; none where nobody can be asked."""

    def fields(self, resource: Resource, documents: Sequence[Any]) -> Mapping[str, KnownField]:
        """The fields in those answers."""
