"""The part of a filter that a server's indexes understand: plain comparisons with columns.

The filter itself is tested on the JSON of a row, which no index knows. So what every match must have anyway is also
said of the columns, in their own types: only of rules that all have to hold, and never more than follows from them.
What is said here changes how many rows are looked at, and not which ones are found.
"""

import math
from collections.abc import Callable, Iterator
from datetime import timedelta

from backfilld.domain.filters import Rule, Tree
from backfilld.domain.filters.dates import FIRST_DAY, NO_DAY
from backfilld.domain.filters.operators import ORDERING
from backfilld.domain.filters.spans import date_span
from backfilld.domain.filters.tree import Group, Moment, Node
from backfilld.sources.sql_shape import Column, Shape, is_uuid

Parameter = Callable[[object, str], str]  # a value and its type → a placeholder

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_WHOLE = ("int2", "int4", "int8")
# Local times are not in the order of instants where clocks are set back, or a calendar skips a day.
_LOCAL_MARGIN = timedelta(hours=26)


def column_conditions(tree: Tree | None, shape: Shape, zone: str, parameter: Parameter) -> Iterator[str]:
    """Conditions on `q` that every row meets which `tree` may match."""
    columns = {column.name: column for column in shape.attributes}
    for rule in _necessary(tree) if isinstance(tree, Group) else ():
        column = columns.get(rule.field[0]) if len(rule.field) == 1 else None
        if column is not None and (condition := _condition(rule, column, zone, parameter)):
            yield condition


def _necessary(node: Node) -> Iterator[Rule]:
    """The rules each of which must hold."""
    if isinstance(node, Rule):
        yield node
    elif not node.negated and (node.combinator == "and" or len(node.rules) == 1):
        for part in node.rules:
            yield from _necessary(part)


def _condition(rule: Rule, column: Column, zone: str, parameter: Parameter) -> str | None:
    """None where nothing follows that an index could use."""
    value = f"q.{column.quoted}"
    if rule.operator == "notNull" and column.type not in ("json", "jsonb"):
        return f"{value} IS NOT NULL"
    if rule.operator in ("=", "in") and column.type in ("text", "varchar", "uuid"):
        return _one_of_texts(rule, column, value, parameter)
    if column.type in _WHOLE:
        return _whole(rule, value, parameter)
    if column.type in ("timestamptz", "timestamp", "date"):
        return _dated(rule, column, value, zone, parameter)
    return None


def _one_of_texts(rule: Rule, column: Column, value: str, parameter: Parameter) -> str | None:
    if not rule.case_sensitive or any(isinstance(one, Moment) for one in rule.values):
        return None
    texts = [one for one in rule.values if isinstance(one, str)]  # a number equals no text
    if column.type == "uuid":
        return f"{value} = ANY ({parameter([one for one in texts if is_uuid(one)], 'text[]')}::uuid[])"
    return f"{value} = ANY ({parameter(texts, 'text[]')})"


def _whole(rule: Rule, value: str, parameter: Parameter) -> str | None:
    numbers = [one for one in rule.values if isinstance(one, int | float) and not isinstance(one, bool)]
    if rule.operator in ("=", "in"):
        wanted = [int(one) for one in numbers if one == math.floor(one) and _SMALLEST <= one <= _LARGEST]
        return f"{value} = ANY ({parameter(wanted, 'bigint[]')})"
    if rule.operator not in ORDERING or len(numbers) < len(rule.values):
        return None
    low, high = _whole_bounds(rule.operator, numbers)
    bounds = []
    if low is not None and _SMALLEST < low <= _LARGEST:
        bounds.append(f"{value} >= {parameter(low, 'bigint')}")
    if high is not None and _SMALLEST <= high < _LARGEST:
        bounds.append(f"{value} <= {parameter(high, 'bigint')}")
    return " AND ".join(bounds) or None


def _whole_bounds(operator: str, numbers: list[int | float]) -> tuple[int | None, int | None]:
    """The least and the greatest whole number that an operator of order takes."""
    first, last = numbers[0], numbers[-1]
    match operator:
        case ">":
            return math.floor(first) + 1, None
        case ">=":
            return math.ceil(first), None
        case "<":
            return None, math.ceil(first) - 1
        case "<=":
            return None, math.floor(first)
    return math.ceil(first), math.floor(last)


def _dated(rule: Rule, column: Column, value: str, zone: str, parameter: Parameter) -> str | None:
    moments = tuple(one for one in rule.values if isinstance(one, Moment))
    if rule.operator not in (*ORDERING, "=") or not moments or len(moments) < len(rule.values):
        return None
    span = date_span(rule.operator, moments)
    bounds = []
    if column.type == "date":
        if span.first_day not in (FIRST_DAY, NO_DAY):
            bounds.append(f"{value} >= {parameter(span.first_day, 'text')}::date")
        if span.until_day not in (FIRST_DAY, NO_DAY):
            bounds.append(f"{value} < {parameter(span.until_day, 'text')}::date")
        return " AND ".join(bounds) or None
    for sign, at in ((">=", span.first), ("<", span.until)):
        if at is None:
            continue
        bound = parameter(at, "timestamptz")
        if column.type == "timestamp":
            away = f"{'-' if sign == '>=' else '+'} {parameter(_LOCAL_MARGIN, 'interval')}"
            bound = f"({bound} AT TIME ZONE {parameter(zone, 'text')} {away})"
        bounds.append(f"{value} {sign} {bound}")
    return " AND ".join(bounds) or None
