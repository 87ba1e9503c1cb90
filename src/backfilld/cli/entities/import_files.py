"""Files of records, record by record, with the line that each begins at.

CSV as spreadsheets and databases write it (UTF-8, with or without a byte order mark; comma, semicolon, tab or bar), or
one JSON object a line; either may be gzipped.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

from backfilld.api.framework.reading import strict_json
from backfilld.cli.output.error_output import Failure
from backfilld.domain.errors import Fault, Invalid, Unreadable, pointer
from backfilld.domain.filters import spell

FieldPath: TypeAlias = tuple[str, ...]

_FORMATS: Mapping[str, str] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip
_DELIMITERS = ",;\t|"
_LONGEST_CELL = 256 * 1024  # more would not fit into a line of an upload
_DOTTED = re.compile(r"[^\s.\\]+(?:\.[^\s.\\]+)+")  # `company.name`, but neither `e.g.` nor `Amount (incl. tax)`


@dataclass(frozen=True, slots=True)
class Record:
    """A record as cells: the path of each field, and its text (CSV; None for empty) or JSON value.

    `id` and `updated_at` are set if the line was an entity in the API's own form. With a `fault` there is nothing else.
    """

    line: int
    cells: Sequence[tuple[FieldPath, Any]] = ()
    is_json: bool = False
    entity: Mapping[str, Any] | None = None
    fault: Fault | None = None


def read_records(path: Path, *, format: str | None, delimiter: str | None, native: bool) -> Iterator[Record]:
    """The records of a file. Invalid if it cannot be understood at all; OSError if it cannot be read.

    With `native`, JSON lines of exactly `{id, attributes, updated_at?}` are taken as entities.
    """
    format = format or _format_of(path)
    try:
        with _opened(path, text=format != "jsonl") as file:
            if format == "jsonl":
                yield from _json_records(file, native)
            else:
                yield from _csv_records(file, "\t" if format == "tsv" else delimiter)
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise Failure(f"{path} is not a whole gzip file: {problem}") from problem


def _format_of(path: Path) -> str:
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    found = _FORMATS.get(suffix.lower())
    if found is None:
        raise Failure(f"{path.name} is neither .csv, .tsv, .jsonl nor .ndjson; say which with --format")
    return found


@contextmanager
def _opened(path: Path, *, text: bool) -> Iterator[IO[Any]]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    # surrogateescape: a byte that is not UTF-8 is then found in its cell, and told with its line and column
    how = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""} if text else {}
    with opener(path, "rt" if text else "rb", **how) as file:
        yield file


def _json_records(file: IO[bytes], native: bool) -> Iterator[Record]:
    for number, line in enumerate(file, start=1):
        if line.isspace():
            continue
        try:
            document = strict_json.parse(line)
        except Unreadable as problem:
            message = problem.message.replace("the body", "the line", 1).replace("(line 1, ", "(")
            yield Record(number, fault=Fault(pointer(number), problem.code, message))
            continue
        if not isinstance(document, dict):
            message = f"must be an object, not {strict_json.kind(document)}"
            yield Record(number, fault=Fault(pointer(number), "invalid_type", message))
        elif native and _is_entity(document):
            yield Record(number, list(_leaves(document["attributes"], ())), is_json=True, entity=document)
        else:
            yield Record(number, list(_leaves(document, ())), is_json=True)


def _is_entity(document: Mapping[str, Any]) -> bool:
    return {"id", "attributes"} <= document.keys() <= {"id", "attributes", "updated_at"} and isinstance(
        document["attributes"], dict
    )


def _leaves(value: Mapping[str, Any], path: FieldPath) -> Iterator[tuple[FieldPath, Any]]:
    for name, part in value.items():
        if isinstance(part, dict) and part:
            yield from _leaves(part, (*path, name))
        else:
            yield (*path, name), part


def _csv_records(file: IO[str], delimiter: str | None) -> Iterator[Record]:
    csv.field_size_limit(_LONGEST_CELL)
    first = file.readline()
    if not first.strip():
        raise Invalid([Fault("/1", "no_header", "the first line must name the columns")])
    delimiter = delimiter or max(_DELIMITERS, key=first.count)
    rows = csv.reader(_with_first(first, file), delimiter=delimiter, strict=True)
    paths: list[FieldPath] | None = None
    while True:
        number = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as problem:  # a quote that is not closed swallows the rest: no use in going on
            raise Invalid([Fault(pointer(number), "not_csv", f"is not CSV: {problem}")]) from problem
        if row is None:
            return
        if paths is None:
            paths = _columns(row)
        elif row:
            yield _csv_record(number, paths, row)


def _with_first(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _columns(header: Sequence[str]) -> list[FieldPath]:
    """The fields that the columns become; Invalid for those that cannot stand beside each other."""
    paths = [tuple(name.split(".")) if _DOTTED.fullmatch(name) else (name,) for name in map(str.strip, header)]
    faults = []
    for position, path in enumerate(paths):
        earlier = paths[:position]
        if path == ("",) or not _is_utf8(path):
            message = f"column {position + 1} has no name that can be read"
            faults.append(Fault("/1", "bad_column", message))
        elif path in earlier:
            faults.append(Fault("/1" + pointer(spell(path)), "column_twice", "there are two columns of this name"))
        elif any(path[: len(other)] == other or other[: len(path)] == path for other in earlier):
            message = "this column would be both a value and an object that holds other columns"
            faults.append(Fault("/1" + pointer(spell(path)), "column_within_column", message))
    if faults:
        raise Invalid(faults)
    return paths


def _csv_record(number: int, paths: Sequence[FieldPath], row: Sequence[str]) -> Record:
    if len(row) != len(paths):
        message = f"has {len(row)} cells, the first line names {len(paths)} columns"
        return Record(number, fault=Fault(pointer(number), "wrong_number_of_cells", message))
    if not _is_utf8(row):
        bad = next(path for path, cell in zip(paths, row, strict=True) if not _is_utf8((cell,)))
        message = "is not UTF-8; save the file as UTF-8"
        return Record(number, fault=Fault(pointer(number, spell(bad)), "not_utf8", message))
    return Record(number, [(path, cell or None) for path, cell in zip(paths, row, strict=True)])


def _is_utf8(texts: Sequence[str]) -> bool:
    return all(text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text) for text in texts)
