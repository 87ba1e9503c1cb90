"""Files of records as what the API takes: NDJSON, checked, in pieces.

A file is read twice, once to guess the types of its fields and once to send it, and never kept in memory. Whatever the
API would refuse is found here first, so that it can be told by the file's own lines and columns, all at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from backfilld.api.public.entities.lines import LONGEST_LINE, MOST_BLANK
from backfilld.api.public.entities.records import careful_row, quick_row
from backfilld.cli.entities.import_files import read_records
from backfilld.cli.entities.import_input import Input
from backfilld.cli.entities.import_notes import Notes
from backfilld.cli.entities.import_records import FieldPath, Layout, Record
from backfilld.domain.entities.imports import (
    FIRST_DAY,
    LAST_DAY,
    BadCell,
    DateRead,
    Guess,
    converter,
    read_date,
    read_instant,
)
from backfilld.domain.entities.records import FieldType
from backfilld.domain.errors import FAULTS_SHOWN, Fault, Invalid, did_you_mean, nearest, pointer
from backfilld.domain.filters import spell

PIECE = 64 * 1024
_COLUMNS_SHOWN = 20


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
class Survey:
    """What the first reading of a file found: how many records, and the types of their fields."""

    records: int
    types: Mapping[str, FieldType]


def survey(source: Input, reading: Reading) -> Survey:
    """Count the records and guess the types of their fields, those of `reading.types` as given. Reads the whole file.

    Fields that are always empty, are lists, or of several types (in JSON), are left out. Invalid with the faults of the
    whole file (up to 50; paths `/LINE/column`) if lines cannot be read, or a field that `reading` names is not there.
    """
    guesses: dict[FieldPath, Guess] = {}
    faults = _Faults()
    native, count = False, 0
    for record in read_records(source, reading.layout, Notes()):
        if record.fault is not None:
            faults.add(record.fault)
        count += 1
        native = native or record.entity is not None
        for place, cell in record.cells:
            guess = guesses.get(place)
            if guess is None:
                is_json = record.is_json or isinstance(cell, list)
                guess = guesses[place] = Guess(reading.clock, is_json=is_json)
            guess.see(cell)
    faults.raise_if_any()
    guessed = {spell(place): guess.type for place, guess in guesses.items()}
    if guessed:
        _require_there(guessed, reading, native)
    types = {name: type for name, type in guessed.items() if type is not None}
    return Survey(count, types | dict(reading.types))


class Lines:
    """A file as NDJSON, in pieces of about 64 KiB. `reading.types` should be those that `survey` found.

    Nothing more is given once a fault is found; at the end Invalid is raised with all of them (up to 50; paths
    `/LINE/column`), and an upload of what was given must be broken off. So it must if Failure is raised because the
    file is not what it was during the survey. A line has the number that its record has in the file: where the file
    has more lines than records, blank ones are given, so that whatever the API says of `/LINE` is true of the file.
    """

    def __init__(self, source: Input, reading: Reading, survey: Survey) -> None:
        self._source = source
        self._reading = reading
        self._survey = survey
        self._line = 0
        self._blank = 0
        self.notes = Notes()
        self.records = 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._pieces()
        except Invalid:
            self._source.require_unchanged(self._survey.records, self._survey.records)  # that would be why
            raise

    def _pieces(self) -> Iterator[bytes]:
        faults = _Faults()
        shaper = _Shaper(self._reading, self.notes)
        piece = bytearray()
        seen = 0
        for record in read_records(self._source, self._reading.layout, self.notes):
            seen += 1
            found = shaper.line(record)
            if isinstance(found, list):
                faults.add(*found)
            elif not faults.found:
                piece += self._blank_lines(record.line)
                piece += found
                self._line += 1
                self.records += 1
                if len(piece) >= PIECE:
                    yield bytes(piece)
                    piece.clear()
        faults.raise_if_any()
        self._source.require_unchanged(self._survey.records, seen)
        if piece:
            yield bytes(piece)

    def _blank_lines(self, line: int) -> bytes:
        missing = line - 1 - self._line
        if missing <= 0 or self._blank + missing > MOST_BLANK:
            return b""
        self._line += missing
        self._blank += missing
        return b"\n" * missing


def _require_there(guessed: Mapping[str, FieldType | None], reading: Reading, native: bool) -> None:
    id_column = reading.layout.id_column
    wanted = [*reading.types, *filter(None, [reading.updated_at_column])] + ([] if native else [id_column])
    shown = ", ".join(map(repr, list(guessed)[:_COLUMNS_SHOWN]))
    more = f" and {len(guessed) - _COLUMNS_SHOWN:,} more" if len(guessed) > _COLUMNS_SHOWN else ""
    columns = f"its columns are {shown}{more}" if len(guessed) > 1 else f"its only column is {shown}"
    faults = []
    for name in dict.fromkeys(wanted):
        if name not in guessed:
            message = f"there is no column {name!r} in the file{did_you_mean(name, guessed)}; {columns}"
            if name == id_column:
                message += "; say with --id-column which one holds the id"
            if len(guessed) == 1:
                message += "; if it should be several, say with --delimiter what stands between them"
            faults.append(Fault(pointer(1, name), "no_such_column", message, nearest(name, guessed)))
    if faults:
        raise Invalid(faults)


class _Faults:
    """Collects faults; raises them at the end, or as soon as there are as many as are shown."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        self.found += faults
        if len(self.found) >= FAULTS_SHOWN:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        if self.found:
            raise Invalid(self.found[:FAULTS_SHOWN])


