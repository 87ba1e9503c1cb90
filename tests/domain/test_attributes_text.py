"""Attributes as the text that they came as: what a target is handed is what was stored."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.executing import work

from backfilld.domain.entities.attributes_text import AttributesText
from backfilld.domain.placeholders import filled
from backfilld.executors.http.templated.request_filling import variables_of
from backfilld.executors.payload import item_body

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(exclude_categories=["Cs"]))
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def stored(value: object) -> str:
    """As the database writes jsonb: with blanks, and with every number spelt out."""
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.hypothesis
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), VALUES, max_size=4))
def test_it_is_read_and_handed_on_as_what_it_says(attributes):
    text = AttributesText(orjson.dumps(attributes).decode())

    assert attributes == dict(text) == text.parsed() == orjson.loads(text.as_json())
    assert len(attributes) == len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "b": "Grüße"}', '{"a": 1, "b": "Grüße"}'),
        ('{"n": 18446744073709551615}', '{"n": 18446744073709551615}'),
        ('{"n": 10000000000000000000}', '{"n": 10000000000000000000}'),
        ('{"n": 0.30000000000000004}', '{"n": 0.30000000000000004}'),
        ('{"n": 1' + 20 * "0" + "}", '{"n":1e+20}'),
        ('{"n": 1' + 300 * "0" + "}", '{"n":1e+300}'),
        ('{"n": -1234567890123456' + 6 * "0" + "}", '{"n":-1.234567890123456e+21}'),
        ('{"n": 0.' + 299 * "0" + "12}", '{"n":1.2e-300}'),
    ],
)
def test_a_number_that_the_database_wrote_out_is_handed_on_as_it_was_given(text, expected):
    assert expected == AttributesText(text).as_json().decode()


def test_the_body_of_a_request_says_the_same_with_text_and_with_what_it_says():
    attributes = {"title": "Grüße", "tags": ["a", {"b": None}], "n": 1.5}

    body = item_body(work(attributes=AttributesText(stored(attributes))))

    assert orjson.loads(item_body(work(attributes=attributes))) == orjson.loads(body)
    assert stored(attributes).encode() in body


def test_where_values_are_put_into_a_request_they_are_read_once():
    variables = variables_of(work(attributes=AttributesText('{"a": {"b": [1]}}')))

    assert {"a": {"b": [1]}} == variables["entity"]["attributes"]
    assert dict is type(variables["entity"]["attributes"])
    assert '{"a":{"b":[1]}}' == filled("${entity.attributes}", variables)


def test_beside_something_that_needs_another_writer_they_are_there_as_well():
    body = item_body(work(attributes=AttributesText('{"a": 1}'), params={"n": 2**70}))

    assert {"a": 1} == orjson.loads(body)["entity"]["attributes"]
    assert str(2**70) == orjson.loads(body)["params"]["n"]
