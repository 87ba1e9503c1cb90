"""Files of records, record by record, with the line that each begins at.

CSV as spreadsheets and databases write it (comma, semicolon, tab or bar), or one JSON object a line. Here is told which
of them a file is.
"""

from collections.abc import Iterator, Mapping

from backfilld.cli.entities.import_csv import csv_records
from backfilld.cli.entities.import_input import Input
from backfilld.cli.entities.import_json import LONGEST, json_records
from backfilld.cli.entities.import_notes import Notes
from backfilld.cli.entities.import_records import Layout, Record
from backfilld.cli.output.error_output import Failure

_FORMATS: Mapping[str, str] = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
}  # fmt: skip


KNOWN_SUFFIXES = frozenset(_FORMATS)


def read_records(source: Input, layout: Layout, notes: Notes) -> Iterator[Record]:
    """The records of a file. Invalid or Failure if it cannot be understood at all; OSError if it cannot be read."""
    format = layout.format or _format_of(source, notes)
    if format == "jsonl":
        with source.lines(notes, LONGEST) as lines:
            yield from json_records(lines, layout, notes)
    else:
        with source.text(notes) as text:
            yield from csv_records(text, layout, notes, "\t" if format == "tsv" else layout.delimiter)


def _format_of(source: Input, notes: Notes) -> str:
    found = _FORMATS.get(source.suffix)
    if found is not None:
        return found
    with source.text(notes) as text:  # whatever is no text is refused by its own name
        begins = text.read(1_000).lstrip()
    if source.has_name:
        raise Failure(f"{source.name} is neither .csv, .tsv, .jsonl nor .ndjson; say which with --format")
    return "jsonl" if begins[:1] in ("{", "[") else "csv"
