r"""How a field is written: names joined by dots, leading through objects only.

A backslash takes the meaning from the dot (or backslash) after it, so that `a\.b` is the one name `a.b`.
"""

from collections.abc import Callable, Mapping
from typing import Any

MOST_NAMES = 16


def parse_path(spelling: str) -> tuple[str, ...]:
    """The names that a spelling stands for. ValueError (with a message for people) if it stands for none."""
    names, name, letters = [], "", iter(spelling)
    for letter in letters:
        if letter == ".":
            names.append(name)
            name = ""
        elif letter == "\\":
            escaped = next(letters, "")
            if escaped not in (".", "\\"):
                raise ValueError("a backslash must be followed by a dot or a backslash")
            name += escaped
        else:
            name += letter
    names.append(name)
    if "" in names:
        raise ValueError("a field has a name before and after each dot (write a dot that is part of a name as \\.)")
    if len(names) > MOST_NAMES:
        raise ValueError(f"a field may lead through {MOST_NAMES} names at most, not {len(names)}")
    return tuple(names)


def spell(path: tuple[str, ...]) -> str:
    """The spelling of a path; `parse_path` reads it back. Also the key of a field among known fields."""
    return ".".join(name.replace("\\", "\\\\").replace(".", "\\.") for name in path)


def getter(path: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Any]:
    """A function that finds the value of a field in a record; None if missing or not reachable through objects."""
    if len(path) == 1:
        only = path[0]
        return lambda record: record.get(only)

    def get(record: Mapping[str, Any]) -> Any:
        found: Any = record
        for name in path:
            if not isinstance(found, dict):
                return None
            found = found.get(name)
        return found

    return get
