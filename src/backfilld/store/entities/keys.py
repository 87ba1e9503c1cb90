"""What an index of an attribute holds, and which of its keys the matches of a filter can have.

A key says a little less than the value: a text is cut, a number is rounded to a whole one, lists and objects are all
alike. So it is short whatever the value is, and nothing that can be uploaded is refused by an index. A filter is still
decided by its own condition; the keys only narrow down where that is asked. They are compared byte by byte, so that no
collation of a machine that is upgraded can hide an entity.
"""

import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from hashlib import sha256
from math import ulp
from typing import Any, Final

from backfilld.domain.filters.operators import positive
from backfilld.domain.filters.spans import date_span
from backfilld.domain.filters.tree import MatchAll, Moment, Node, Rule, Scalar, Tree

Path = tuple[str, ...]
Parameter = Callable[[Any, str], str]  # value, type → placeholder

LONGEST_TEXT: Final = 200
SHAPE: Final = "1"  # of `key_of`: an index of another shape is another index
PREFIX: Final = "entities_attribute_"
_MISSING, _BEFORE_TEXTS, _BEHIND_TEXTS, _OTHER = "", "s", "t", "j"
_LARGEST = 2**52  # up to here every number that is read as a double lies within half of it
_PLACE = re.compile("\0([0-9]+)\0")  # of a parameter: no text of a filter has a NUL
_OFFSETS = timedelta(days=2)  # a text's own day and its instant in UTC are less apart


def key_of(path: Path, *, column: str = "attributes") -> str:
    """The key of an attribute as SQL: a text, never null. `column`: an SQL expression of type jsonb (trusted text)."""
    value = f"({' -> '.join([column, *map(literal, path)])})"
    return (
        f"(CASE jsonb_typeof({value})"
        f" WHEN 'string' THEN 's' || left({value} #>> '{{}}', {LONGEST_TEXT})"
        f" WHEN 'number' THEN 'n' || left(round({value}::numeric)::text, {LONGEST_TEXT})"
        f" WHEN 'boolean' THEN 'b' || ({value} #>> '{{}}')"
        " WHEN 'array' THEN 'j' WHEN 'object' THEN 'j' ELSE '' END) COLLATE \"C\""
    )


def literal(text: str) -> str:
    """A text as it is written in SQL, for what cannot be a parameter."""
    quoted = "'" + text.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def index_name(entity_type: str, path: Path) -> str:
    """Ours alone begin with PREFIX; the name says what the index is of, so one that exists needs no second look."""
    return PREFIX + sha256("\0".join([SHAPE, entity_type, *path]).encode()).hexdigest()[:16]


def narrowing(tree: Tree, indexed: Collection[Path], parameter: Parameter, *, column: str) -> str | None:
    """A condition on indexed keys that is true of every match; None where they tell nothing of it."""
    if isinstance(tree, MatchAll) or not indexed:
        return None
    values: list[tuple[Any, str]] = []

    def named_later(value: Any, sql_type: str) -> str:
        """Parts are put together and then dropped where they tell nothing; a parameter that nobody reads is refused."""
        values.append((value, sql_type))
        return f"\0{len(values) - 1}\0"

    told = _node(tree, indexed, named_later, column)
    return None if told is None else _PLACE.sub(lambda place: parameter(*values[int(place[1])]), told)


def _node(node: Node, indexed: Collection[Path], parameter: Parameter, column: str) -> str | None:
    if isinstance(node, Rule):
        if node.field not in indexed:
            return None
        return _rule(node, f"({key_of(node.field, column=column)})", parameter)
    parts = [_node(part, indexed, parameter, column) for part in node.rules]
    told = [part for part in parts if part is not None]
    if node.negated or not told or (node.combinator == "or" and len(told) < len(parts)):
        return None
    return f"({f' {node.combinator.upper()} '.join(told)})"


def _rule(rule: Rule, key: str, parameter: Parameter) -> str | None:
    operator, negated = positive(rule.operator)
    if negated:
        return None
    match operator:
        case "null":
            return _is(key, [_MISSING], parameter)
        case "isEmpty":
            return _is(key, [_MISSING, _BEFORE_TEXTS, _OTHER], parameter)
        case "=" | "in":
            return _one_of(rule, key, parameter)
        case "<" | "<=" | ">" | ">=" | "between":
            return _ordered(operator, rule, key, parameter)
    return None


def _one_of(rule: Rule, key: str, parameter: Parameter) -> str | None:
    keys: set[str] = set()
    ranges: list[str] = []
    for value in rule.values:
        if isinstance(value, Moment):
            ranges.append(_days("=", (value,), key, parameter))
        elif (found := _keys(value, rule.case_sensitive)) is None:
            return None
        else:
            keys |= found
    alone = [_is(key, sorted(keys), parameter)] if keys else []
    return f"({' OR '.join(alone + ranges)})"


def _keys(value: Scalar, case_sensitive: bool) -> set[str] | None:
    """Those that a value equal to this one can have; None: too many to name."""
    if isinstance(value, bool):
        return {"btrue" if value else "bfalse"}
    if isinstance(value, str):
        return {_text(value)} if case_sensitive else None
    if isinstance(value, Moment) or abs(value) >= _LARGEST:
        return None
    number, half = Decimal(value), Decimal(ulp(float(value)))
    return {f"n{_whole(number - half)}", f"n{_whole(number + half)}"}


def _ordered(operator: str, rule: Rule, key: str, parameter: Parameter) -> str | None:
    texts = [value for value in rule.values if isinstance(value, str)]
    moments = tuple(value for value in rule.values if isinstance(value, Moment))
    if moments:
        return _days(operator, moments, key, parameter)
    if not texts or not rule.case_sensitive:
        return None
    low = _BEFORE_TEXTS if operator in ("<", "<=") else _text(texts[0])
    high = _BEHIND_TEXTS if operator in (">", ">=") else _text(texts[-1])
    return _between(key, low, high, parameter)


def _days(operator: str, moments: tuple[Moment, ...], key: str, parameter: Parameter) -> str:
    span = date_span(operator, moments)
    return _between(
        key, _day(span.first, -_OFFSETS, _BEFORE_TEXTS), _day(span.until, _OFFSETS, _BEHIND_TEXTS), parameter
    )


def _day(at: datetime | None, further: timedelta, otherwise: str) -> str:
    if at is None:
        return otherwise
    try:
        return "s" + (at + further).date().isoformat()
    except OverflowError:
        return otherwise


def _is(key: str, keys: Iterable[str], parameter: Parameter) -> str:
    wanted = list(keys)
    if len(wanted) == 1:  # read in the order of ids then
        return f"{key} = {parameter(wanted[0], 'text')}"
    return f"{key} = ANY({parameter(wanted, 'text[]')})"


def _between(key: str, low: str, high: str, parameter: Parameter) -> str:
    return f"({key} >= {parameter(low, 'text')} AND {key} <= {parameter(high, 'text')})"


def _text(text: str) -> str:
    return "s" + text[:LONGEST_TEXT]


def _whole(number: Decimal) -> int:
    return int(number.quantize(Decimal(1), rounding=ROUND_HALF_UP))
