"""Which records a rule cannot compare with, because their value is of another type.

Such a record just does not match; but a filter that matches nothing is explained by them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backfilld.domain.filters.dates import is_date, parse_timestamp
from backfilld.domain.filters.operators import WITHIN, positive
from backfilld.domain.filters.paths import getter
from backfilld.domain.filters.tree import Moment, Rule, Scalar, Tree, rules_of

_KINDS: dict[type, str] = {str: "text", int: "number", float: "number", bool: "boolean", list: "list", dict: "object"}


@dataclass(frozen=True, slots=True)
class MismatchTest:
    """Tells whether a value of one field is of a type that its rules cannot compare with; null never is."""

    field: str
    get: Callable[[Mapping[str, Any]], Any]
    wanted: frozenset[str]

    def mismatches(self, value: Any) -> bool:
        return value is not None and not any(is_of_kind(value, kind) for kind in self.wanted)


def mismatch_tests(tree: Tree) -> list[MismatchTest]:
    """One test for each field and each set of types that a rule on it compares with."""
    tests = {
        (rule.field, wanted): MismatchTest(rule.spelled, getter(rule.field), wanted)
        for rule in rules_of(tree)
        if (wanted := kinds_of(rule))
    }
    return list(tests.values())


def kinds_of(rule: Rule) -> frozenset[str]:
    """The types that a rule compares with; none if it takes whatever there is."""
    kinds = frozenset(_kind_of_wanted(value) for value in rule.values)
    operator = positive(rule.operator)[0]
    if operator == "contains":
        return (kinds & {"text"}) | {"list"}
    return frozenset({"text"}) if operator in WITHIN else kinds


def kind_of(value: Any) -> str:
    """The type of a value of a record, in a word."""
    return "null" if value is None else _KINDS.get(type(value), "object")


def is_of_kind(value: Any, kind: str) -> bool:
    """Whether a value of a record is of a type; the type `date` is that of texts that are dates."""
    if kind == "date":
        return type(value) is str and (is_date(value) or parse_timestamp(value) is not None)
    return kind_of(value) == kind


def _kind_of_wanted(value: Scalar) -> str:
    return "date" if isinstance(value, Moment) else _KINDS[type(value)]
