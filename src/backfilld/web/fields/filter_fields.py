"""The filter builder: its fields and the filter that they say, either way.

`f.c` and `f.not` are of the outermost group; `f.0.field`, `f.0.op` and `f.0.value` of its first rule; `f.1.c` of a
group in it. A rule without a field and a value says nothing, nor does a group of such rules.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backfilld.domain.filters.operators import OPERATORS, SPELLINGS, Takes
from backfilld.web.fields.values import typed, written

ROOT = "f"
DEEPEST = 3  # levels of groups
_NAME = re.compile(r"f(?:\.\d{1,4}){0,3}\.(?:c|not|field|op|value)")
Fields = Mapping[str, str]

WORDS: Mapping[str, str] = {
    "=": "is", "!=": "is not", "<": "<", "<=": "≤", ">": ">", ">=": "≥", "between": "between",
    "notBetween": "not between", "in": "is one of", "notIn": "is none of", "contains": "contains",
    "doesNotContain": "does not contain", "beginsWith": "begins with", "doesNotBeginWith": "does not begin with",
    "endsWith": "ends with", "doesNotEndWith": "does not end with", "null": "is missing", "notNull": "is there",
    "isEmpty": "is empty", "isNotEmpty": "is not empty",
}  # fmt: skip

_SAME, _ORDER = ("=", "!=", "in", "notIn"), ("<", "<=", ">", ">=", "between", "notBetween")
_WITHIN = ("contains", "doesNotContain", "beginsWith", "doesNotBeginWith", "endsWith", "doesNotEndWith")
_THERE, _EMPTY = ("null", "notNull"), ("isEmpty", "isNotEmpty")
_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "integer": (*_SAME, *_ORDER, *_THERE), "number": (*_SAME, *_ORDER, *_THERE), "date": (*_SAME, *_ORDER, *_THERE),
    "boolean": ("=", "!=", *_THERE), "text": (*_SAME, *_WITHIN, *_ORDER, *_THERE, *_EMPTY),
    "list": ("contains", "doesNotContain", *_EMPTY, *_THERE), "object": (*_THERE, *_EMPTY),
}  # fmt: skip
_WORDS_OF_KIND: Mapping[str, Mapping[str, str]] = {
    "list": {"contains": "has", "doesNotContain": "has not"},
    "date": {"<": "is before", "<=": "is on or before", ">": "is after", ">=": "is on or after"},
}


def words_for(kinds: Sequence[str], chosen: str) -> Mapping[str, str]:
    """The operators for a field of these kinds, and the one that is chosen; all, where nobody knows the kind."""
    fitting = {operator for kind in kinds for operator in _OF_KIND.get(kind, WORDS)} or set(WORDS)
    told = dict(WORDS) | dict(_WORDS_OF_KIND.get(kinds[0], {}) if len(kinds) == 1 else {})
    return {operator: word for operator, word in told.items() if operator in fitting or operator == chosen}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule as it stands in the form; `at` begins the names of its fields."""

    at: str
    field: str
    operator: str
    value: str

    @property
    def takes_value(self) -> bool:
        return self.operator not in OPERATORS or OPERATORS[self.operator].takes is not Takes.NOTHING

    @property
    def is_empty(self) -> bool:
        return not self.field and not (self.value and self.takes_value)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group, with what stands in it."""

    at: str
    combinator: str
    negated: bool
    rows: list["GroupRow | RuleRow"]

    @property
    def level(self) -> int:
        return self.at.count(".") + 1

    def places(self) -> Iterator[str]:
        """Where its rules stand, and those of the groups in it."""
        for row in self.rows:
            if isinstance(row, GroupRow):
                yield from row.places()
            else:
                yield row.at

    @property
    def may_hold_groups(self) -> bool:
        return self.level < DEEPEST


@dataclass(slots=True)
class Spelled:
    """A filter, and which field of the form says what stands at a JSON Pointer in it."""

    spec: dict[str, Any] | None
    names: dict[str, str] = field(default_factory=dict)


def group_of(fields: Fields, at: str = ROOT) -> GroupRow:
    """What the fields say of the group there."""
    rows: list[GroupRow | RuleRow] = []
    for number in _numbers(fields, at):
        inner = f"{at}.{number}"
        if f"{inner}.c" in fields:
            rows.append(group_of(fields, inner))
        else:
            operator = fields.get(f"{inner}.op", "=")
            rows.append(RuleRow(inner, fields.get(f"{inner}.field", ""), operator, fields.get(f"{inner}.value", "")))
    combinator = "or" if fields.get(f"{at}.c") == "or" else "and"
    return GroupRow(at, combinator, bool(fields.get(f"{at}.not")), rows)


def spell(group: GroupRow, pointer: str = "") -> Spelled:
    """The filter that a group says; None if it says nothing."""
    told = Spelled({"combinator": group.combinator})
    if group.negated:
        told.spec = {"combinator": group.combinator, "not": True}
    rules: list[Any] = []
    names = {pointer: group.at + ".c"}
    for row in group.rows:
        here = f"{pointer}/rules/{len(rules)}"
        inner = spell(row, here) if isinstance(row, GroupRow) else _rule(row, here)
        if inner.spec is not None:
            rules.append(inner.spec)
            names |= inner.names
    return Spelled((told.spec or {}) | {"rules": rules} if rules else None, names)


def _rule(row: RuleRow, pointer: str) -> Spelled:
    if row.is_empty:
        return Spelled(None)
    spec: dict[str, Any] = {"field": row.field, "operator": row.operator}
    if row.takes_value:
        spec["value"] = typed(row.value, row.operator)
    names = {f"{pointer}/{key}": f"{row.at}.{name}" for key, name in _PARTS}
    return Spelled(spec, {pointer: f"{row.at}.field"} | names)


_PARTS = (("field", "field"), ("operator", "op"), ("value", "value"))


def fields_of(spec: Any) -> dict[str, str] | None:
    """The fields that say this filter; None for one that the builder cannot show."""
    if spec in ({}, {"match_all": True}):
        return {"f.c": "and", "f.0.field": "", "f.0.op": "=", "f.0.value": ""}
    if isinstance(spec, dict) and spec.keys() == {"conditions"}:
        spec = spec["conditions"]
    found: dict[str, str] = {}
    return found if _take_group(spec, ROOT, found) else None


def _take_group(spec: Any, at: str, found: dict[str, str]) -> bool:
    if not isinstance(spec, dict) or not {"combinator", "rules"} <= spec.keys() <= {"combinator", "rules", "not"}:
        return False
    rules, negated = spec["rules"], spec.get("not", False)
    if spec["combinator"] not in ("and", "or") or not isinstance(rules, list) or not rules:
        return False
    if not isinstance(negated, bool) or at.count(".") >= DEEPEST:
        return False
    found[f"{at}.c"] = spec["combinator"]
    if negated:
        found[f"{at}.not"] = "1"
    return all(_take(rule, f"{at}.{number}", found) for number, rule in enumerate(rules))


def _take(spec: Any, at: str, found: dict[str, str]) -> bool:
    if isinstance(spec, dict) and "rules" in spec:
        return _take_group(spec, at, found)
    if not isinstance(spec, dict) or not {"field", "operator"} <= spec.keys() <= {"field", "operator", "value"}:
        return False
    name, operator = spec["field"], SPELLINGS.get(str(spec["operator"]))
    if operator is None or not isinstance(name, str) or not name or name != name.strip() or "\n" in name:
        return False
    found |= {f"{at}.field": name, f"{at}.op": operator, f"{at}.value": ""}
    if OPERATORS[operator].takes is Takes.NOTHING:
        return spec.get("value") is None
    told = written(spec.get("value"), operator)
    found[f"{at}.value"] = told or ""
    return told is not None


def edited(fields: Fields, what: str, at: str) -> dict[str, str]:
    """The fields after a rule or a group was added at the end of the group `at`, or what stands there was taken out."""
    if what == "drop":
        return {name: value for name, value in fields.items() if not name.startswith(at + ".")}
    if f"{at}.c" not in fields or (what == "group" and at.count(".") + 1 >= DEEPEST):
        return dict(fields)
    new = f"{at}.{max(_numbers(fields, at), default=-1) + 1}"
    inside = {f"{new}.c": "or" if fields[f"{at}.c"] == "and" else "and"} if what == "group" else {}
    rule = f"{new}.0" if what == "group" else new
    return dict(fields) | inside | {f"{rule}.field": "", f"{rule}.op": "=", f"{rule}.value": ""}


def is_of_filter(name: str) -> bool:
    """Whether a field belongs to the builder."""
    return _NAME.fullmatch(name) is not None


def _numbers(fields: Fields, at: str) -> list[int]:
    return sorted(set(_numbers_in(fields, at)))


def _numbers_in(fields: Fields, at: str) -> Iterator[int]:
    start = at + "."
    for name in fields:
        number = name[len(start) :].partition(".")[0]
        if name.startswith(start) and number.isdecimal() and is_of_filter(name):
            yield int(number)
