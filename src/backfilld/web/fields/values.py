"""Values of rules as people type them, and back: what looks like a number is one, unless it stands in quotes."""

import json
import re
from collections.abc import Sequence
from typing import Any

from backfilld.domain.filters.operators import OPERATORS, Takes

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,17})?")
_PART = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,]*?)\s*(,|$)')
_LISTS = (Takes.LIST, Takes.PAIR)


def typed(text: str, operator: str) -> Any:
    """What stands in a field, as the operator takes it: a list where it takes one, and a text where only that fits."""
    takes = OPERATORS[operator].takes if operator in OPERATORS else Takes.SCALAR
    if takes in _LISTS:
        return [_scalar(part) for part in _parts(text)]
    return _text(text) if takes is Takes.TEXT else _scalar(text)


def written(value: Any, operator: str) -> str | None:
    """What to show in a field so that `typed` gives the same again; None for what no field can show."""
    takes = OPERATORS[operator].takes if operator in OPERATORS else Takes.SCALAR
    told = _all_written(value) if isinstance(value, list) and takes in _LISTS else _written(value, takes)
    if told is None or "\n" in told or told != told.strip():
        return None
    again = typed(told, operator)
    return told if again == value and _kinds(again) == _kinds(value) else None


def _kinds(value: Any) -> Any:
    return [type(one) for one in value] if isinstance(value, list) else type(value)


def _all_written(values: Sequence[Any]) -> str | None:
    told = [_written(value, Takes.LIST) for value in values]
    return None if None in told else ", ".join(one for one in told if one is not None)


def _written(value: Any, takes: Takes) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        return None
    plain = _text(value) if takes is Takes.TEXT else _scalar(value)
    is_bare = plain == value and isinstance(plain, str) and value == value.strip() and value != ""
    if is_bare and not (takes in _LISTS and "," in value):
        return value
    return "" if value == "" and takes not in _LISTS else json.dumps(value, ensure_ascii=False)


def _parts(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or (match[0] == "" and match[2] == ""):
            return [*found, text[at:].strip()]
        found.append(match[1])
        at = match.end()
    return found


def _scalar(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return json.loads(text)
    return _text(text)


def _text(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text
