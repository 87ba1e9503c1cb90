"""JSON lines as records."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from backfilld.api.framework.reading import strict_json
from backfilld.api.public.entities.lines import LONGEST_LINE
from backfilld.cli.entities.import_notes import Notes
from backfilld.cli.entities.import_records import FieldPath, Layout, Record
from backfilld.domain.entities.pair_lists import PairLists
from backfilld.domain.errors import Fault, Invalid, Unreadable, pointer

LONGEST = 4 * LONGEST_LINE  # bytes of a line in a file: with blanks, and escapes where UTF-8 would do


def json_records(lines: Iterable[bytes], layout: Layout, notes: Notes) -> Iterator[Record]:
    """A record a line. Lines of exactly `{id, attributes, updated_at?}` are entities unless the id stands elsewhere."""
    shape = _Shape(layout, notes)
    begins = True
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        if begins:
            _require_lines(line, number)
            begins = False
        if len(line) > LONGEST:
            hint = _WHOLE_LIST if line.lstrip()[:1] == b"[" else "an entity has at most 256 KiB"
            yield _bad(number, "line_too_long", f"is longer than {LONGEST} bytes; {hint}")
            return
        try:
            document = strict_json.parse(line)
        except Unreadable as problem:
            message = problem.message.replace("the body", "the line", 1).replace("(line 1, ", "(")
            yield _bad(number, problem.code, message)
            continue
        if isinstance(document, dict):
            yield shape.record(document, number)
            continue
        yield _bad(number, "invalid_type", f"must be an object, not {strict_json.kind(document)}")


_WHOLE_LIST = "the file is one JSON list; make a line of each of its objects with: jq -c '.[]' FILE > FILE.jsonl"


def _require_lines(line: bytes, number: int) -> None:
    """Invalid for a file that begins as something else, so that not each of its lines is a fault."""
    text = line.removeprefix(b"\xef\xbb\xbf").strip()
    if text[:1] == b"[" and (text[1:].lstrip()[:1] in (b"{", b"")):
        raise Invalid([Fault(pointer(number), "not_lines_of_json", _WHOLE_LIST)])
    if text == b"{":
        message = "each object must be one line; make it so with: jq -c . FILE > FILE.jsonl"
        raise Invalid([Fault(pointer(number), "not_lines_of_json", message)])
    if text[:1] not in (b"{", b"[") and any(mark in text for mark in b",;\t|"):
        message = "is not JSON; if the file is CSV, say --format csv"
        raise Invalid([Fault(pointer(number), "not_lines_of_json", message)])


class _Shape:
    """Makes records of objects."""

    def __init__(self, layout: Layout, notes: Notes) -> None:
        self._native = layout.id_column == "id"
        self._nulls = layout.nulls
        self._pairs = PairLists(layout.lists)
        self._notes = notes

    def record(self, document: dict[str, Any], number: int) -> Record:
        entity = document if self._native and _is_entity(document) else None
        attributes = document if entity is None else document["attributes"]
        if self._pairs:
            self._pairs.apply(attributes, lambda what: self._notes.count(what, number))
        cells = list(_leaves(attributes, ()))
        if self._nulls:
            nulls = self._nulls
            cells = [(path, None if isinstance(cell, str) and cell in nulls else cell) for path, cell in cells]
        return Record(number, cells, is_json=True, entity=entity)


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


def _bad(number: int, code: str, message: str) -> Record:
    return Record(number, fault=Fault(pointer(number), code, message))
