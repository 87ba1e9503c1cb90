"""Rows of lists, of which one may be unreadable: it is shown with what can be read of it, and hides no other.

Whatever the showing of one row raises concerns that row. In its place comes a `StandIn`, and the answer says so: in
`meta.warnings` of the public dialect, in a header of the other, whose clients crash on keys that they do not know.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from backfilld.domain.unreadable import UnreadableRow

log = logging.getLogger(__name__)

UNREADABLE_HEADER = "X-Backfilld-Unreadable"
_DEEPEST = 3  # of the parts in which a field of an answer is looked for
_MOST_NAMED = 20
Row = TypeVar("Row")


class StandIn(dict[str, Any]):
    """What can be read of a row; `name` tells which one it is."""

    def __init__(self, values: Mapping[str, Any], name: str) -> None:
        super().__init__(values)
        self.name = name


class _Answer(Protocol):
    @classmethod
    def of(cls, row: Any, /) -> Any: ...


def rows(model: type[_Answer], found: Iterable[Any]) -> list[Any]:
    """Each of `found` as `model.of` shows it, or as much as can be read of it, with `unreadable` saying why."""
    return [shown(model, row) for row in found]


def shown(model: type[Any], row: Any) -> Any:
    """The same of one alone."""
    try:
        must_be_read(row)
        return model.of(row)
    except Exception as problem:
        why = f"{type(problem).__name__}: {problem}"[:200]
        values = readable(model.model_fields, lambda name: _part(row, name))
        return StandIn(values | {"unreadable": why}, named(row, model.__name__))


def must_be_read(row: Any) -> None:
    """Raise what made a record of `row` impossible, if something did."""
    if isinstance(row, UnreadableRow):
        raise row.problem


def named(row: Any, kind: str) -> str:
    """How a row is called that cannot be shown; to be called where that is being dealt with, since it is logged."""
    name = next((str(found) for key in ("id", "entity_id", "name") if (found := _part(row, key)) is not None), "?")
    log.exception("%s %s cannot be shown whole", kind, name)
    return name


def readable(names: Iterable[str], read: Callable[[str], Any], empty: Callable[[str], Any] = lambda _: None) -> Any:
    """The value of each name, and what `empty` says where it cannot be read."""
    values: dict[str, Any] = {}
    for name in names:
        try:
            values[name] = read(name)
        except Exception:
            values[name] = empty(name)
    return values


def _part(row: Any, name: str, depth: int = _DEEPEST) -> Any:
    """A field of the row, or of a record inside of it; None if there is none."""
    found = getattr(row, name, None)
    if found is not None or depth == 0 or not is_dataclass(row):
        return found
    inner = (getattr(row, field.name, None) for field in fields(row))
    return next((found for part in inner if is_dataclass(part) and (found := _part(part, name, depth - 1))), None)


def stand_ins(document: Any) -> Iterator[StandIn]:
    """Those in an answer: it is one, or has one, or lists of them."""
    if isinstance(document, StandIn):
        yield document
    values = document.__dict__ if isinstance(document, BaseModel) else document
    for value in values.values() if isinstance(values, Mapping) else ():
        found = value if isinstance(value, list) else [value]
        yield from (one for one in found if isinstance(one, StandIn))


def header_of(found: Sequence[StandIn]) -> dict[str, str]:
    """The header that names them."""
    names = [one.name if one.name.isascii() and one.name.isprintable() else "?" for one in found[:_MOST_NAMED]]
    return {UNREADABLE_HEADER: ", ".join(names) + (", ..." if len(found) > _MOST_NAMED else "")} if found else {}


def warnings_of(found: Sequence[StandIn]) -> list[str]:
    """A sentence for each."""
    told = [f"{one.name} cannot be shown whole ({one.get('unreadable')}); the log says more" for one in found]
    return told[:_MOST_NAMED]


def without_oddities(value: Any, is_fit: Callable[[Any], bool]) -> Any:
    """The same document with null for each value in it that cannot be written as JSON; a number that is too large for
    those who write it is text."""
    if is_fit(value):
        return value
    if isinstance(value, BaseModel):
        value = value.__dict__
    if isinstance(value, Mapping):
        return {str(key): without_oddities(inner, is_fit) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_oddities(inner, is_fit) for inner in value]
    return str(value) if isinstance(value, int) else None
