"""Records of a file as entities: cells become values, and what is remarkable about that is noted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from backfilld.api.public.entities.lines import LONGEST_LINE
from backfilld.api.public.entities.records import careful_row, quick_row
from backfilld.cli.entities.import_notes import Notes
from backfilld.cli.entities.import_records import FieldPath, Layout, Record
from backfilld.domain.entities.records import FieldType
from backfilld.domain.entities.upload_remarks import PLACES_SHOWN, IdRemarks, Replaced, replaced_warning
from backfilld.domain.errors import Fault, pointer
from backfilld.domain.filters import spell
from backfilld.domain.imports import (
    FIRST_DAY,
    LAST_DAY,
    BadCell,
    DateRead,
    converter,
    read_date,
    read_instant,
)


@dataclass(frozen=True)
class Reading:
    """How a file is to be understood.

    `types`, `updated_at_column` and the layout's `id_column` name fields as filters spell them (`company.name`); the
    columns stay among the attributes. `zone` is that of times without an offset; None: nobody said so, UTC. A JSON line
    of exactly `{id, attributes, updated_at?}` is the entity that it says, unless the `id_column` is another one.
    """

    layout: Layout = field(default_factory=Layout)
    types: Mapping[str, FieldType] = field(default_factory=dict)
    zone: ZoneInfo | None = None
    updated_at_column: str | None = None

    @property
    def clock(self) -> ZoneInfo:
        return self.zone or ZoneInfo("UTC")


@dataclass(frozen=True)
class _Column:
    """What is done with the cells of a field."""

    name: str
    convert: Callable[[Any], Any] | None
    is_date: bool
    is_id: bool
    is_time: bool  # when the record changed

    @cached_property
    def clamped(self) -> str:
        return f"dates of `{self.name}` beyond the years that are kept became {FIRST_DAY} or {LAST_DAY}"

    @cached_property
    def naive(self) -> str:
        return f"times of `{self.name}` without an offset were taken as UTC (--timezone says otherwise)"


class Shaper:
    """Makes lines of records; `ids` is shown every id."""

    def __init__(self, reading: Reading, notes: Notes) -> None:
        self._reading = reading
        self._clock = reading.clock
        self._notes = notes
        self._id_column = reading.layout.id_column
        self._columns: dict[FieldPath, _Column] = {}

    def line(self, record: Record) -> tuple[str, bytes] | list[Fault]:
        """The id and the entity of a record as NDJSON, or all that is wrong with it."""
        if record.fault is not None:
            return [record.fault]
        place = pointer(record.line)
        faults: list[Fault] = []
        entity = self._entity(record, place, faults)
        if faults:
            return faults
        try:
            line = orjson.dumps(entity)
        except TypeError:  # a whole number of more than 64 bits, or half a surrogate pair, in a JSON file
            return [Fault(place, "invalid_value", "has a number of more than 64 bits, or text that is not Unicode")]
        checked = quick_row(line) or careful_row(line, place)
        if isinstance(checked, list):
            return checked
        if len(line) > LONGEST_LINE:
            return [Fault(place, "line_too_long", f"is longer than {LONGEST_LINE} bytes as JSON")]
        return checked[0], line + b"\n"

    def _entity(self, record: Record, place: str, faults: list[Fault]) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        entity = {"id": None, "updated_at": None} | dict(record.entity or {}) | {"attributes": attributes}
        for path, cell in record.cells:
            column = self._columns.get(path) or self._column(path)
            try:
                if column.is_id and record.entity is None:
                    entity["id"] = _id(cell)
                if column.is_time and cell not in (None, ""):
                    entity["updated_at"] = self._told(read_instant(cell, self._clock), column, record.line)
                is_plain = column.convert is None and not column.is_date
                _put(attributes, path, cell if is_plain else self._value(column, cell, record.line))
            except BadCell as problem:
                faults.append(Fault(place + pointer(column.name), "bad_cell", str(problem)))
        if entity["id"] is None and not faults:
            faults.append(Fault(place + pointer(self._id_column), "missing", "the id is empty"))
        return entity

    def _value(self, column: _Column, cell: Any, line: int) -> Any:
        if isinstance(cell, list):
            return [self._value(column, one, line) for one in cell]
        if column.convert is not None:
            return column.convert(cell)
        return None if cell in (None, "") else self._told(read_date(cell, self._clock), column, line)

    def _told(self, read: DateRead, column: _Column, line: int) -> str:
        if read.clamped:
            self._notes.count(column.clamped, line)
        elif read.naive and self._reading.zone is None:
            self._notes.count(column.naive, line)
        return read.value

    def _column(self, path: FieldPath) -> _Column:
        name = spell(path)
        type = self._reading.types.get(name)
        column = self._columns[path] = _Column(
            name,
            None if type in (None, "date") else converter(type, self._clock),
            is_date=type == "date",
            is_id=name == self._id_column,
            is_time=name == self._reading.updated_at_column,
        )
        return column


def _id(cell: Any) -> str | None:
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if cell is None or isinstance(cell, str):
        return cell
    raise BadCell("an id must be text or a whole number")


def _put(attributes: dict[str, Any], path: FieldPath, value: Any) -> None:
    for name in path[:-1] if len(path) > 1 else ():
        attributes = attributes.setdefault(name, {})
    attributes[path[-1]] = value


class IdsSeen:
    """The ids of a file that is looked at and not sent: told is what the API would tell. Costs 100 bytes an id."""

    def __init__(self) -> None:
        self._remarks = IdRemarks()
        self._known: dict[int, int] = {}
        self._first: list[Replaced] = []
        self._replaced = 0

    def see(self, id: str, line: int) -> None:
        self._remarks.see(id, line)
        earlier = self._known.get(hash(id))
        self._known[hash(id)] = line
        if earlier is not None:
            self._replaced += 1
            if len(self._first) < PLACES_SHOWN:
                self._first.append(Replaced(id, earlier, line))

    def warnings(self) -> list[str]:
        replaced = [replaced_warning(self._replaced, self._first)] if self._replaced else []
        return [*self._remarks.warnings(), *replaced]
