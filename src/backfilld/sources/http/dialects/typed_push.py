"""What a system with typed fields can be asked, in words that every such system has.

The type of the field decides: whole numbers mean the same there and here, so a rule on them is exact; text is compared
there without regard to case, dates are widened by the time that a local midnight may be away from that of UTC, and
decimals to whole numbers. So what is asked selects at least what the rule matches. Dialects only spell it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from backfilld.domain.entities.records import FieldType
from backfilld.domain.filters import Rule
from backfilld.domain.filters.tree import Moment
from backfilld.sources.http.push import Spelled

Op = Literal[
    "eq", "noteq", "lt", "lte", "gt", "gte", "in", "notIn", "exist", "notExist", "contains", "beginsWith", "endsWith"
]
LOCAL_MARGIN = timedelta(hours=26)
_LARGEST = 2**53

_ORDER: dict[str, Op] = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison of a field with a value (a whole number, a text, a boolean, an instant in UTC, or several)."""

    field: tuple[str, ...]
    op: Op
    value: Any = None


@dataclass(frozen=True, slots=True)
class Several:
    """Conditions of which all (`and`) or one (`or`) must hold."""

    combinator: str
    parts: tuple["Condition", ...]


Condition = Compare | Several


def join(combinator: str, conditions: Sequence[Condition]) -> Condition:
    """Several conditions as one."""
    return Several(combinator, tuple(conditions))


def typed(rule: Rule, known: FieldType | None, *, any_case: bool = True) -> Spelled[Condition] | None:
    """A rule on a field of a known type; None where it cannot be asked.

    `any_case` False: rules that ignore case are not asked at all.
    """
    match known:
        case "integer" | "number":
            return _number(rule)
        case "date":
            return _date(rule)
        case "boolean":
            return _boolean(rule)
        case "string":
            return _text(rule, any_case=any_case)
    return None


def _number(rule: Rule) -> Spelled[Condition] | None:
    field, operator = rule.field, rule.operator
    if operator in ("null", "isEmpty"):
        return Spelled(Compare(field, "notExist"), True)
    if operator in ("notNull", "isNotEmpty"):
        return Spelled(Compare(field, "exist"), True)
    if not rule.values or not all(_is_number(value) for value in rule.values):
        return None
    whole = [_whole(value) for value in rule.values]
    are_whole = None not in whole
    match operator:
        case "=" | "in" if are_whole:
            return Spelled(Compare(field, "eq", whole[0]) if operator == "=" else Compare(field, "in", whole), True)
        case "!=" | "notIn" if are_whole:
            not_it = Compare(field, "noteq", whole[0]) if operator == "!=" else Compare(field, "notIn", whole)
            return Spelled(join("or", (not_it, Compare(field, "notExist"))), True)
        case "<" | "<=" | ">" | ">=":
            return Spelled(_bound(field, operator, rule.values[0]), are_whole)
        case "between":
            low, high = rule.values
            return Spelled(join("and", (_bound(field, ">=", low), _bound(field, "<=", high))), are_whole)
    return None


def _bound(field: tuple[str, ...], operator: str, value: Any) -> Condition:
    whole = _whole(value)
    if whole is not None:
        return Compare(field, _ORDER[operator], whole)
    if operator in (">", ">="):
        return Compare(field, "gte", math.floor(value))
    return Compare(field, "lte", math.ceil(value))


def _date(rule: Rule) -> Spelled[Condition] | None:
    field, operator = rule.field, rule.operator
    if operator in ("null", "notNull"):
        return Spelled(Compare(field, "notExist" if operator == "null" else "exist"), False)
    moments = [value.at for value in rule.values if isinstance(value, Moment)]
    if not moments or len(moments) < len(rule.values):
        return None
    try:
        earliest, latest = _widened(moments[0], -LOCAL_MARGIN), _widened(moments[-1], LOCAL_MARGIN)
    except OverflowError:
        return None
    match operator:
        case ">" | ">=":
            return Spelled(Compare(field, "gte", earliest), False)
        case "<" | "<=":
            return Spelled(Compare(field, "lte", latest), False)
        case "between":
            return Spelled(join("and", (Compare(field, "gte", earliest), Compare(field, "lte", latest))), False)
    return None


def _widened(at: datetime, by: timedelta) -> datetime:
    """Without a fraction of a second, and never less far away."""
    moved = at.astimezone(UTC) + by
    if moved.microsecond and by > timedelta():
        moved += timedelta(seconds=1)
    return moved.replace(microsecond=0)


def _boolean(rule: Rule) -> Spelled[Condition] | None:
    if rule.operator != "=" or not isinstance(rule.value, bool):
        return None
    if rule.value:
        return Spelled(Compare(rule.field, "eq", True), True)
    return Spelled(join("or", (Compare(rule.field, "eq", False), Compare(rule.field, "notExist"))), False)


def _text(rule: Rule, *, any_case: bool) -> Spelled[Condition] | None:
    field, operator = rule.field, rule.operator
    if operator in ("null", "isEmpty"):  # an empty text may be stored where a record shows null
        return Spelled(join("or", (Compare(field, "notExist"), Compare(field, "eq", ""))), False)
    if operator in ("notNull", "isNotEmpty"):
        return Spelled(Compare(field, "exist"), False)
    values = [value for value in rule.values if isinstance(value, str) and value]
    if not values or len(values) < len(rule.values):
        return None
    if not rule.case_sensitive and not (any_case and all(value.isascii() for value in values)):
        return None
    match operator:
        case "=":
            return Spelled(Compare(field, "eq", values[0]), False)
        case "in":
            return Spelled(Compare(field, "in", values), False)
        case "contains":
            return Spelled(Compare(field, "contains", values[0]), False)
        case "beginsWith":
            return Spelled(Compare(field, "beginsWith", values[0]), False)
        case "endsWith":
            return Spelled(Compare(field, "endsWith", values[0]), False)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _whole(value: Any) -> int | None:
    return int(value) if value == math.floor(value) else None
