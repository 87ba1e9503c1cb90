"""Rows that say nothing that this version understands: each concerns itself, and not the list that it is in."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar, cast


class Columns(Protocol):
    """A row of the database."""

    def items(self) -> Iterable[tuple[str, Any]]: ...


R = TypeVar("R", bound=Columns)
T = TypeVar("T")


class UnreadableRow:
    """Stands where the record of a row should: has its columns as attributes, as they are, and the `problem`."""

    __slots__ = ("_columns", "problem")

    def __init__(self, columns: Mapping[str, Any], problem: Exception) -> None:
        self._columns = columns
        self.problem = problem

    def __getattr__(self, name: str) -> Any:
        try:
            return self._columns[name]
        except KeyError:
            raise AttributeError(f"the row has no {name!r}, and cannot be read: {self.problem}") from None


def each(rows: Iterable[R], make: Callable[[R], T]) -> list[T]:
    """The record that `make` makes of each row; an UnreadableRow in place of what it cannot make."""
    return [made(row, make) for row in rows]


def made(row: R, make: Callable[[R], T]) -> T:
    """The same of one row; for whoever shows it and does nothing else with it."""
    try:
        return make(row)
    except Exception as problem:
        return cast(T, UnreadableRow(dict(row.items()), problem))
