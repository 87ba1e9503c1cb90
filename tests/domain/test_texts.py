"""Whatever strangers send: it fits the ledger, and what can be kept is kept."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.examples import examples

from backfilld.domain.texts import bounded_json, clean_text

ANY_TEXT = st.text(st.characters(), max_size=60)  # lone surrogates and controls included
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


def test_innocent_text_stays_as_it_is():
    assert "Grüße,\n\tÅsa 🚀" == clean_text("Grüße,\n\tÅsa 🚀", 100)


@pytest.mark.parametrize("unfit", ["\0", "\x1b", "\r", "\x7f", "\x85", "\ud800", "\u202e"])
def test_what_no_ledger_or_terminal_should_see_is_left_out(unfit):
    assert "before after" == clean_text(f"before {unfit}after", 100)


def test_a_cut_shows_and_never_splits_a_character():
    assert "ää…" == clean_text("ä" * 100, 8)


def test_text_of_exactly_the_limit_is_not_cut():
    assert "x" * 1024 == clean_text("x" * 1024, 1024)


@given(ANY_TEXT, st.integers(3, 80))
@settings(max_examples=examples(200))
def test_cleaned_text_always_fits(text, most_bytes):
    cleaned = clean_text(text, most_bytes)

    assert len(cleaned.encode()) <= most_bytes
    assert "\0" not in cleaned


def test_json_is_kept_as_it_is():
    assert '{"a":[1,"ü",null]}' == bounded_json({"a": [1, "ü", None]}, 100)


def test_json_beyond_the_limit_is_left_out_rather_than_cut():
    assert None is bounded_json({"a": "x" * 100}, 100)


def test_json_of_exactly_the_limit_is_kept():
    assert '"' + "x" * 98 + '"' == bounded_json("x" * 98, 100)


def test_nul_inside_json_is_left_out():
    assert '{"ab":"cd"}' == bounded_json({"a\0b": "c\0d"}, 100)


def test_half_a_surrogate_pair_inside_json_is_left_out():
    assert '["ab"]' == bounded_json(["a\ud800b"], 100)


def test_what_is_no_json_at_all_is_left_out():
    assert None is bounded_json({"a": object()}, 100)


@given(ANY_JSON)
@settings(max_examples=examples(200))
def test_whatever_comes_back_is_json_that_can_be_stored(value):
    text = bounded_json(value, 200)

    if text is not None:
        assert len(text.encode()) <= 200
        assert "\0" not in str(orjson.loads(text))
        assert json.loads(text) == orjson.loads(text)
