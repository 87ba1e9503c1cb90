"""ConnectWise PSA: filters as conditions in the URL, forward-only pages, and routes that do not know these."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from backfilld.domain.entities.records import FieldType
from backfilld.domain.filters import Rule, Tree
from backfilld.sources.http.answers import Answer, Hide, NotUnderstood, Unreachable, inside, meaning_of
from backfilld.sources.http.dialects.base import Conditions, KnownField
from backfilld.sources.http.dialects.typed_push import Compare, Condition, Several, join, typed
from backfilld.sources.http.paging import next_link, require_ascending
from backfilld.sources.http.places import Place
from backfilld.sources.http.push import Pushed, Spelled, pushed
from backfilld.sources.http.shape import Request, Resource

LONGEST_CONDITIONS = 1_700  # percent-encoded, so that a whole address stays below 2,000 characters
ACCEPT = "application/vnd.connectwise.com+json; version=2025.16"
FORWARD_ONLY = {"pagination-type": "forward-only"}
BY_ID = "id > "  # the place of a route that does not know forward-only pages
_SYNTAX = re.compile(r'["\\%_\[\]*\x00-\x1f\x7f]')  # no way to escape these is documented
_SLOW = re.compile(r"time-?out", re.IGNORECASE)
_OPS = {"eq": "=", "noteq": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_LIKE = {"contains": "%{}%", "beginsWith": "{}%", "endsWith": "%{}"}


class ConnectWiseDialect:
    """`Dialect` of ConnectWise PSA's REST API."""

    def __init__(self, *, any_case: bool = True) -> None:
        self._any_case = any_case

    def push(self, resource: Resource, tree: Tree | None, fields: Mapping[str, FieldType]) -> Conditions:
        def spell(rule: Rule, required: bool) -> Spelled[Condition] | None:
            found = typed(rule, fields.get(rule.spelled), any_case=self._any_case)
            return None if found is None or not _is_plain(found.condition) else found

        found = pushed(tree, spell, join)
        conditions, exact = [_several(each) for each in found.conditions], found.exact
        while not resource.can_search and len(_encoded(conditions)) > LONGEST_CONDITIONS:
            conditions.remove(max(conditions, key=lambda one: len(one[0])))
            exact = False
        return Pushed(tuple(conditions), exact)

    def first(self, resource: Resource) -> Place:
        return Place()

    def page(
        self, resource: Resource, pushed: Conditions, place: Place, size: int, parent: str | int | None = None
    ) -> Request:
        path = resource.path if parent is None else resource.path.replace("{parent}", quote(str(parent), safe=""))
        asked = {"pageSize": str(size)}
        if isinstance(place.value, str) and place.value.startswith(BY_ID):
            conditions = _joined([*pushed.conditions, (place.value, False)])
            asked |= {"page": "1", "orderBy": "id", "conditions": conditions}
            return Request("GET", path, asked, endpoint=resource.path)
        conditions = _joined(pushed.conditions)
        if resource.can_search and len(_encoded(pushed.conditions)) > LONGEST_CONDITIONS:
            body = {"conditions": conditions, "orderBy": "id"}
            asked["pageId"] = str(place.value or 0)
            return Request("POST", f"{path}/search", asked, body, resource.path, headers=FORWARD_ONLY)
        if conditions:
            asked["conditions"] = conditions
        if place.value is not None:
            asked["pageId"] = str(place.value)
        return Request("GET", path, asked, endpoint=resource.path, headers=FORWARD_ONLY)

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
        if not ids:
            return None
        require_ascending(resource.paging, place, ids)
        if "link" not in answer.headers:  # the route knows no forward-only pages
            return place.at(f"{BY_ID}{ids[-1]}")
        return place.at(ids[-1]) if next_link(answer.headers["link"]) else None

    def count(self, resource: Resource, pushed: Conditions) -> Request | None:
        if resource.parent is not None or len(_encoded(pushed.conditions)) > LONGEST_CONDITIONS:
            return None
        conditions = _joined(pushed.conditions)
        asked = {"conditions": conditions} if conditions else {}
        return Request("GET", f"{resource.path}/count", asked, endpoint=resource.path)

    def counted(self, resource: Resource, document: Any) -> int | None:
        found = inside(document, ("count",))
        return found if type(found) is int else None

    def many(self, resource: Resource, ids: Sequence[str]) -> Request:
        asked = {"conditions": f"id in ({','.join(ids)})", "pageSize": str(resource.paging.size), "pageId": "0"}
        return Request("GET", resource.path, asked, endpoint=resource.path, headers=FORWARD_ONLY)

    def one(self, resource: Resource, id: str) -> Request:
        parent, _, own = id.rpartition("/")
        path = resource.path.replace("{parent}", quote(parent, safe=""))
        return Request("GET", f"{path}/{quote(own, safe='')}", endpoint=resource.path)

    def record(self, resource: Resource, document: Any) -> Any:
        return document

    def can_be_id(self, resource: Resource, id: str) -> bool:
        parts = id.split("/") if resource.parent is not None else [id]
        wanted = 1 if resource.parent is None else 2
        return len(parts) == wanted and all(_is_number(part) for part in parts)

    def metadata(self, resource: Resource) -> Sequence[Request]:
        return ()

    def fields(self, resource: Resource, documents: Sequence[Any]) -> Mapping[str, KnownField]:
        return {}


