"""Files that nobody meant to be read: whatever is in them, an import ends with faults that name lines."""

import gzip
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.examples import examples

from backfilld.api.public.entities.records import careful_row
from backfilld.cli.entities.import_entities import Reading
from backfilld.cli.entities.import_input import Input
from backfilld.cli.entities.import_records import Layout
from backfilld.cli.entities.imports import Lines, survey
from backfilld.cli.output.error_output import Failure
from backfilld.domain.entities.pair_lists import PairMembers
from backfilld.domain.errors import Invalid

CELLS = st.sampled_from(
    ["id", "a", "a.b", "a.b.c", "", " ", '"', '""', '"x', "1", "01", "1e999", "NaN", "true", "2024-05-01", "\0", "\r",
     "9" * 30, "\ufeff", "\udcff", "\\", ".", "=1+1", "0001-01-01", "9999-12-31 23:59:59"]
) | st.text(max_size=6)  # fmt: skip
TABLES = st.builds(
    lambda delimiter, end, rows: end.join(delimiter.join(row) for row in rows).encode("utf-8", "surrogateescape"),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=5).map(lambda rows: [["id", "a", "b.c"], *rows]),
).filter(lambda raw: b"\xed" not in raw)
VALUES = st.sampled_from(
    ["1", '"x"', "null", "{}", "[]", '{"id":"1","attributes":{}}', '{"id":"1","attributes":[]}', '{"id":1}',
     '{"id":"","a":{"b":{"c":1}}}', '{"a":1,"a":2}', '{"id":"1","a":1e999}', '{"id":"\\ud800"}', '{"id":"a\\u0000"}',
     '{"id":"1","n":123456789012345678901}', '{"id":true}', '{"id":"1","":{"":1}}', "[" * 70, "{",
     '{"id":"1","a.b":1,"a":{"b":2}}',
     '{"id":"1","updated_at":"x","attributes":{}}', '{"id":"1","a":' + '{"a":' * 40 + "1" + "}" * 41, "\ufeff{}"]
)  # fmt: skip
LINES = st.lists(VALUES, max_size=5).map(lambda lines: "\n".join(lines).encode())
BYTES = st.binary(max_size=60)
READINGS = [
    Reading(),
    Reading(updated_at_column="a"),
    Reading(Layout(id_column="a")),
    Reading(Layout(repeats_as_lists=True, nulls=frozenset({"1", ""}), lists={("a",): PairMembers("b", "c")})),
]


def read(path: Path, reading: Reading) -> list[bytes]:
    """The lines as they would be sent, or nothing if the file has faults."""
    try:
        with Input(path) as source:
            found = survey(source, reading)
            pieces = b"".join(Lines(source, replace(reading, types=found.types), found))
        return [line for line in pieces.splitlines() if line]
    except (Invalid, Failure):
        return []


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.jsonl", "x.csv.gz", "x.jsonl.gz"])
@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=TABLES | LINES | BYTES, how=st.sampled_from(READINGS))
@example(raw=gzip.compress(b"id,a\n1,2\n")[:-8], how=Reading())
@example(raw=gzip.compress(b"id,a\n1,2\n" * 90)[:10] + b"\xff" * 9, how=Reading())  # zlib.error, which is no OSError
def test_an_import_of_anything_is_read_or_refused(tmp_path: Path, name: str, raw: bytes, how: Reading) -> None:
    path = tmp_path / name
    packed = name.endswith(".gz") and not raw.startswith(b"\x1f\x8b")
    path.write_bytes(zlib.compress(raw, wbits=31) if packed else raw)
    lines = read(path, how)

    assert all(isinstance(careful_row(line, "/1"), tuple) for line in lines)
