"""Bytes that come in as the answer to one request.

The parser is llhttp (that of Node), by way of httptools. This module gives it bounds, since a target may send whatever
it likes for as long as it likes, and knows when an answer is whole, and when nothing may come after it.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MOST_HEAD_BYTES = 65_536
MOST_HEADERS = 256
# What is sent in chunks of one byte comes with five bytes around each.
MOST_SENT_PER_BYTE = 8


SWITCHING_PROTOCOLS = 101


class BadAnswer(Exception):
    """What came is not an HTTP answer, or one beyond all bounds."""


class Headers(Mapping[str, str]):
    """Names in any case; of several headers with one name the first. Looked through rather than sorted beforehand,
    because most answers are never asked for one."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        wanted = name.lower().encode()
        for one, value in self._pairs:
            if one.lower() == wanted:
                return value.strip(b" \t").decode(errors="surrogateescape")
        raise KeyError(name)

    def joined(self, name: str) -> str:
        """Of several headers with one name all values, separated by commas; nothing if there is none."""
        wanted = name.lower().encode()
        values = [value.strip(b" \t") for one, value in self._pairs if one.lower() == wanted]
        return b", ".join(values).decode(errors="surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower().decode("latin-1") for name, _ in self._pairs))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Answer(NamedTuple):
    """What came back. `complete` is False if the body was longer than the limit; `body` is its beginning then."""

    status: int
    headers: Headers
    body: bytes
    complete: bool


class ResponseParser:
    """Reads the answers of one connection, one after the other: `expect`, then `feed` until there is one."""

    heard = 0
    """Bytes since `expect`."""
    is_in_body = False
    """The head of the answer is through, its body is not."""
    may_follow = False
    """The connection is fit for another answer after this one."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._most_heard = MOST_HEAD_BYTES + MOST_SENT_PER_BYTE * most_bytes
        self._answer: Answer | None = None
        self._pairs: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._room = most_bytes
        self._parser = HttpResponseParser(self)
        # Harmless to a client, and common: a line's end without its return, blanks behind the size of a chunk.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )

    def expect(self) -> None:
        """A request is being sent; what comes now answers it."""
        self.heard = 0
        self._answer = None

    def feed(self, data: bytes) -> Answer | None:
        """The answer, once it is whole or longer than what may be kept. BadAnswer."""
        self.heard += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as problem:
            if self._answer is None:  # else it is what comes behind that makes no sense
                raise BadAnswer(str(_told(problem))) from problem
        if self.heard > MOST_HEAD_BYTES:
            self._check_lengths()
        return self._answer

    def end(self) -> Answer | None:
        """The connection has ended in good order; the answer, if that is what its end was to be."""
        if self._answer is None and self.is_in_body and _ends_with_connection(Headers(self._pairs)):
            self._finish(complete=True)
        return self._answer

    def _check_lengths(self) -> None:
        """Called after what was read, at most a buffer of the event loop, since heads are nearly always short."""
        head = sum(len(name) + len(value) for name, value in self._pairs)
        if head > MOST_HEAD_BYTES or (self._answer is None and not self.is_in_body):
            raise BadAnswer(f"its head is longer than {MOST_HEAD_BYTES} bytes")
        if self._answer is None and self.heard > self._most_heard:
            raise BadAnswer("its chunks hold next to nothing")

    def _finish(self, *, complete: bool) -> None:
        self._answer = Answer(self._parser.get_status_code(), Headers(self._pairs), b"".join(self._body), complete)
        self.is_in_body = False

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._answer is not None:  # nobody asked for another
            self.may_follow = False
            return
        self._pairs, self._body, self._room = [], [], self._most_bytes
        self.may_follow = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.is_in_body:  # a trailer; none has a meaning to us
            return
        if len(self._pairs) == MOST_HEADERS:
            raise BadAnswer(f"its head has more than {MOST_HEADERS} headers")
        self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        self.is_in_body = self._answer is None

    def on_body(self, part: bytes) -> None:
        if self._answer is not None:
            return
        if len(part) > self._room:
            self._body.append(part[: self._room])
            self._finish(complete=False)
            return
        self._room -= len(part)
        self._body.append(part)

    def on_message_complete(self) -> None:
        if self._answer is not None:
            return
        status = self._parser.get_status_code()
        if status >= 200:
            coded = self._parser.get_http_version() == "1.0" and _is_coded(self._pairs)
            self.may_follow = self._parser.should_keep_alive() and not coded
            self._finish(complete=True)
        elif status == SWITCHING_PROTOCOLS:
            self._finish(complete=False)
        else:  # "continue", "early hints": the answer is still to come
            self.is_in_body = False


def _told(problem: Exception) -> BaseException:
    """The parser wraps what is raised in what it calls."""
    return problem.__context__ if isinstance(problem.__context__, BadAnswer) else problem


def _is_coded(pairs: list[tuple[bytes, bytes]]) -> bool:
    """HTTP/1.0 knows no Transfer-Encoding, so somebody in between may see another end (RFC 9112, 6.1)."""
    return any(name.lower() == b"transfer-encoding" for name, _ in pairs)


def _ends_with_connection(headers: Headers) -> bool:
    """Whether nothing but the end of the connection tells the end of the body."""
    coding = headers.get("Transfer-Encoding")
    if coding is not None:
        return coding.rpartition(",")[2].strip().lower() != "chunked"
    return "Content-Length" not in headers
