"""The way of most REST APIs: parameters in the query (or in a JSON body), and single ones to filter by."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from backfilld.domain.entities.records import FieldType
from backfilld.domain.filters import Rule, Tree
from backfilld.domain.filters.tree import Moment
from backfilld.sources.http import paging
from backfilld.sources.http.answers import Answer, inside
from backfilld.sources.http.dialects.base import Conditions, KnownField
from backfilld.sources.http.places import Place
from backfilld.sources.http.push import Spelled, pushed
from backfilld.sources.http.shape import PushedField, Request, Resource

_TEXTS = {True: "true", False: "false"}


class GenericDialect:
    """`Dialect` by configuration alone."""

    def push(self, resource: Resource, tree: Tree | None, fields: Mapping[str, FieldType]) -> Conditions:
        taken: set[str] = set()

        def spell(rule: Rule, required: bool) -> Spelled[tuple[str, str]] | None:
            known = resource.push.get(rule.spelled)
            if known is None or not required or known.parameter in taken or rule.operator not in known.operators:
                return None
            if (value := parameter_value(rule, known)) is None:
                return None
            taken.add(known.parameter)  # twice the same would be an `or`, or the last alone: nobody knows
            return Spelled((known.parameter, value), known.exact and not known.widen_seconds)

        return pushed(tree, spell, None)

    def first(self, resource: Resource) -> Place:
        return paging.first(resource.paging)

    def page(
        self, resource: Resource, pushed: Conditions, place: Place, size: int, parent: str | int | None = None
    ) -> Request:
        path = resource.path if parent is None else resource.path.replace("{parent}", quote(str(parent), safe=""))
        if resource.paging.kind in ("link_header", "next_url") and place.value is not None:
            return Request(resource.method, path, endpoint=resource.path, url=str(place.value))
        asked = {
            **_texts(resource.parameters),
            **dict(pushed.conditions),
            **paging.parameters(resource.paging, place, size),
        }
        return self._asking(resource, path, asked)

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
        return paging.behind(resource.paging, place, answer, document, ids, short_is_last=short_is_last)

    def count(self, resource: Resource, pushed: Conditions) -> Request | None:
        if resource.count is None:
            return None
        return self._asking(resource, resource.count.path, {**_texts(resource.parameters), **dict(pushed.conditions)})

    def counted(self, resource: Resource, document: Any) -> int | None:
        found = inside(document, resource.count.value) if resource.count is not None else None
        return found if type(found) is int and found >= 0 else None

    def many(self, resource: Resource, ids: Sequence[str]) -> Request:
        asked = {**_texts(resource.parameters), resource.read.parameter: resource.read.join.join(ids)}
        if resource.paging.size_parameter:
            asked[resource.paging.size_parameter] = str(max(len(ids), 1))
        return self._asking(resource, resource.read.path or resource.path, asked)

    def one(self, resource: Resource, id: str) -> Request:
        parent, _, own = id.partition("/") if resource.parent is not None else ("", "", id)
        path = resource.read.path.replace("{parent}", quote(parent, safe="")).replace("{id}", quote(own, safe=""))
        return Request("GET", path, _texts(resource.parameters), endpoint=resource.path)

    def record(self, resource: Resource, document: Any) -> Any:
        return document

    def can_be_id(self, resource: Resource, id: str) -> bool:
        if resource.parent is not None:
            return all(id.partition("/")[::2])
        # What joins ids in a parameter would make two of one; a dot alone is no name in a path.
        return resource.read.join not in id if resource.read.kind == "many" else id not in (".", "..")

    def metadata(self, resource: Resource) -> Sequence[Request]:
        return ()

    def fields(self, resource: Resource, documents: Sequence[Any]) -> Mapping[str, KnownField]:
        return {}

    def _asking(self, resource: Resource, path: str, asked: Mapping[str, str]) -> Request:
        if resource.method == "POST":
            body = {name: _typed(resource, name, value) for name, value in asked.items()}
            return Request("POST", path, json=body, endpoint=resource.path)
        return Request("GET", path, asked, endpoint=resource.path)


def _typed(resource: Resource, name: str, value: str) -> Any:
    """In a JSON body parameters have the types that the file gives them, and what pages are asked by are numbers."""
    if name in resource.parameters:
        return resource.parameters[name]
    of_pages = name in (resource.paging.parameter, resource.paging.size_parameter)
    return int(value) if of_pages and value.isascii() and value.isdecimal() and str(int(value)) == value else value


def parameter_value(rule: Rule, known: PushedField) -> str | None:
    """What a rule compares with, as text of a parameter; None where that cannot be said, or not surely."""
    if not rule.case_sensitive and any(isinstance(value, str) for value in rule.values):
        return None  # theirs may mind the case, and would find too little
    values = [_value(rule, value, known) for value in rule.values]
    if not values or any(value is None or not value for value in values):
        return None
    if len(values) == 1:
        return values[0]
    joined = [str(value) for value in values]
    if known.join is None or any(known.join in value for value in joined):
        return None
    return known.join.join(joined)


def _value(rule: Rule, value: Any, known: PushedField) -> str | None:
    if isinstance(value, Moment):
        if known.format is None or rule.operator not in ("<", "<=", ">", ">="):
            return None
        return _instant(value.at, known, later=rule.operator in ("<", "<="))
    if known.format is not None:
        return None
    if isinstance(value, bool):
        return _TEXTS[value]
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else None
    return str(value)


def _instant(at: datetime, known: PushedField, *, later: bool) -> str | None:
    """Widened, and rounded so that nothing is lost."""
    # Records may hold a date alone, which is a local midnight somewhere: a day away at the most.
    widened = timedelta(seconds=known.widen_seconds)
    try:
        at = at.astimezone(UTC) + (widened if later else -widened)
        whole = at.replace(microsecond=0) + (timedelta(seconds=1) if later and at.microsecond else timedelta())
        match known.format:
            case "date":
                return ((whole + timedelta(days=1)) if later else whole).date().isoformat()
            case "epoch_seconds":
                return str(int(whole.timestamp()))
            case "epoch_milliseconds":
                return str(int(whole.timestamp() * 1000))
        return whole.isoformat().replace("+00:00", "Z")
    except OverflowError:
        return None


def _texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {name: _TEXTS[value] if isinstance(value, bool) else str(value) for name, value in parameters.items()}
