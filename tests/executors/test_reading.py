"""What the bytes of an answer come to, whatever a target sends."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backfilld.executors.http.wire.response_parser import (
    MOST_HEAD_BYTES,
    MOST_HEADERS,
    Answer,
    BadAnswer,
    Headers,
    ResponseParser,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;name=value\r\nab\r\n1 \r\nc\r\n0\r\nRetry-After: 9\r\n\r\n"
)
MOST_BYTES = 1000


@pytest.fixture
def reader():
    reader = ResponseParser(MOST_BYTES)
    reader.expect()
    return reader


def whole(reader, *parts):
    """The answer, which must come with the last part and not before."""
    answers = [reader.feed(part) for part in parts]

    assert [None] * (len(parts) - 1) == answers[:-1]
    return answers[-1]


@pytest.mark.parametrize(("sent", "body"), [(OK, b"ok"), (CHUNKED, b"abc")], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_is_the_same_in_pieces_of_any_size(reader, sent, body, size):
    answer = whole(reader, *(sent[at : at + size] for at in range(0, len(sent), size)))

    assert (200, body, True) == (answer.status, answer.body, answer.complete)
    assert True is reader.may_follow


def test_one_answer_leaves_nothing_to_the_next(reader):
    whole(
        reader, b"HTTP/1.1 503 Away\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n1\r\na\r\n0\r\nRetry-After: 9\r\n\r\n"
    )
    reader.expect()
    answer = whole(reader, OK)

    assert (200, b"ok", {"content-length": "2"}) == (answer.status, answer.body, dict(answer.headers))


def test_an_answer_is_not_touched_by_the_next(reader):
    first = whole(reader, b"HTTP/1.1 503 Away\r\nContent-Length: 1\r\nX: 1\r\n\r\na")
    reader.expect()
    whole(reader, OK)

    assert (503, b"a", "1") == (first.status, first.body, first.headers["X"])


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 204 None\r\n\r\n",
        b"HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 102 Soon\r\nX: 1\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_answers_without_a_body_are_whole_with_their_head(reader, sent):
    answer = whole(reader, sent)

    assert (b"", True, True) == (answer.body, answer.complete, reader.may_follow)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_where_nothing_else_tells_the_end_of_the_connection_does(reader, head):
    unfinished = [reader.feed(head), reader.feed(b"some"), reader.feed(b"thing")]
    answer = reader.end()

    assert [None, None, None] == unfinished
    assert (b"something", True, False) == (answer.body, answer.complete, reader.may_follow)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", OK[:-1], CHUNKED[:-2], b"HTTP/1.1 100 Go on\r\n\r\n"])
def test_the_end_of_the_connection_does_not_make_half_an_answer_whole(reader, sent):
    reader.feed(sent)

    assert None is reader.end()


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + b"H",
        OK + OK,
        OK + b"garbage",
        OK + b"\0",
        OK + b" ",
        b"HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_after_some_answers_none_may_follow(reader, sent):
    answer = whole(reader, sent)

    assert (True, False) == (answer.complete, reader.may_follow)


@pytest.mark.parametrize("headers", [b"", b"Connection: upgrade\r\nUpgrade: x\r\n"])
def test_another_protocol_is_no_whole_answer(reader, headers):
    answer = whole(reader, b"HTTP/1.1 101 Switching Protocols\r\n" + headers + b"\r\n\x00\x01\x02")

    assert (101, False, False) == (answer.status, answer.complete, reader.may_follow)


@pytest.mark.parametrize(
    ("length", "kept", "complete"), [(MOST_BYTES, MOST_BYTES, True), (MOST_BYTES + 1, MOST_BYTES, False)]
)
@pytest.mark.parametrize("size", [1, 300, 10_000])
def test_the_beginning_of_a_body_that_is_too_long_is_kept(reader, length, kept, complete, size):
    head, body = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length, b"x" * length
    answer = whole(reader, head, *(body[at : at + size] for at in range(0, length, size)))

    assert (kept, complete, complete) == (len(answer.body), answer.complete, reader.may_follow)


def test_a_body_in_chunks_that_is_too_long_is_cut_as_well(reader):
    answer = whole(reader, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"258\r\n" + b"x" * 600 + b"\r\n",
                   b"258\r\n" + b"y" * 600 + b"\r\n258\r\n" + b"z" * 600 + b"\r\n0\r\n\r\n")  # fmt: skip

    assert (b"x" * 600 + b"y" * 400, False) == (answer.body, answer.complete)


def test_chunks_of_one_byte_are_read_up_to_the_limit(reader):
    answer = whole(
        reader, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1000 + b"0\r\n\r\n"
    )

    assert (MOST_BYTES, True) == (len(answer.body), answer.complete)


def head_of(*, count, size):
    return b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"a" * size + b"\r\n") * count + b"Content-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "head", [head_of(count=MOST_HEADERS - 1, size=10), head_of(count=1, size=MOST_HEAD_BYTES - 100)]
)
def test_large_heads_are_read(reader, head):
    assert 200 == whole(reader, head).status


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (head_of(count=MOST_HEADERS, size=10), "more than 256 headers"),
        (head_of(count=1, size=MOST_HEAD_BYTES), "longer than 65536 bytes"),
        (head_of(count=100, size=1000), "longer than 65536 bytes"),
    ],
)
@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_heads_beyond_the_bounds_are_not(reader, head, said, size):
    with pytest.raises(BadAnswer, match=said):
        whole(reader, *(head[at : at + size] for at in range(0, len(head), size)))


@pytest.mark.parametrize(
    "drop",
    [b"HTTP/1.1 100 Go on\r\n\r\n", b"\r\n", b"HTTP/1.1 200 OK" + b"k" * 1000],
    ids=["interim answers", "empty lines", "reason"],
)
def test_what_goes_on_for_ever_before_an_answer_is_cut_off(reader, drop):
    with pytest.raises(BadAnswer, match="longer than"):
        fed_for_ever(reader, drop)


@pytest.mark.parametrize(
    ("begun", "drop"),
    [(b"1;name=", b"v" * 1000), (b"1\r\na\r\n0\r\nX: ", b"v" * 1000), (b"1\r\na\r\n0\r\n", b"X: v\r\n" * 100)],
    ids=["extension of a chunk", "trailer", "trailers"],
)
def test_what_goes_on_for_ever_inside_an_answer_is_cut_off(reader, begun, drop):
    reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + begun)
    with pytest.raises(BadAnswer, match="next to nothing"):
        fed_for_ever(reader, drop)


def fed_for_ever(reader, drop):
    for _ in range(200_000 // len(drop) + 1):
        reader.feed(drop)
    pytest.fail("it is still being read")


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 two hundred\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_not_http_is_refused(reader, sent):
    with pytest.raises(BadAnswer):
        reader.feed(sent)


def test_headers_are_found_in_any_case_and_the_first_of_a_name_counts():
    headers = Headers([(b"Retry-After", b"5 \t"), (b"X-Name", "grün".encode()), (b"retry-AFTER", b"7")])

    assert ("5", "grün", None) == (headers.get("RETRY-after"), headers["x-name"], headers.get("Location"))
    assert {"retry-after": "5", "x-name": "grün"} == dict(headers)
    assert 2 == len(headers)


def test_a_folded_header_is_one_line(reader):
    answer = whole(reader, b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nEmpty:\r\nContent-Length: 0\r\n\r\n")

    assert ("a b", "") == (answer.headers["x"], answer.headers["empty"])


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
@example(data=OK[:-2] + b"\xff\x00", cuts=[10])
def test_garbage_is_an_answer_or_none_and_never_anything_else(data, cuts):
    reader = ResponseParser(MOST_BYTES)
    reader.expect()
    try:
        answers = [reader.feed(piece) for piece in pieces(b"HTTP/1.1 200 OK\r\n" + data, cuts)]
    except BadAnswer as refused:
        answers = [refused]

    assert {BadAnswer, Answer, type(None)} >= {type(answer) for answer in answers}


@given(
    body=st.binary(max_size=MOST_BYTES + 10),
    sizes=st.lists(st.integers(1, 50), max_size=10),
    cuts=st.lists(st.integers(0, 1500), max_size=10),
    is_chunked=st.booleans(),
)
def test_a_body_is_the_same_however_it_is_cut(body, sizes, cuts, is_chunked):
    reader = ResponseParser(MOST_BYTES)
    reader.expect()
    head = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % len(body)
    sent = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + (in_chunks(body, sizes) if is_chunked else body)
    answers = [answer for piece in pieces(sent, cuts) if (answer := reader.feed(piece)) is not None]

    assert (body[:MOST_BYTES], len(body) <= MOST_BYTES) == (answers[-1].body, answers[-1].complete)


def pieces(data, cuts):
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places) if end > start]


def in_chunks(body, sizes):
    """`sizes` and, if they are not enough, the rest in one."""
    chunks, at = [], 0
    for size in [*sizes, len(body)]:
        if part := body[at : at + size]:
            chunks.append(b"%x\r\n%s\r\n" % (len(part), part))
        at += size
    return b"".join([*chunks, b"0\r\n\r\n"])


@pytest.mark.parametrize("connection", [b"Connection: keep-alive\r\n", b""])
def test_nothing_follows_an_answer_of_http_1_0_that_has_a_transfer_encoding(reader, connection):
    answer = whole(
        reader, b"HTTP/1.0 200 OK\r\n" + connection + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    )

    assert (b"a", False) == (answer.body, reader.may_follow)
