"""What pydantic finds in a draft of a definition, in the words of whoever wrote the `.dig` file."""

from collections.abc import Iterable, Mapping
from typing import Any

from backfilld.domain.errors import did_you_mean

_WANTED: Mapping[str, str] = {
    "string": "text", "dict": "a mapping", "model": "a mapping", "list": "a list", "int": "a whole number",
    "float": "a number", "bool": "true or false",
}  # fmt: skip
_LIMITS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("more than", "gt"), "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"), "less_than_equal": ("at most", "le"),
    "string_too_short": ("of at least", "min_length"), "string_too_long": ("of at most", "max_length"),
    "too_short": ("of at least", "min_length"), "too_long": ("of at most", "max_length"),
}  # fmt: skip
_UNITS: Mapping[str, str] = {
    "string_too_short": "characters", "string_too_long": "characters", "too_short": "values", "too_long": "values",
}  # fmt: skip
_LONGEST_SHOWN = 60


def in_words(error: Mapping[str, Any], name: str, known: Iterable[str] = ()) -> str:
    """The sentence for one error; it begins with the name of the key, if there is one. `known`: the keys beside it."""
    shown = f"'{name[:_LONGEST_SHOWN]}' " if name else ""
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == "value_error":
        return f"{shown.strip()}: {context['error']}".removeprefix(": ")
    if kind == "missing":
        return shown + "is required"
    if kind == "extra_forbidden":
        return f"{shown}is not known here{did_you_mean(name, known)}"
    if kind == "literal_error":
        return f"{shown}must be {context['expected']}"
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        units = f" {_UNITS[kind]}" if kind in _UNITS else ""
        return f"{shown}must be {words} {context[limit]:g}{units if context[limit] != 1 else units[:-1]}"
    wanted = _WANTED.get(kind.partition("_")[0])
    if wanted is not None:
        return f"{shown}must be {wanted}"
    return shown + str(error["msg"])[:1].lower() + str(error["msg"])[1:]
