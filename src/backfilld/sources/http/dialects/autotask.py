"""Autotask: filters as JSON, pages by id, fields told by the API itself, and errors that hide behind a 500."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from backfilld.domain.entities.records import FieldType
from backfilld.domain.filters import Rule, Tree
from backfilld.sources.base import SourceRefused
from backfilld.sources.http import paging
from backfilld.sources.http.answers import Answer, Hide, NotUnderstood, Throttled, inside, meaning_of, quoted
from backfilld.sources.http.dialects.base import Conditions, KnownField
from backfilld.sources.http.dialects.typed_push import Compare, Condition, Several, join, typed
from backfilld.sources.http.places import Place
from backfilld.sources.http.push import Pushed, Spelled, pushed
from backfilld.sources.http.shape import Request, Resource

MOST_VALUES = 500
UDF = "udf"
THROTTLED_SECONDS = 60.0
_TYPES: Mapping[str, FieldType] = {
    "integer": "integer", "long": "integer", "short": "integer", "byte": "integer",
    "decimal": "number", "double": "number", "float": "number", "numeric": "number",
    "boolean": "boolean", "datetime": "date", "date": "date", "string": "string",
}  # fmt: skip
_THREADS = re.compile(r"thread threshold.*exceeded", re.IGNORECASE | re.DOTALL)
_PERMISSIONS = re.compile(r"adequate permission|could not find a zone", re.IGNORECASE)
_NO_FIELD = re.compile(r"unable to find .* in the .* entity", re.IGNORECASE)

USAGE = Request("GET", "/ThresholdInformation", endpoint="ThresholdInformation")


def usage(document: Any) -> float | None:
    """The share of the hour that is used up, by all integrations of the customer together."""
    most, used = inside(document, ("externalRequestThreshold",)), inside(document, ("currentTimeframeRequestCount",))
    return used / most if type(most) is int and type(used) is int and most > 0 else None


class AutotaskDialect:
    """`Dialect` of Autotask's REST API."""

    def __init__(self, *, any_case: bool = True) -> None:
        self._any_case = any_case

    def push(self, resource: Resource, tree: Tree | None, fields: Mapping[str, FieldType]) -> Conditions:
        if resource.parent is not None:
            return Pushed((), tree is None)  # nothing but the parent can be asked for
        taken: set[tuple[str, ...]] = set()

        def spell(rule: Rule, required: bool) -> Spelled[Condition] | None:
            found = typed(rule, fields.get(rule.spelled), any_case=self._any_case)
            if found is None or _most_values(found.condition) > MOST_VALUES:
                return None
            if rule.field[0] != UDF:
                return found if len(rule.field) == 1 else None
            # Of the fields that users define, one may be asked for, and only where it must hold.
            if not required or taken or len(rule.field) != 2 or isinstance(found.condition, Several):
                return None
            taken.add(rule.field)
            return Spelled(found.condition, False)

        found = pushed(tree, spell, join)
        return Pushed(tuple(item for condition in found.conditions for item in _items(condition)), found.exact)

    def first(self, resource: Resource) -> Place:
        return Place()

    def page(
        self, resource: Resource, pushed: Conditions, place: Place, size: int, parent: str | int | None = None
    ) -> Request:
        if parent is not None:
            only = {"op": "eq", "field": resource.parent_field, "value": parent}
            return self._query(resource, "/query", {"filter": [only], "MaxRecords": size})
        if place.value is None:
            behind: dict[str, Any] = {"op": "exist", "field": "id"}
        else:
            behind = {"op": "gt", "field": "id", "value": place.value}
        return self._query(resource, "/query", {"filter": [*pushed.conditions, behind], "MaxRecords": size})

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
        if resource.parent is not None:
            return None
        return self._query(resource, "/query/count", {"filter": [*pushed.conditions, {"op": "exist", "field": "id"}]})

    def counted(self, resource: Resource, document: Any) -> int | None:
        found = inside(document, ("queryCount",))
        return found if type(found) is int else None

    def many(self, resource: Resource, ids: Sequence[str]) -> Request:
        wanted = {"op": "in", "field": "id", "value": [int(id) for id in ids]}
        return self._query(resource, "/query", {"filter": [wanted], "MaxRecords": resource.paging.size})

    def one(self, resource: Resource, id: str) -> Request:
        return Request("GET", f"/{resource.entity}/{int(id)}", endpoint=resource.entity)

    def record(self, resource: Resource, document: Any) -> Any:
        return inside(document, ("item",))

    def can_be_id(self, resource: Resource, id: str) -> bool:
        return id.isascii() and id.isdecimal() and len(id) <= 18 and str(int(id)) == id

    def metadata(self, resource: Resource) -> Sequence[Request]:
        at = f"/{resource.entity}/entityInformation"
        return [Request("GET", f"{at}/{name}", endpoint=resource.entity) for name in ("fields", "userDefinedFields")]

    def fields(self, resource: Resource, documents: Sequence[Any]) -> Mapping[str, KnownField]:
        known: dict[str, KnownField] = {}
        for prefix, type_key, document in zip(("", f"{UDF}."), ("dataType", "type"), documents, strict=True):
            for field in inside(document, ("fields",)) or ():
                kind = _TYPES.get(str(field.get(type_key)).lower())
                name = field.get("name")
                if kind is not None and isinstance(name, str) and name:
                    values = tuple(
                        (str(one.get("value")), str(one.get("label"))) for one in field.get("picklistValues") or ()
                    )
                    spelled = prefix + name.replace("\\", "\\\\").replace(".", "\\.")
                    known[spelled] = KnownField(kind, field.get("isQueryable") is not False, values)
        return known

    def _query(self, resource: Resource, path: str, body: Mapping[str, Any]) -> Request:
        return Request("POST", f"/{resource.entity}{path}", json=body, endpoint=resource.entity)


