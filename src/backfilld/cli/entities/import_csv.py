"""CSV as records: what spreadsheets, databases and PowerShell write."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Any, TypeAlias

from backfilld.cli.entities.import_notes import Notes
from backfilld.cli.entities.import_records import FieldPath, Layout, Record
from backfilld.domain.entities.ids import trimmed
from backfilld.domain.errors import Fault, Invalid, pointer
from backfilld.domain.filters import spell

_DELIMITERS = ",;\t|"
_LOOKED_AT = 50  # lines, to find the delimiter
_LONGEST_CELL = 256 * 1024  # more would not fit into a line of an upload
_DOTTED = re.compile(r"[^\s.\\]+(?:\.[^\s.\\]+)+")  # `company.name`, but neither `e.g.` nor `Amount (incl. tax)`
_IS_JSON = re.compile(r"\s*(?:\{\s*\"|\[\s*(?:\{|$))")
_SAYS_DELIMITER = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE)

Columns: TypeAlias = Sequence[tuple[FieldPath, Sequence[int]]]  # each field, and the positions of its cells


def csv_records(file: IO[str], layout: Layout, notes: Notes, delimiter: str | None) -> Iterator[Record]:
    """A record a row; the first row names the columns. Invalid if it cannot."""
    csv.field_size_limit(_LONGEST_CELL)
    begun = list(islice(file, _LOOKED_AT))
    skipped, delimiter = _preamble(begun, delimiter, notes)
    if skipped >= len(begun) or not begun[skipped].strip():
        raise Invalid([Fault(f"/{skipped + 1}", "no_header", "the first line must name the columns")])
    if _IS_JSON.match(begun[skipped]):
        raise Invalid([Fault(f"/{skipped + 1}", "not_csv", "is JSON, not CSV; say --format jsonl")])
    delimiter = delimiter or _found_delimiter(begun[skipped:], layout.id_column, whole=len(begun) < _LOOKED_AT)
    rows = csv.reader(chain(begun[skipped:], file), delimiter=delimiter, strict=True)
    header: _Header | None = None
    for number, row in _numbered(rows, skipped):
        if header is None:
            header = _Header.of(row, layout, number, notes)
        elif row:
            record = header.record(number, row, notes)
            if record is not None:
                yield record


def _preamble(begun: Sequence[str], delimiter: str | None, notes: Notes) -> tuple[int, str | None]:
    """How many lines stand before the header, and the delimiter that one of them may name."""
    skipped = 0
    for line in begun[:2]:
        said = _SAYS_DELIMITER.fullmatch(line)
        if said is not None:
            delimiter = delimiter or said[1]
        elif line.startswith(("#TYPE ", '"#TYPE ')):
            notes.fact("the line #TYPE of PowerShell was passed over (-NoTypeInformation leaves it out)")
        else:
            break
        skipped += 1
    return skipped, delimiter


def _found_delimiter(lines: Sequence[str], id_column: str, *, whole: bool) -> str:
    """The delimiter that gives an id column, makes the most rows as wide as the first, and the most columns."""

    def merit(delimiter: str) -> tuple[bool, float, int]:
        rows: list[list[str]] = []
        with suppress(csv.Error):  # also at the end, where a cell may go on
            rows.extend(row for row in csv.reader(lines, delimiter=delimiter, strict=True) if row)
        widths = [len(row) for row in rows]
        widths = widths if whole or len(widths) < 3 else widths[:-1]  # the last one may go on, too
        if not widths or widths[0] < 2:
            return False, 0.0, 0
        return id_column in map(trimmed, rows[0]), widths.count(widths[0]) / len(widths), widths[0]

    return max(_DELIMITERS, key=merit)


def _numbered(rows: Any, skipped: int) -> Iterator[tuple[int, list[str]]]:
    while True:
        number = rows.line_num + 1 + skipped
        try:
            row = next(rows, None)
        except csv.Error as problem:  # a quote that is not closed swallows the rest: no use in going on
            raise Invalid([Fault(pointer(number), "not_csv", f"is not CSV: {problem}")]) from problem
        if row is None:
            return
        yield number, row


@dataclass(frozen=True)
class _Header:
    """The columns: the path of each field with the positions of its cells, several for a list.

    `named` columns have a name; what stands behind them must be empty.
    """

    columns: Columns
    named: int
    id_position: int | None
    nulls: frozenset[str]

    @staticmethod
    def of(row: Sequence[str], layout: Layout, line: int, notes: Notes) -> "_Header":
        names = [trimmed(name) for name in row]
        while names and not names[-1]:
            names.pop()
        if len(names) < len(row):
            notes.fact(f"columns without a name at the end of the first line were left out: {len(row) - len(names)}")
        columns = _columns(names, line, repeats=layout.repeats_as_lists, flat=layout.flat)
        ids = [positions[0] for path, positions in columns if spell(path) == layout.id_column]
        return _Header(columns, len(names), ids[0] if ids else None, layout.nulls)

    def record(self, line: int, row: list[str], notes: Notes) -> Record | None:
        """The record of a row; None if the row says nothing."""
        if len(row) > self.named and not any(row[self.named :]):
            del row[self.named :]
        if not any(row):
            notes.count("rows without a value were left out", line)
            return None
        if len(row) != self.named:
            message = f"has {len(row)} cells, the first line names {self.named} columns"
            return Record(line, fault=Fault(pointer(line), "wrong_number_of_cells", message))
        if not _is_utf8(row):
            return Record(line, fault=self._not_utf8(line, row))
        if self.id_position is not None:
            id = row[self.id_position]
            row[self.id_position] = trimmed(id)
            if len(id) > len(row[self.id_position]):
                notes.count("blanks or invisible characters around ids were taken off", line)
        if len(self.columns) == self.named and not self.nulls:  # nearly always
            return Record(line, [(path, cell or None) for (path, _), cell in zip(self.columns, row, strict=True)])
        return Record(line, [(path, self._cell(row, positions)) for path, positions in self.columns])

    def _cell(self, row: Sequence[str], positions: Sequence[int]) -> str | list[str] | None:
        if len(positions) > 1:
            return [row[position] for position in positions if row[position] and row[position] not in self.nulls]
        cell = row[positions[0]]
        return None if cell in self.nulls else cell or None

    def _not_utf8(self, line: int, row: Sequence[str]) -> Fault:
        bad = next(path for path, places in self.columns if not _is_utf8([row[place] for place in places]))
        message = "is not UTF-8; save the file as UTF-8 (in Excel: as 'CSV UTF-8')"
        return Fault(pointer(line, spell(bad)), "not_utf8", message)


def _columns(names: Sequence[str], line: int, *, repeats: bool, flat: bool) -> Columns:
    """The fields that the columns become; Invalid for those that cannot stand beside each other."""
    places: dict[FieldPath, list[int]] = {}
    faults = []
    for position, name in enumerate(names):
        if not name or not _is_utf8([name]):
            hint = "; pandas leaves it out with to_csv(index=False)" if position == 0 and not name else ""
            faults.append(Fault(f"/{line}", "bad_column", f"column {position + 1} has no name that can be read{hint}"))
            continue
        path = tuple(name.split(".")) if not flat and _DOTTED.fullmatch(name) else (name,)
        places.setdefault(path, []).append(position)
        if len(places[path]) == 2 and not repeats:
            message = "there are two columns of this name; --repeats-as-lists makes one list of them"
            faults.append(Fault(pointer(line, spell(path)), "column_twice", message))
    faults += _values_and_objects(places, line)
    if faults:
        raise Invalid(faults)
    return list(places.items())


def _values_and_objects(paths: Iterable[FieldPath], line: int) -> Iterator[Fault]:
    known: set[FieldPath] = set()
    within: set[FieldPath] = set()
    for path in paths:
        above = {path[:length] for length in range(1, len(path))}
        if path in within or above & known:
            message = (
                "this column would be both a value and an object that holds other columns; with --flat-columns a dot is"
                " just a dot"
            )
            yield Fault(pointer(line, spell(path)), "column_within_column", message)
        known.add(path)
        within |= above


def _is_utf8(texts: Sequence[str]) -> bool:
    return all(text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text) for text in texts)
