"""Files of records as what the API takes: NDJSON, checked, in pieces.

A file is read twice, once to guess the types of its fields and once to send it, and never kept in memory. Whatever the
API would refuse is found here first, so that it can be told by the file's own lines and columns, all at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backfilld.api.public.entities.lines import MOST_BLANK
from backfilld.cli.entities.import_entities import IdsSeen, Reading, Shaper
from backfilld.cli.entities.import_files import read_records
from backfilld.cli.entities.import_input import Input
from backfilld.cli.entities.import_notes import Notes
from backfilld.cli.entities.import_records import FieldPath
from backfilld.domain.entities.records import FieldType
from backfilld.domain.errors import FAULTS_SHOWN, Fault, Invalid, did_you_mean, nearest, pointer
from backfilld.domain.filters import spell
from backfilld.domain.imports import (
    Guess,
)

PIECE = 64 * 1024
_COLUMNS_SHOWN = 20


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

    def __init__(self, source: Input, reading: Reading, survey: Survey, *, remembers_ids: bool = False) -> None:
        self._source = source
        self._ids = IdsSeen() if remembers_ids else None
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
        shaper = Shaper(self._reading, self.notes)
        piece = bytearray()
        seen = 0
        for record in read_records(self._source, self._reading.layout, self.notes):
            seen += 1
            found = shaper.line(record)
            if isinstance(found, list):
                faults.add(*found)
            elif not faults.found:
                id, line = found
                self._see(id, record.line)
                piece += self._blank_lines(record.line)
                piece += line
                self._line += 1
                self.records += 1
                if len(piece) >= PIECE:
                    yield bytes(piece)
                    piece.clear()
        faults.raise_if_any()
        self._source.require_unchanged(self._survey.records, seen)
        if piece:
            yield bytes(piece)

    def remarks(self) -> list[str]:
        """What the API would say of the ids, if they were remembered."""
        return [] if self._ids is None else self._ids.warnings()

    def _see(self, id: str, line: int) -> None:
        if self._ids is not None:
            self._ids.see(id, line)

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