class _Shaper:
    """Makes lines of records."""

    def __init__(self, reading: Reading, notes: Notes) -> None:
        self._reading = reading
        self._notes = notes
        self._id_column = reading.layout.id_column
        types = reading.types.items()
        self._converters = {name: converter(type, reading.clock) for name, type in types if type != "date"}
        self._dates = {name for name, type in types if type == "date"}
        self._spelled: dict[FieldPath, str] = {}

    def line(self, record: Record) -> bytes | list[Fault]:
        """The entity of a record as NDJSON, or all that is wrong with it."""
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
        return line + b"\n"

    def _entity(self, record: Record, place: str, faults: list[Fault]) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        entity = {"id": None, "updated_at": None} | dict(record.entity or {}) | {"attributes": attributes}
        for path, cell in record.cells:
            name = self._name(path)
            try:
                if record.entity is None and name == self._id_column:
                    entity["id"] = _id(cell)
                if name == self._reading.updated_at_column and cell not in (None, ""):
                    entity["updated_at"] = self._told(read_instant(cell, self._reading.clock), name, record.line)
                _put(attributes, path, self._value(name, cell, record.line))
            except BadCell as problem:
                faults.append(Fault(place + pointer(name), "bad_cell", str(problem)))
        if entity["id"] is None and not faults:
            faults.append(Fault(place + pointer(self._id_column), "missing", "the id is empty"))
        return entity

    def _value(self, name: str, cell: Any, line: int) -> Any:
        if isinstance(cell, list):
            return [self._value(name, one, line) for one in cell]
        if name in self._dates:
            return None if cell in (None, "") else self._told(read_date(cell, self._reading.clock), name, line)
        convert = self._converters.get(name)
        return cell if convert is None else convert(cell)

    def _told(self, read: DateRead, name: str, line: int) -> str:
        if read.clamped:
            what = f"dates of `{name}` beyond the years that are kept became {FIRST_DAY} or {LAST_DAY}"
            self._notes.count(what, line)
        elif read.naive and self._reading.zone is None:
            self._notes.count(
                f"times of `{name}` without an offset were taken as UTC (--timezone says otherwise)", line
            )
        return read.value

    def _name(self, path: FieldPath) -> str:
        name = self._spelled.get(path)
        if name is None:
            name = self._spelled[path] = spell(path)
        return name


def _id(cell: Any) -> str | None:
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if cell is None or isinstance(cell, str):
        return cell
    raise BadCell("an id must be text or a whole number")


def _put(attributes: dict[str, Any], path: FieldPath, value: Any) -> None:
    for name in path[:-1]:
        attributes = attributes.setdefault(name, {})
    attributes[path[-1]] = value
