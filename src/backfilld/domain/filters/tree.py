"""A filter as the rest of the program sees it, whatever spelling it came in."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from backfilld.domain.filters.paths import spell

Combinator = Literal["and", "or"]


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant in UTC that a rule compares with; `zone` says where the dates (without a time) of records are."""

    at: datetime
    zone: ZoneInfo


Scalar = str | int | float | bool | Moment
Value = Scalar | tuple[Scalar, ...] | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One comparison.

    `operator` is a canonical name. `value` is None for operators that take none, a tuple for `in`, `between`
    and their negatives. Until `resolve` has been there, dates are still the text that was sent.
    `as_date` asks for a date comparison where the operator alone does not, `zone` says where its local dates
    are, if not in the zone of the backfill; `resolve` turns both into `Moment`s. `value_at` is the JSON Pointer
    of the value in the body it came from, for faults found later; it is no part of the meaning.
    """

    field: tuple[str, ...]
    operator: str
    value: Value = None
    case_sensitive: bool = True
    as_date: bool = False
    zone: ZoneInfo | None = None
    value_at: str = dataclasses.field(default="", compare=False)

    @property
    def values(self) -> tuple[Scalar, ...]:
        """All that the rule compares with, one or many."""
        if self.value is None:
            return ()
        return self.value if isinstance(self.value, tuple) else (self.value,)

    @property
    def spelled(self) -> str:
        """The field as it is written in a filter."""
        return spell(self.field)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules and groups joined by `and` or `or`, then negated if `negated`. Never empty."""

    combinator: Combinator
    negated: bool
    rules: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MatchAll:
    """Everything, as asked for by the literal `{}` or by `{"match_all": true}`."""


Node = Group | Rule
Tree = Group | MatchAll


def fields_first(attributes: Mapping[str, Any], tree: "Tree") -> dict[str, Any]:
    """The attributes, with those first that the filter asks for, in its order: they say why this one matches."""
    wanted = dict.fromkeys(rule.field[0] for rule in rules_of(tree))
    first = {name: attributes[name] for name in wanted if name in attributes}
    return first | {name: value for name, value in attributes.items() if name not in first}


def rules_of(tree: Tree | Node) -> Iterator[Rule]:
    """Every rule, in the order in which it was written."""
    match tree:
        case Rule():
            yield tree
        case Group():
            for node in tree.rules:
                yield from rules_of(node)
        case MatchAll():
            return
