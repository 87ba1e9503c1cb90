"""What Windows, Excel and other systems write either works, or is called by its name with the one thing to do."""

import bz2
import codecs
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backfilld.cli.entities.import_entities import Reading
from backfilld.cli.entities.import_input import Input
from backfilld.cli.entities.import_records import Layout
from backfilld.cli.entities.imports import Lines, survey
from backfilld.cli.output.error_output import Failure
from backfilld.domain.entities.pair_lists import parse_members
from backfilld.domain.errors import Invalid

Write = Callable[..., Path]


@pytest.fixture
def file(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def read(path: Path, *, between: Callable[[], Any] = lambda: None, **how: Any) -> tuple[list[Any], list[str]]:
    """The attributes of each record with its id, and the notes."""
    layout = {name: how.pop(name) for name in list(how) if name in Layout.__dataclass_fields__}
    reading = Reading(Layout(**layout), **how)
    with Input(path) as source:
        found = survey(source, reading)
        between()
        lines = Lines(source, replace(reading, types=found.types), found)
        pieces = b"".join(lines)
    assert found.records == lines.records
    entities = [json.loads(line) for line in pieces.splitlines() if line]
    return [{"#": one["id"]} | one["attributes"] for one in entities], list(lines.notes.sentences())


def refusal(path: Path, **how: Any) -> str:
    with pytest.raises((Invalid, Failure)) as refused:
        read(path, **how)
    return refused.value.message


ONE = [{"#": "1", "id": 1, "n": "ä"}]
CSV, JSONL = "id,n\r\n1,ä\r\n", '{"id": 1, "n": "ä"}\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", codecs.BOM_UTF16_LE + CSV.encode("utf-16-le")),
        ("t.csv", codecs.BOM_UTF16_BE + CSV.encode("utf-16-be")),
        ("t.csv", "id,n,note\r\n1,ä,plain letters\r\n".encode("utf-16-le")),
        ("t.jsonl", JSONL.encode("utf-16")),
        ("t.csv.gz", gzip.compress(CSV.encode("utf-16"))),
        ("t.csv", gzip.compress(CSV.encode())),
        ("T.CSV.GZ", gzip.compress(CSV.encode())),
        ("t.csv.gz", CSV.encode()),
        ("t.jsonl", gzip.compress(JSONL.encode())),
        ("t.json", JSONL.encode()),
        ("t.csv", b"sep=;\r\n" + CSV.replace(",", ";").encode()),
        ("t.csv", b'"sep=|"\r\n' + CSV.replace(",", "|").encode()),
        ("t.csv", codecs.BOM_UTF8 + b"SEP=,\n" + CSV.encode()),
        ("t.csv", b'#TYPE System.Management.Automation.PSCustomObject\r\n"id","n"\r\n"1","\xc3\xa4"\r\n'),
        ("t.csv", "id,n,\r\n1,ä,\r\n".encode()),
        ("t.csv", "id,n,,\r\n1,ä,,\r\n".encode()),
        ("t.csv", "id,n\r\n1,ä,\r\n".encode()),
        ("t.csv", "id,n,\r\n1,ä\r\n".encode()),
        ("t.csv", "id,n\r\n,\r\n1,ä\r\n,\r\n,\r\n".encode()),
        ("t.csv", "id ,\u200bn\r\n 1\u00a0,ä\r\n".encode()),
    ],
)
def test_what_windows_and_excel_write_is_read_as_it_is(file: Write, name: str, content: bytes) -> None:
    (found,), _ = read(file(content, name))

    assert ONE == [{key: found[key] for key in ("#", "id", "n")}]


def workbook() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    return packed.getvalue()


