"""What can be read is read: JSON as targets and programs really write it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfilld.executors.answers.documents import BROKEN, CHARACTERS, FOLLOWING, NOTHING, NUMBERS, document_in

FAILED = {"status": "failed"}
TEXT = '{"status":"failed"}'
UMLAUT = '{"status":"failed","message":"größer"}'


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xef\xbb\xbf" + TEXT.encode(), ""),
        (TEXT.encode("utf-16"), "application/json; charset=utf-16"),
        (TEXT.encode("utf-16"), ""),
        (TEXT.encode("utf-16-le"), ""),
        (TEXT.encode("utf-16-be"), 'application/json; charset="UTF-16"'),
        (TEXT.encode("utf-32"), ""),
        (TEXT.encode("utf-32-be"), ""),
        (TEXT.encode("cp037"), "application/json; charset=cp037"),
        (b"\r\n\t " + TEXT.encode() + b" \n\0", "text/html"),
        (b"\x1e" + TEXT.encode() + b"\n", "application/json-seq"),
        (b'{"n":1}\n' + TEXT.encode() + b"\n", "application/x-ndjson"),
        (TEXT.encode(), "application/json; charset=no-such-thing"),
        (TEXT.encode(), "application/json; charset=rot13"),
        (TEXT.encode(), "application/json; charset=idna"),
    ],
)
def test_every_encoding_is_read(body, kind):
    document = document_in(body, kind)

    assert FAILED == document.value
    assert (False, None, (), ()) == (document.is_broken, document.oddity, document.left_out, document.replaced)


@pytest.mark.parametrize(
    ("body", "kind", "message", "replaced"),
    [
        (UMLAUT.encode(), "application/json; charset=iso-8859-1", "größer", ()),
        (UMLAUT.encode("latin-1"), "application/json; charset=iso-8859-1", "größer", ()),
        (UMLAUT.encode("cp1252"), "application/json;charset=windows-1252", "größer", ()),
        (UMLAUT.encode("latin-1"), "application/json", "gr\ufffd\ufffder", (CHARACTERS,)),
        ('{"status":"failed","message":"日本"}'.encode("shift_jis"), "text/json; charset=Shift_JIS", "日本", ()),
        ('{"status":"failed","message":"日本"}'.encode("iso-2022-jp"), "a/json; charset=iso-2022-jp", "日本", ()),
        (b'{"status":"failed","message":"a\xffb"}', "", "a\ufffdb", (CHARACTERS,)),
        (b'{"status":"failed","message":"a\\ud800b"}', "", "a\ufffdb", (CHARACTERS,)),
        (b'{"status":"failed","message":"\\ud83d\\ude00\\udc00"}', "", "😀\ufffd", (CHARACTERS,)),
        (b'{"status":"failed","message":"a\nb\tc\x01"}', "", "a\nb\tc\x01", ()),
    ],
)
def test_characters_that_are_broken_are_replaced(body, kind, message, replaced):
    document = document_in(body, kind)

    assert (FAILED | {"message": message}, replaced) == (document.value, document.replaced)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5000])
def test_numbers_beyond_all_bounds_are_null(number):
    document = document_in(f'{{"status":"failed","credits":{number}}}'.encode())

    assert (FAILED | {"credits": None}, (NUMBERS,)) == (document.value, document.replaced)


def test_a_number_beyond_64_bits_is_read_as_it_always_was():
    body = b'{"n":123456789012345678901234567890%s}'

    assert 1.2345678901234568e29 == document_in(body % b',"x":NaN').value["n"] == document_in(body % b"").value["n"]


def test_what_follows_the_document_is_left_out_and_told():
    document = document_in(TEXT.encode() + b"<br>Warning")

    assert (FAILED, (FOLLOWING,)) == (document.value, document.left_out)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", ""), (b'{"status":"failed"', ""), (b'{"a":1}{"status":"fai', ""), (b"{'a':1}", ""),
        (b"OK", "application/json"), (b"<html>", "application/problem+json; charset=utf-8"),
        (b'{"a":' * 100_000, ""), (b"[" * 100_000, "application/json"),
    ],
)  # fmt: skip
def test_json_that_cannot_be_read_is_known_as_such(body, kind):
    assert BROKEN == document_in(body, kind)


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", ""), (b"", "application/json"), (b" \n", "application/json"), (b"OK", ""), (b"[INFO] done", "text/plain")],
)
def test_what_never_claimed_to_be_json_says_nothing(body, kind):
    assert NOTHING == document_in(body, kind)


@given(
    value=st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=5)),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    ascii_only=st.booleans(),
)
def test_any_document_is_read_in_any_unicode_encoding(value, encoding, ascii_only):
    body = json.dumps(value, ensure_ascii=ascii_only).encode(encoding)

    assert value == document_in(body).value


@given(
    body=st.binary(max_size=200), kind=st.sampled_from(["", "application/json; charset=utf-16", "text/x; charset=hz"])
)
def test_whatever_comes_is_an_answer(body, kind):
    document_in(body, kind)
    document_in(b"{" + body, kind)
    document_in(b'{"a":"' + body + b'"}', kind)
