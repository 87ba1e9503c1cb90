"""Fits the value of a rule to the known type of its field, so that "5" finds a number where a number is known.

Only rules are changed, never records; and only where the result is what the writer must have meant.
"""

import re
from typing import Final

from backfilld.domain.entities.records import FieldType
from backfilld.domain.errors import Fault, pointer
from backfilld.domain.filters.operators import ORDERING, WITHIN, positive
from backfilld.domain.filters.reading.limits import excerpt
from backfilld.domain.filters.reading.values import number_fault
from backfilld.domain.filters.tree import Rule, Scalar, Value

_is_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
_ARTICLED: Final[dict[FieldType, str]] = {
    "string": "a text",
    "number": "a number",
    "integer": "a number",
    "boolean": "true or false",
    "date": "a date",
}


def coerced(rule: Rule, known: FieldType, faults: list[Fault]) -> Value:
    """The value of the rule as the field's type has it; `faults` grows where that is impossible. Dates stay texts."""
    operator = positive(rule.operator)[0]
    if operator in WITHIN and known in ("number", "integer", "boolean"):
        faults.append(_unfit(rule, known, f"'{rule.operator}' looks into texts and lists"))
    elif operator in ORDERING and known == "boolean":
        faults.append(_unfit(rule, known, f"'{rule.operator}' needs an order"))
    elif isinstance(rule.value, tuple):
        places = [rule.value_at + pointer(n) for n in range(len(rule.value))]
        return tuple(_scalar(one, rule, known, place, faults) for one, place in zip(rule.value, places, strict=True))
    elif rule.value is not None:
        return _scalar(rule.value, rule, known, rule.value_at, faults)
    return None


def _scalar(value: Scalar, rule: Rule, known: FieldType, path: str, faults: list[Fault]) -> Scalar:
    ordered = positive(rule.operator)[0] in ORDERING
    match known, value:
        case ("string" | "date", str()) | ("boolean", bool()):
            return value
        case "string", int() | float() if not isinstance(value, bool) and not ordered:
            return str(value)
        case (("number" | "integer"), int() | float()) if not isinstance(value, bool):
            return value
        case (("number" | "integer"), str()) if _is_number(value):
            return _number(value, path, faults)
        case "boolean", "true" | "false":
            return value == "true"
    shown = excerpt(value) if isinstance(value, str) else str(value).lower()
    faults.append(Fault(path, "type_mismatch", f"field `{rule.spelled}` is {_ARTICLED[known]}; {shown} is not"))
    return value


def _number(text: str, path: str, faults: list[Fault]) -> Scalar:
    try:
        number: int | float = int(text)
    except ValueError:
        number = float(text)
    fault = number_fault(number, path)
    if fault is not None:
        faults.append(fault)
    return number


def _unfit(rule: Rule, known: FieldType, why: str) -> Fault:
    return Fault(rule.value_at, "type_mismatch", f"field `{rule.spelled}` is {_ARTICLED[known]}; {why}")