def archive_of(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, CSV)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "what", "advice"),
    [
        ("t.csv", workbook(), "an Excel workbook (.xlsx)", "save it as CSV UTF-8"),
        ("t.xlsx", workbook(), "an Excel workbook (.xlsx)", "save it as CSV UTF-8"),
        ("t.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "an old Excel workbook", "save it as CSV UTF-8"),
        ("t.csv", archive_of("t.csv"), "a zip archive", "unpack it"),
        ("t.csv.zip", archive_of("t.csv"), "a zip archive", "unpack it"),
        ("t.csv.gz", gzip.compress(workbook()), "an Excel workbook", "save it as CSV UTF-8"),
        ("t.csv", bz2.compress(CSV.encode()), "compressed by bzip2", "unpack it"),
        ("t.jsonl", b"\x28\xb5\x2f\xfd\x04\x00", "compressed by zstd", "unpack it"),
        ("t.csv", b"<!DOCTYPE html>\n<title>Sign in</title>", "a web page", "logged in"),
        ("t.csv", b"%PDF-1.7\n", "a PDF document", "CSV"),
        ("t.jsonl", b'[{"id": 1},\n {"id": 2}]', "one JSON list", "jq -c '.[]'"),
        ("t.json", b'[\n  {"id": 1}\n]', "one JSON list", "jq -c '.[]'"),
        ("t.jsonl", b'[{"id": 1, "n": "' + b"x" * 2_000_000 + b'"}]', "one JSON list", "jq -c '.[]'"),
        ("t.json", b'{\n  "id": 1\n}\n', "one line", "jq -c ."),
        ("t.jsonl", b"id,n\n1,2\n", "not JSON", "--format csv"),
        ("t.csv", JSONL.encode(), "is JSON", "--format jsonl"),
        ("t.csv", b'[{"id": 1}]', "is JSON", "--format jsonl"),
        ("t.csv", b"id,n\n1,\xe4\n", "not UTF-8", "CSV UTF-8"),
        ("t.csv", b",id,n\n0,1,2\n", "column 1 has no name", "index=False"),
        ("t.csv", b"id,n,\n1,2,3\n", "has 3 cells", "names 2 columns"),
    ],
)
def test_what_cannot_be_read_is_called_by_its_name(
    file: Write, name: str, content: bytes, what: str, advice: str
) -> None:
    message = refusal(file(content, name))

    assert what in message
    assert advice in message


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("id;a,b,c\n1;x\n2;y\n", ["id", "a,b,c"]),
        ("id,notes;more;stuff\n1,x\n", ["id", "notes;more;stuff"]),
        ('"id";"price, net"\n1;"3,50"\n2;4,20\n', ["id", "price, net"]),
        ("id\tname, first\n1\tx\n", ["id", "name, first"]),
        ('id,text\n1,"a;b;c\nd;e"\n2,x\n', ["id", "text"]),
        ("id|a;b\n1|2;3\n4|5;6\n", ["id", "a;b"]),
        ("id\n1\n2\n", ["id"]),
    ],
)
def test_the_delimiter_is_the_one_that_all_rows_agree_with(file: Write, text: str, columns: list[str]) -> None:
    found, _ = read(file(text))

    assert {"#", *columns} == found[0].keys()


def test_a_missing_id_column_is_answered_with_the_columns_that_there_are(file: Write) -> None:
    many = refusal(file("Number,Subject\n1,x\n"))
    one = refusal(file("key^n\n1^2\n"))

    assert "its columns are 'Number', 'Subject'; say with --id-column which one holds the id" in many
    assert "its only column is 'key^n'" in one
    assert "--delimiter" in one


def test_two_thousand_columns_are_read_in_no_time(file: Write) -> None:
    names = [f"Custom_Field_Name_{n:04}__c" for n in range(2_000)]
    (found,), _ = read(file(",".join(["id", *names]) + "\n" + ",".join(["1"] + ["7"] * 2_000) + "\n"))

    assert {"#": "1", "id": 1} | dict.fromkeys(names, 7) == found


# What happened on the way in is counted


@pytest.mark.parametrize(
    ("text", "how", "note"),
    [
        ("id,n\n1,2\n,\n,\n2,3\n", {}, "rows without a value were left out: 2 (at /3, /4)"),
        ("id,n\n T-1,a\nT-2,b\n", {}, "blanks or invisible characters around ids were taken off: 1 (at /2)"),
        ("id,n,\n1,2,\n", {}, "columns without a name at the end of the first line were left out: 1"),
        ("#TYPE X\nid,n\n1,2\n", {}, "the line #TYPE of PowerShell was passed over (-NoTypeInformation leaves it out)"),
        (
            "id,closed\n1,2025-06-01T10:00:00\n2,0001-01-01T00:00:00\n", {"zone": ZoneInfo("Europe/Berlin")},
            "dates of `closed` beyond the years that are kept became 1000-01-01 or 9000-12-31: 1 (at /3)",
        ),
        (
            "id,closed\n1,2025-06-01T10:00:00\n", {},
            "times of `closed` without an offset were taken as UTC (--timezone says otherwise): 1 (at /2)",
        ),
    ],
)  # fmt: skip
def test_what_is_left_out_or_changed_is_told(file: Write, text: str, how: dict[str, Any], note: str) -> None:
    assert [note] == read(file(text), **how)[1]


def test_ids_that_differ_in_blanks_are_one(file: Write) -> None:
    found, _ = read(file("id,n\n T-1,1\nT-1 ,2\nT-1,3\n\u00a0T-1\u200b,4\n"))

    assert [("T-1", "T-1")] * 4 == [(one["#"], one["id"]) for one in found]


def test_an_empty_net_date_does_not_spoil_its_column(file: Write) -> None:
    text = "id,closed\n1,2025-06-01T10:00:00\n2,0001-01-01T00:00:00\n3,9999-12-31\n"
    guessed, _ = read(file(text), zone=ZoneInfo("Europe/Berlin"))
    said, _ = read(file(text), types={"closed": "date"}, updated_at_column="closed")

    assert ["2025-06-01T08:00:00Z", "1000-01-01T00:00:00Z", "9000-12-31"] == [one["closed"] for one in guessed]
    assert 3 == len(said)


