"""Files of ids: one a line, or a column of a table that is named.

A table that is taken for a list of ids makes a backfill of ids that nobody knows. So what looks like one is noticed.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from backfilld.cli.entities.import_files import KNOWN_SUFFIXES, read_records
from backfilld.cli.entities.import_input import Input
from backfilld.cli.entities.import_notes import Notes
from backfilld.cli.entities.import_records import Layout, Record
from backfilld.cli.output.printing import print_warnings
from backfilld.domain.entities.ids import trimmed
from backfilld.domain.errors import Invalid, did_you_mean
from backfilld.domain.filters import parse_path, spell

_LOOKED_AT = 1_000  # lines
_COLUMNS_SHOWN = 20
_SAY_COLUMN = "say with --id-column which column holds the ids"
_NAME_OF_COLUMN = re.compile(r"(?i:(?:.*[\W_])?(?:ids?|keys?|numbers?|nr|no|refs?|guids?|uuids?))|[A-Za-z]*[a-z]I[dD]")


def read_ids(path: Path, id_column: str | None = None) -> list[str]:
    """The ids in a file (`-` is standard input); UsageError if there are none, or if it is no list of ids.

    Without `id_column` one a line: empty lines, and blanks and invisible characters around ids, do not count. With it,
    a column of CSV (or a field of JSON lines). What was passed over is told.
    """
    notes = Notes()
    with Input(path) as source:
        if id_column is not None:
            ids = list(_of_column(source, _spelled(id_column), notes))
        else:
            with source.text(notes) as text:
                ids = [id for line in text if (id := trimmed(line))]
            _notice(source.name, ids, notes)
        if not ids:
            raise click.UsageError(f"{source.name} holds no ids; write one a line")
    print_warnings(notes.sentences())
    return ids


def _spelled(name: str) -> str:
    try:
        return spell(parse_path(name))
    except ValueError as problem:
        raise click.BadParameter(f"{name!r}: {problem}", param_hint="--id-column") from None


def _of_column(source: Input, id_column: str, notes: Notes) -> Iterator[str]:
    format = None
    if source.suffix not in KNOWN_SUFFIXES:
        with source.text(notes) as text:
            format = "jsonl" if text.read(1_000).lstrip()[:1] == "{" else "csv"
    found = False
    for record in read_records(source, Layout(id_column=id_column, format=format), notes):
        if record.fault is not None:
            raise Invalid([record.fault])
        cells = {spell(path): cell for path, cell in record.cells}
        if record.entity is not None:
            cells["id"] = record.entity["id"]
        if id_column not in cells and not found:
            raise click.BadParameter(_no_column(id_column, record, cells), param_hint="--id-column")
        found = True
        id = cells.get(id_column)
        if id is None or id == "":
            notes.count("lines without an id were passed over", record.line)
        else:
            yield str(id)


def _no_column(id_column: str, record: Record, cells: dict[str, Any]) -> str:
    where = f"line {record.line}" if record.is_json else "the file"
    columns = ", ".join(map(repr, list(cells)[:_COLUMNS_SHOWN]))
    return f"there is no column {id_column!r} in {where}{did_you_mean(id_column, cells)}; its columns are {columns}"


def _notice(name: str, ids: Sequence[str], notes: Notes) -> None:
    """UsageError for what is surely no list of ids; a note for what may be none."""
    some = ids[:_LOOKED_AT]
    if some and all(id[:1] == "{" for id in some):
        raise click.UsageError(f"{name} holds JSON lines, and no list of ids; {_SAY_COLUMN}")
    columns = _columns(some)
    if columns:
        shown = ", ".join(map(repr, columns[:_COLUMNS_SHOWN]))
        raise click.UsageError(f"{name} is a table with the columns {shown}, and no list of ids; {_SAY_COLUMN}")
    if some and all(len(id) > 1 and id[0] == id[-1] == '"' for id in some):
        raise click.UsageError(f"in {name} every line stands in quotes; take them off, or {_SAY_COLUMN}")
    if len(some) == 1 and "," in some[0]:
        notes.fact(f"{name} is one line with commas, and was taken for one id; write one a line")
    if len(some) > 1 and _NAME_OF_COLUMN.fullmatch(some[0]) and not any(map(_NAME_OF_COLUMN.fullmatch, some[1:])):
        notes.fact(f"the first line of {name}, {some[0]!r}, looks like the name of a column; if so, {_SAY_COLUMN}")


def _columns(lines: Sequence[str]) -> list[str]:
    """The first row, if the lines are rows of a table."""
    for delimiter in ",;\t|":
        rows: list[list[str]] = []
        with suppress(csv.Error):
            rows.extend(row for row in csv.reader(lines, delimiter=delimiter) if row)
        if len(rows) > 1 and len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows):
            return rows[0]
    return []
