"""Files of records as what the API takes: NDJSON, checked, in pieces.

A file is read twice, once to guess the types of its fields and once to send it, and never kept. Whatever the API
would refuse is found here first, so that it can be told by the file's own lines and columns, all at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from backfilld.api.public.entities.records import careful_row, quick_row
from backfilld.api.public.entity_lines import LONGEST_LINE
from backfilld.cli.entities.import_files import FieldPath, Record, read_records
from backfilld.domain.entities.imports import BadCell, Guess, converter, instant_of
from backfilld.domain.entities.records import FieldType
from backfilld.domain.errors import FAULTS_SHOWN, Fault, Invalid, did_you_mean, nearest, pointer
from backfilld.domain.filters import spell

PIECE = 64 * 1024


@dataclass(frozen=True)
class Reading:
    """How a file is to be understood.

    `types`, `id_column` and `updated_at_column` name fields as filters spell them (`company.name`); the columns stay
    among the attributes. `zone` is that of times without an offset. A JSON line of exactly
    `{id, attributes, updated_at?}` is the entity that it says, unless the `id_column` is another one.
    """

    id_column: str = "id"
    types: Mapping[str, FieldType] = field(default_factory=dict)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    updated_at_column: str | None = None
    format: str | None = None  # csv, tsv, jsonl; None: by the file's name
    delimiter: str | None = None  # of a CSV; None: found out from its first line

    def records(self, path: Path) -> Iterator[Record]:
        return read_records(path, format=self.format, delimiter=self.delimiter, native=self.id_column == "id")


def guess_types(path: Path, reading: Reading) -> dict[str, FieldType]:
    """The types of the fields in the file, those of `reading.types` as given. Reads the whole file.

    Fields that are always empty, or of several types (in JSON), are left out. Invalid with the faults of the whole
    file (up to 50; paths `/LINE/column`) if lines cannot be read, or if a field that `reading` names is not there.
    """
    guesses: dict[FieldPath, Guess] = {}
    faults = _Faults()
    native = False
    for record in reading.records(path):
        if record.fault is not None:
            faults.add(record.fault)
        native = native or record.entity is not None
        for place, cell in record.cells:
            guess = guesses.get(place)
            if guess is None:
                guess = guesses[place] = Guess(reading.zone, is_json=record.is_json)
            guess.see(cell)
    faults.raise_if_any()
    guessed = {spell(place): guess.type for place, guess in guesses.items()}
    if guessed:
        _require_there(guessed, reading, native)
    return {name: type for name, type in guessed.items() if type is not None} | dict(reading.types)


def read_file(path: Path, reading: Reading) -> Iterator[bytes]:
    """The file as NDJSON, in pieces of about 64 KiB. `reading.types` should be those of `guess_types`.

    Nothing more is given once a fault is found; at the end Invalid is raised with all of them (up to 50; paths
    `/LINE/column`), and an upload of what was given must be broken off.
    """
    faults = _Faults()
    shaper = _Shaper(reading)
    piece = bytearray()
    for record in reading.records(path):
        found = shaper.line(record)
        if isinstance(found, list):
            faults.add(*found)
        elif not faults.found:
            piece += found
            if len(piece) >= PIECE:
                yield bytes(piece)
                piece.clear()
    faults.raise_if_any()
    if piece:
        yield bytes(piece)


def _require_there(guessed: Mapping[str, FieldType | None], reading: Reading, native: bool) -> None:
    wanted = [*reading.types, *filter(None, [reading.updated_at_column])] + ([] if native else [reading.id_column])
    faults = [
        Fault(
            pointer(1, name), "no_such_column",
            f"there is no column {name!r} in the file{did_you_mean(name, guessed)}", nearest(name, guessed),
        )
        for name in wanted if name not in guessed
    ]  # fmt: skip
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

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._converters = {name: converter(type, reading.zone) for name, type in reading.types.items()}
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
        reading = self._reading
        attributes: dict[str, Any] = {}
        entity = {"id": None, "updated_at": None} | dict(record.entity or {}) | {"attributes": attributes}
        for path, cell in record.cells:
            name = self._name(path)
            try:
                if record.entity is None and name == reading.id_column:
                    entity["id"] = _id(cell)
                if name == reading.updated_at_column:
                    entity["updated_at"] = instant_of(cell, reading.zone)
                convert = self._converters.get(name)
                _put(attributes, path, cell if convert is None else convert(cell))
            except BadCell as problem:
                faults.append(Fault(place + pointer(name), "bad_cell", str(problem)))
        if entity["id"] is None and not faults:
            faults.append(Fault(place + pointer(reading.id_column), "missing", "the id is empty"))
        return entity

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
