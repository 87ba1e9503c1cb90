"""What a rule may be compared with: one check for each kind of operator."""

import math
from collections.abc import Callable
from typing import Any, Final

from backfilld.domain.errors import Fault, pointer
from backfilld.domain.filters.dates import Form, form_of
from backfilld.domain.filters.operators import Operator, Takes
from backfilld.domain.filters.reading.limits import excerpt
from backfilld.domain.filters.tree import Value

MOST_LISTED: Final = 1000
LARGEST_NUMBER: Final = 2**63  # beyond it, readers of JSON no longer agree on what a number is
_DATED: Final = frozenset({Form.DATE, Form.TIMESTAMP, Form.RELATIVE})

HOW_TO_WRITE_DATES: Final = (
    "write a date as 2025-01-31, a time with its offset as 2025-01-31T09:00:00Z or …+02:00,"
    " or a relative one as now, now-90d or now-1M/M (units s m h d w M y)"
)


def read_value(operator: Operator, value: Any, path: str, *, as_date: bool, faults: list[Fault]) -> Value:
    """The value of a rule as the tree holds it. `faults` grows by all that is wrong; then the value means nothing.

    `value` is clean (see `limits`). Lists become tuples.
    """
    before = len(faults)
    result: Value = _READERS[operator.takes](operator, value, path, faults)
    if len(faults) == before and (as_date or operator.takes in (Takes.ORDERED, Takes.PAIR)):
        _check_dates(result, path, as_date, faults)
    if len(faults) == before and operator.takes is Takes.PAIR:
        _check_pair(result, path, faults)
    return result


def number_fault(number: float, path: str) -> Fault | None:
    """What is wrong with a number of a rule, if anything is."""
    if isinstance(number, float) and not math.isfinite(number):
        return Fault(path, "invalid_value", "must be a finite number")
    if abs(number) >= LARGEST_NUMBER:
        return Fault(path, "number_out_of_range", "numbers in filters lie between -2^63 and 2^63, both excluded")
    return None


def date_fault(text: str, path: str) -> Fault | None:
    """What is wrong with a text that must be a date, if anything is."""
    form = form_of(text)
    if form in _DATED:
        return None
    if form is Form.NAIVE:
        return Fault(
            path, "naive_datetime", f"{excerpt(text)} has no UTC offset: add Z or one like +02:00, or give a date alone"
        )
    return Fault(path, "invalid_date", f"{excerpt(text)} is not a date; {HOW_TO_WRITE_DATES}")


def _nothing(operator: Operator, value: Any, path: str, faults: list[Fault]) -> Value:
    if value is not None and value != "":  # query builders leave one of these behind
        faults.append(Fault(path, "invalid_value", f"'{operator.name}' takes no value"))
    return None


def _scalar(operator: Operator, value: Any, path: str, faults: list[Fault]) -> Value:
    if value is None:
        faults.append(null_fault(path))
    elif isinstance(value, bool | str):
        return value
    elif isinstance(value, int | float):
        fault = number_fault(value, path)
        if fault is None:
            return value
        faults.append(fault)
    elif isinstance(value, list) and operator.name in ("=", "!="):
        listed = "in" if operator.name == "=" else "notIn"
        faults.append(Fault(path, "invalid_value", f"'{operator.name}' takes one value; for a list use '{listed}'"))
    else:
        faults.append(Fault(path, "invalid_value", f"must be a text, a number, true or false, not {kind(value)}"))
    return None


def _ordered(operator: Operator, value: Any, path: str, faults: list[Fault]) -> Value:
    if isinstance(value, bool | list | dict):
        faults.append(
            Fault(path, "invalid_value", f"'{operator.name}' compares a number, a date or a text, not {kind(value)}")
        )
        return None
    return _scalar(operator, value, path, faults)


def _text(operator: Operator, value: Any, path: str, faults: list[Fault]) -> Value:
    if value is None:
        faults.append(null_fault(path))
    elif isinstance(value, str):
        return value
    else:
        faults.append(Fault(path, "invalid_value", f"'{operator.name}' compares a text, not {kind(value)}"))
    return None


def _listed(operator: Operator, value: Any, path: str, faults: list[Fault]) -> Value:
    if not isinstance(value, list):
        faults.append(null_fault(path) if value is None else _no_list(operator, value, path))
        return None
    if not value:
        faults.append(Fault(path, "empty_list", f"'{operator.name}' needs at least one value"))
    if len(value) > MOST_LISTED:
        faults.append(Fault(path, "too_many_values", f"has {len(value):,} values; at most {MOST_LISTED:,}"))
    return _each(_scalar, operator, value, path, faults)


def _no_list(operator: Operator, value: Any, path: str) -> Fault:
    return Fault(path, "invalid_value", f"'{operator.name}' takes a list of values, not {kind(value)}")


def _pair(operator: Operator, value: Any, path: str, faults: list[Fault]) -> Value:
    if value is None:
        faults.append(null_fault(path))
    elif not isinstance(value, list) or len(value) != 2:
        found = f"{len(value)} values" if isinstance(value, list) else kind(value)
        message = f"'{operator.name}' takes a list of two values, the lower and the upper end, not {found}"
        faults.append(Fault(path, "invalid_value", message))
    else:
        return _each(_ordered, operator, value, path, faults)
    return None


_Reader = Callable[[Operator, Any, str, list[Fault]], Value]


def _each(read: _Reader, operator: Operator, values: list[Any], path: str, faults: list[Fault]) -> Value:
    return tuple(read(operator, value, path + pointer(n), faults) for n, value in enumerate(values))  # type: ignore[misc] # a scalar reader gives no tuple


_READERS: Final[dict[Takes, _Reader]] = {
    Takes.SCALAR: _scalar,
    Takes.ORDERED: _ordered,
    Takes.PAIR: _pair,
    Takes.LIST: _listed,
    Takes.TEXT: _text,
    Takes.NOTHING: _nothing,
}


def _check_dates(value: Value, path: str, as_date: bool, faults: list[Fault]) -> None:
    places = [(path, value)]
    if isinstance(value, tuple):
        places = [(path + pointer(n), one) for n, one in enumerate(value)]
    for place, one in places:
        if not isinstance(one, str):
            fault = Fault(place, "invalid_value", f"must be a date, not {kind(one)}") if as_date else None
        else:
            fault = date_fault(one, place) if as_date or form_of(one) is not Form.PLAIN else None
        if fault is not None:
            faults.append(fault)


def _check_pair(value: Value, path: str, faults: list[Fault]) -> None:
    match value:
        case (str() as lower, str() as upper):
            if (form_of(lower) is Form.PLAIN) != (form_of(upper) is Form.PLAIN):
                faults.append(Fault(path, "mixed_kinds", "one end is a date, the other is not"))
        case (int() | float() as low, int() | float() as high):
            if low > high:
                faults.append(reversed_fault(path, low, high))
        case _:
            faults.append(Fault(path, "mixed_kinds", "both ends must be numbers, or dates, or texts"))


def reversed_fault(path: str, lower: object, upper: object) -> Fault:
    """The fault of a range that ends before it begins."""
    return Fault(path, "bounds_reversed", f"the lower end ({lower}) is above the upper end ({upper})")


def null_fault(path: str) -> Fault:
    """The fault of comparing with null."""
    return Fault(path, "null_value", "null is not compared with; use the operator 'null' or 'notNull' without a value")


def kind(value: object) -> str:
    """What JSON calls a value, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
    return "an object"
