"""The strict reader of JSON agrees with the usual one on everything that is not a trap."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.examples import examples

from backfilld.api.framework.reading import strict_json
from backfilld.domain.errors import Unreadable

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)


@given(DOCUMENTS)
@settings(max_examples=examples(150))
def test_what_can_be_stored_is_read_as_it_was_written(document: Any) -> None:
    raw = json.dumps(document).encode()
    read = strict_json.parse(raw)

    assert document == read
    assert (read, []) == strict_json.clean(read)
    assert document == json.loads(strict_json.dump(read))


@given(st.binary(max_size=200))
@settings(max_examples=examples(300))
def test_no_bytes_bring_it_down(raw: bytes) -> None:
    try:
        document = strict_json.parse(raw)
    except Unreadable:
        return

    cleaned, _ = strict_json.clean(document)
    assert [] == strict_json.clean(json.loads(strict_json.dump(cleaned)))[1]


@given(st.text(st.characters(), max_size=30))
@settings(max_examples=examples(200))
def test_what_cannot_be_stored_is_named_and_mended(text: str) -> None:
    cleaned, faults = strict_json.clean({"x": [text]})
    storable = "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)

    assert ([] if storable else ["/x/0"]) == [fault.path for fault in faults]
    assert "\0" not in cleaned["x"][0]
    assert cleaned["x"][0].encode("utf-8", "strict") is not None


@given(st.dictionaries(st.text(max_size=9), st.integers() | st.text(st.characters(), max_size=9), max_size=3))
@settings(max_examples=examples(150))
def test_the_quick_look_misses_nothing(document: Any) -> None:
    raw = json.dumps(document).encode()

    assert strict_json.may_be_unclean(raw) or strict_json.clean(document)[1] == []


def test_depth_is_counted_in_levels() -> None:
    assert not strict_json.deeper_than([[[1]]], 3)
    assert strict_json.deeper_than([[[[]]]], 3)
    assert not strict_json.deeper_than("x", 0)
