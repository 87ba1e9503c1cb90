"""Files as the API takes them, and their faults by line and column."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backfilld.api.public.entities.records import quick_row
from backfilld.cli.entities.import_entities import Reading
from backfilld.cli.entities.import_input import Input
from backfilld.cli.entities.import_records import Layout
from backfilld.cli.entities.imports import Lines, Survey, survey
from backfilld.cli.output.error_output import Failure
from backfilld.domain.errors import FAULTS_SHOWN, Invalid

CSV = """\
id,priority,zip,open,created,company.name,company.id,note
1,3,01234,true,2024-05-01 10:00:00,Contoso,7,"two
lines, one cell"
2,,99999,false,2024-05-02,,8,
"""


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(content: str | bytes, name: str = "tickets.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def how_to_read(**how: Any) -> Reading:
    layout = {name: how.pop(name) for name in list(how) if name in Layout.__dataclass_fields__}
    return Reading(Layout(**layout), **how)


def guess_types(path: Path, reading: Reading) -> dict[str, str]:
    with Input(path) as source:
        return dict(survey(source, reading).types)


def read_file(path: Path, reading: Reading, records: int = 0) -> Iterator[bytes]:
    with Input(path) as source:
        yield from Lines(source, reading, Survey(records, {}))


def entities(path: Path, **how: Any) -> list[Any]:
    reading = how_to_read(**how)
    with Input(path) as source:
        found = survey(source, reading)
        pieces = b"".join(Lines(source, replace(reading, types=found.types), found))
    return [json.loads(line) for line in pieces.splitlines() if line]


def faults(path: Path, **how: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as found:
        entities(path, **how)
    return {fault.path: fault.code for fault in found.value.faults}


def test_a_csv_becomes_entities_with_types(file: Any) -> None:
    first, second = entities(file(CSV), zone=ZoneInfo("Asia/Tokyo"), updated_at_column="created")

    assert {
        "id": "1", "updated_at": "2024-05-01T01:00:00Z",
        "attributes": {
            "id": 1, "priority": 3, "zip": "01234", "open": True, "created": "2024-05-01T01:00:00Z",
            "company": {"name": "Contoso", "id": 7}, "note": "two\nlines, one cell",
        },
    } == first  # fmt: skip
    assert ("2", "2024-05-01T15:00:00Z") == (second["id"], second["updated_at"])
    assert {"name": None, "id": 8} == second["attributes"]["company"]
    assert (None, "2024-05-02", None) == tuple(second["attributes"][name] for name in ("priority", "created", "note"))


def test_types_are_guessed_from_the_whole_file_and_can_be_said(file: Any) -> None:
    path = file(CSV)

    assert {
        "id": "integer", "priority": "integer", "zip": "string", "open": "boolean", "created": "date",
        "company.name": "string", "company.id": "integer", "note": "string",
    } == guess_types(path, Reading())  # fmt: skip
    assert "integer" == guess_types(path, Reading(types={"zip": "integer"}))["zip"]
    assert 1234 == entities(path, types={"zip": "integer"})[0]["attributes"]["zip"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"\xef\xbb\xbfid,n\r\n1,2\r\n"),
        ("t.csv", b"id;n\n1;2"),
        ("t.csv", b'"id"|"n"\n"1"|"2"\n\n'),
        ("t.tsv", b"id\tn\n1\t2\n"),
        ("t.csv.gz", gzip.compress(b"id,n\n1,2\n")),
        ("t.jsonl", b'{"id": 1, "n": 2}\n\n'),
        ("t.ndjson.gz", gzip.compress(b'\xef\xbb\xbf{"id": 1, "n": 2}')),
    ],
)
def test_all_usual_files_are_understood(file: Any, name: str, content: bytes) -> None:
    assert [{"id": "1", "updated_at": None, "attributes": {"id": 1, "n": 2}}] == entities(file(content, name))


def test_json_lines_keep_their_values(file: Any) -> None:
    record = {"key": "a", "n": "007", "list": [{"x": 1}], "empty": {}, "deep": {"at": "2024-05-01 10:00", "text": ""}}
    (found,) = entities(file(json.dumps(record), "t.jsonl"), id_column="key")

    assert record | {"deep": {"at": "2024-05-01T10:00:00Z", "text": ""}} == found["attributes"]
    assert "a" == found["id"]


def test_json_lines_in_the_form_of_the_api_are_entities_already(file: Any) -> None:
    record = {"id": "a", "attributes": {"n": {"m": "5"}}, "updated_at": "2024-05-01T10:00:00Z"}
    path = file(json.dumps(record), "t.jsonl")

    assert [record] == entities(path)
    assert {"m": 5} == entities(path, types={"n.m": "integer"})[0]["attributes"]["n"]
    assert {"n.m": "string"} == guess_types(path, Reading())


def test_bad_cells_are_told_all_at_once_by_line_and_column(file: Any) -> None:
    path = file("id,n,company.at\n1,x,2024-05-01\n,2,y\n\n3,z\n4,5,soon\n")
    with pytest.raises(Invalid) as found:
        list(read_file(path, Reading(types={"n": "integer", "company.at": "date"})))

    assert {
        "/2/n": "bad_cell", "/3/company.at": "bad_cell", "/5": "wrong_number_of_cells", "/6/company.at": "bad_cell",
    } == {fault.path: fault.code for fault in found.value.faults}  # fmt: skip


def test_many_faults_are_bounded(file: Any) -> None:
    path = file("id,n\n" + "1,x\n" * 100)

    assert [f"/{line}/n" for line in range(2, 2 + FAULTS_SHOWN)] == list(faults(path, types={"n": "integer"}))


def test_nothing_is_given_after_the_first_fault(file: Any) -> None:
    rows = "".join(f"{n},{n}\n" for n in range(20_000))
    path = file("id,n\n" + rows + "x,y\n" + rows)
    given = []
    with pytest.raises(Invalid):
        given.extend(read_file(path, Reading(types={"n": "integer"})))

    assert 0 < sum(piece.count(b"\n") for piece in given) <= 20_001
    assert all(piece.endswith(b"\n") and len(piece) < 2 * 64 * 1024 for piece in given)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", {"/1": "no_header"}),
        (b"id,,n\n", {"/1": "bad_column"}),
        (b"id,n,n\n", {"/1/n": "column_twice"}),
        (b"id,a,a.b\n", {"/1/a.b": "column_within_column"}),
        (b"id,n\n1\n2,3,4\n", {"/2": "wrong_number_of_cells", "/3": "wrong_number_of_cells"}),
        (b'id,n\n1,2\n2,"open\n', {"/3": "not_csv"}),
        (b"id,n\n1,\xfc\n", {"/2/n": "not_utf8"}),
        (b"id,n\n,1\n", {"/2/id": "missing"}),
        (b"key,n\n1,1\n", {"/1/id": "no_such_column"}),
        (b"id,n\n1,a\x00b\n", {"/2/attributes/n": "invalid_text"}),
        (b"id,n\n" + b"x" * 600 + b",1\n", {"/2/id": "invalid_value"}),
    ],
)
def test_what_is_wrong_with_a_csv_is_told(file: Any, content: bytes, expected: dict[str, str]) -> None:
    assert expected == faults(file(content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b'{"id": "1"}\n[]\n{"id": "2", "id": "3"}\n{',
            {"/2": "invalid_type", "/3": "duplicate_key", "/4": "unreadable"},
        ),
        (b'{"id": [1]}', {"/1/id": "bad_cell"}),
        (b'{"id": "1", "n": 123456789012345678901234567890}', {"/1/n": "bad_cell"}),
        (b'{"id": "1", "n": "\\ud800"}', {"/1": "invalid_value"}),
        (b'{"id": "1", "n": "' + b"x" * 300_000 + b'"}', {"/1": "line_too_long"}),
    ],
)
def test_what_is_wrong_with_json_lines_is_told(file: Any, content: bytes, expected: dict[str, str]) -> None:
    assert expected == faults(file(content, "t.jsonl"))


def test_a_misspelt_column_is_answered_with_the_nearest(file: Any) -> None:
    with pytest.raises(Invalid, match="did you mean 'priority'"):
        guess_types(file(CSV), Reading(types={"priorty": "integer"}))


def test_dots_nest_only_where_they_join_names(file: Any) -> None:
    (found,) = entities(file("id,e.g.,Amount (incl. tax),a.b\n1,x,2,3\n"))

    assert {"id": 1, "e.g.": "x", "Amount (incl. tax)": 2, "a": {"b": 3}} == found["attributes"]


def test_files_of_other_kinds_are_refused(file: Any) -> None:
    with pytest.raises(Failure, match="neither"):
        entities(file("id\n1\n", "t.dat"))
    with pytest.raises(Failure, match="gzip"):
        entities(file(gzip.compress(CSV.encode() * 99)[:-20], "t.csv.gz"))
    assert entities(file("id\n1\n", "t.txt"), format="csv")


def test_every_line_is_one_that_the_api_takes_at_once(file: Any) -> None:
    _, line = b"".join(read_file(file("id,at\nü:1,12:30\n"), Reading(), records=1)).splitlines()

    assert ("ü:1", '{"id":"ü:1","at":"12:30"}', None) == quick_row(line)