# Options


def test_columns_of_the_same_name_become_a_list(file: Write) -> None:
    path = file("id,Sprint,x,Sprint,Sprint\n1,a,7,,b\n2,,8,,\n")
    found, _ = read(path, repeats_as_lists=True)
    typed, _ = read(file("id,n,n\n1,2,3\n"), repeats_as_lists=True, types={"n": "integer"})

    assert [["a", "b"], []] == [one["Sprint"] for one in found]
    assert [2, 3] == typed[0]["n"]
    assert "--repeats-as-lists" in refusal(path)


def test_a_dot_may_be_just_a_dot(file: Write) -> None:
    path = file("id,status,status.name\n1,5,open\n")
    (found,), _ = read(path, flat=True)

    assert {"#": "1", "id": 1, "status": 5, "status.name": "open"} == found
    assert "--flat-columns" in refusal(path)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_texts_that_mean_nothing_are_missing(file: Write, name: str) -> None:
    cells = ["5", "NULL", "\\N", "-"]
    rows = [{"id": str(n), "n": cell} for n, cell in enumerate(cells)]
    text = (
        "id,n\n" + "".join(f"{row['id']},{row['n']}\n" for row in rows)
        if name == "t.csv"
        else "".join(json.dumps(row) + "\n" for row in rows)
    )
    found, _ = read(file(text, name), nulls=frozenset({"NULL", "\\N", "-"}), types={"n": "integer"})

    assert [5, None, None, None] == [one["n"] for one in found]


@pytest.mark.parametrize(
    ("word", "pairs"),
    [
        ("name_value", [{"name": "Site", "value": "Oslo"}, {"name": "Floor", "value": 3}]),
        ("caption_value", [{"id": 1, "caption": "Site", "value": "Oslo"}, {"caption": "Floor", "value": 3}]),
        ("field_name:value", [{"field_name": "Site", "value": "Oslo"}, {"field_name": "Floor", "value": 3}]),
    ],
)
@pytest.mark.parametrize("native", [True, False])
def test_lists_of_pairs_become_objects(file: Write, word: str, pairs: list[Any], native: bool) -> None:
    record: Any = {"udf": pairs, "in": {"udf": pairs}}
    record = {"id": "1", "attributes": record} if native else {"id": "1"} | record
    members = parse_members(word)
    (found,), notes = read(file(json.dumps(record), "t.jsonl"), lists={("udf",): members, ("in", "udf"): members})

    assert {"Site": "Oslo", "Floor": 3} == found["udf"] == found["in"]["udf"]
    assert [] == notes


def test_a_list_that_is_none_of_pairs_stays_and_is_told(file: Write) -> None:
    rows = [{"id": 1, "udf": [1]}, {"id": 2, "udf": []}, {"id": 3, "udf": None}, {"id": 4}]
    rows.append({"id": 5, "udf": [{"name": "a", "value": 1}, {"name": "a", "value": 2}]})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    found, notes = read(file(text, "t.jsonl"), lists={("udf",): parse_members("name_value")})

    assert [[1], {}, None, None, {"a": 2}] == [one.get("udf") for one in found]
    assert [
        "`udf` is no list of {name, value} and stays a list: 1 (at /1)",
        "a name occurs twice in `udf`; the last of them was taken: 1 (at /5)",
    ] == notes


@pytest.mark.parametrize("word", ["name", "a_b_c", "_value", "name_", "value_value", ""])
def test_a_word_that_names_no_two_members_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="joined by an underscore"):
        parse_members(word)


# Read twice


@pytest.mark.parametrize("text", [CSV, JSONL])
def test_a_pipe_is_read_once_and_used_twice(text: str) -> None:
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    found, _ = read(Path(f"/dev/fd/{reading}"))
    os.close(reading)

    assert ONE == found


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(path.read_bytes() + b"9,9\n"),
        lambda path: path.write_bytes(path.read_bytes().replace(b"5,5", b"5,x")),
        lambda path: path.write_bytes(b"id,n\n"),
    ],
    ids=["cut", "longer", "changed", "emptied"],
)
def test_a_file_that_changes_between_its_readings_is_refused(file: Write, change: Callable[[Path], Any]) -> None:
    path = file("id,n\n" + "".join(f"{n},{n}\n" for n in range(100)))
    os.utime(path, ns=(0, 0))
    with pytest.raises((Failure, Invalid)) as refused:
        read(path, between=lambda: change(path))

    assert "changed while it was read" in refused.value.message


def test_lines_have_the_numbers_of_the_file(file: Write) -> None:
    path = file('id,n\n1,"a\nb\nc"\n\n2,x\n')
    with Input(path) as source:
        found = survey(source, Reading())
        lines = b"".join(Lines(source, Reading(), found)).split(b"\n")

    assert {2: "1", 6: "2"} == {number: json.loads(line)["id"] for number, line in enumerate(lines, start=1) if line}