def meaning(answer: Answer, where: str, hide: Hide, retry_after: float | None) -> Exception | None:
    """What an answer means; where the server gave up on a page, a smaller one may do."""
    usual = meaning_of(answer, where, hide, retry_after)
    if is_of_no_route(answer):
        return NotUnderstood(str(usual))  # never taken for a record that is gone
    if answer.status == 500 and _SLOW.search(answer.body[:4096].decode(errors="replace")):
        return Unreachable(str(usual), is_slow=True)
    return usual


def is_of_no_route(answer: Answer) -> bool:
    """Whether the server knows no such address at all; of a record that is gone its routes tell in JSON."""
    return answer.status == 404 and answer.body.lstrip()[:1] != b"{"


Text = tuple[str, bool]  # a condition, and whether it is an `or`


def _joined(conditions: Sequence[Text]) -> str:
    if len(conditions) == 1:
        return conditions[0][0]
    return " and ".join(f"({text})" if is_or else text for text, is_or in conditions)


def _encoded(conditions: Sequence[Text]) -> str:
    return quote(_joined(conditions), safe=",()")


def _several(condition: Condition) -> Text:
    if isinstance(condition, Compare):
        return _one(condition)
    parts = [_several(part) for part in condition.parts]
    texts = [f"({text})" if is_or or _is_mixed(text) else text for text, is_or in parts]
    return f" {condition.combinator} ".join(texts), condition.combinator == "or"


def _is_mixed(text: str) -> bool:
    return " and " in text and not text.startswith("(")


def _one(condition: Compare) -> Text:
    field, op, value = "/".join(condition.field), condition.op, condition.value
    if op in ("exist", "notExist"):
        return f"{field} {'!=' if op == 'exist' else '='} null", False
    if op == "in":
        return f"{field} in ({','.join(_value(each) for each in value)})", False
    if op == "notIn":
        return " and ".join(f"{field} != {_value(each)}" for each in value), False
    if op in _LIKE:
        return f'{field} like "{_LIKE[op].format(value)}"', False
    return f"{field} {_OPS[op]} {_value(value)}", False


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"[{value:%Y-%m-%dT%H:%M:%SZ}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _is_plain(condition: Condition) -> bool:
    """Whether no value of it could be taken for syntax."""
    if isinstance(condition, Several):
        return all(map(_is_plain, condition.parts))
    values = condition.value if isinstance(condition.value, list) else [condition.value]
    return not any(isinstance(value, str) and (_SYNTAX.search(value) or not value.isprintable()) for value in values)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18 and str(int(text)) == text