def meaning(answer: Answer, where: str, hide: Hide, retry_after: float | None) -> Exception | None:
    """What an answer of Autotask means, whose errors say more than its status."""
    usual = meaning_of(answer, where, hide, retry_after)
    if usual is None:
        return None
    told = f"{where} answers {answer.status}{quoted(answer, hide)}"
    said = _errors(answer)
    if _THREADS.search(said):
        return Throttled(told, seconds=None, endpoint_only=True)
    if _PERMISSIONS.search(said):
        return SourceRefused(told)
    if _NO_FIELD.search(said):
        return NotUnderstood(told)
    if answer.status == 429 and retry_after is None:
        return Throttled(told, seconds=THROTTLED_SECONDS)
    return usual


def _errors(answer: Answer) -> str:
    try:
        errors = inside(orjson.loads(answer.body), ("errors",))
    except orjson.JSONDecodeError:
        return ""
    return "\n".join(map(str, errors)) if isinstance(errors, list) else ""


def _items(condition: Condition) -> list[dict[str, Any]]:
    """A condition as items of a filter that must all hold."""
    if isinstance(condition, Several):
        parts = [item for part in condition.parts for item in _items_within(part, condition.combinator)]
        return parts if condition.combinator == "and" else [{"op": "or", "items": parts}]
    return [_item(condition)]


def _items_within(part: Condition, combinator: str) -> list[dict[str, Any]]:
    items = _items(part)
    if combinator == "and" or len(items) == 1:
        return items
    return [{"op": "and", "items": items}]


def _item(condition: Compare) -> dict[str, Any]:
    is_udf = condition.field[0] == UDF
    item: dict[str, Any] = {"op": condition.op, "field": condition.field[-1]}
    if is_udf:
        item["udf"] = True
    if condition.op not in ("exist", "notExist"):
        item["value"] = _value(condition.value)
    return item


def _value(value: Any) -> Any:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value


def _most_values(condition: Condition) -> int:
    if isinstance(condition, Several):
        return max(map(_most_values, condition.parts))
    return len(condition.value) if isinstance(condition.value, list) else 1
