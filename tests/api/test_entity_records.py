"""The quick reader of uploaded lines never vouches for anything that the careful one would not take."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from backfilld.api.public.entities.records import careful_row, quick_row

PIECES = st.sampled_from([
    '"n"', '"a"', ":", ",", "{", "}", "[", "]", "1", "1.0", "1e400", "-0", "NaN", "true", "null", " ", '"x:y"', '":"',
    '"\\u003a"', '"\\u0000"', '"\\ud800"', '"\\\\u0000"', "9" * 19, "18446744073709551615", "18446744073709551616",
    "-9223372036854775809", '"' + "1" * 20 + '"', '"id"', '"attributes"', '"updated_at"', "\x00", "\t", "\ufeff",
])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
TIMES = st.sampled_from([
    "2024-05-02T11:12:13Z", "2024-05-02T11:12:60Z", "2024-05-02t11:12:13z", "2024-05-02T11:12:13.5+02:00", "",
    "2024-W18-4T11:12:13Z", "2024-05-02T111213.1Z", "2024-13-02T11:12:13Z", "2024-05-02T24:00:00Z", "2024-05-02",
])  # fmt: skip


def members(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"


def agree(line: bytes) -> None:
    quick, careful = quick_row(line), careful_row(line, "/1")
    if quick is None:
        return
    assert isinstance(careful, tuple), careful
    assert (careful[0], careful[2]) == (quick[0], quick[2])
    assert json.loads(careful[1]) == json.loads(quick[1])


@given(st.lists(PIECES, max_size=12))
def test_on_anything_between_the_braces(pieces: list[str]) -> None:
    agree(('{"id":"1","attributes":{' + "".join(pieces) + "}}").encode("utf-8", "surrogatepass"))


@given(st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '"\\u0061"', '"a:"', '":"', '"a" ']), PIECES), max_size=4))
@example([('"a"', "1"), ('"a"', "1")])
@example([('"a" ', '":"'), ('"a"', '":"')])
@example([('"a"', '"x:y"'), ('"\\u0061"', '"\\u003a"')])
def test_on_keys_that_come_twice(pairs: list[tuple[str, str]]) -> None:
    agree(('{"id":"1","attributes":' + members(pairs) + "}").encode())


@given(JSON, st.booleans(), TIMES | st.none(), st.text(max_size=4))
def test_on_any_document(document: Any, ascii: bool, updated_at: str | None, id: str) -> None:
    record = {"id": id, "attributes": {"a": document}, "updated_at": updated_at}
    agree(json.dumps(record, ensure_ascii=ascii).encode("utf-8", "surrogatepass"))


def test_the_quick_reader_does_the_usual_work() -> None:
    usual = '{"id": "ü 1:2", "attributes": {"at": "11:12:13", "n": [1, {"x": 1.5}]}, "updated_at": null}'

    assert ("ü 1:2", '{"at":"11:12:13","n":[1,{"x":1.5}]}', None) == quick_row(usual.encode())
