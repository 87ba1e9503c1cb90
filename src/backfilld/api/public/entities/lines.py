"""NDJSON in pieces, cut into lines of bounded length."""

from collections.abc import Iterable

from backfilld.domain.entities.byte_kinds import GZIP, kind_of
from backfilld.domain.errors import Fault, Invalid, TooLarge

LONGEST_LINE = 256 * 1024  # bytes
MOST_BLANK = 1024 * 1024  # bytes of blank lines beyond those of entities: what a zip bomb would be made of
GZIP_ADVICE = "send it with Content-Encoding: gzip"
_MARK = b"\xef\xbb\xbf"


class Lines:
    """Cuts pieces at newlines. `number` is that of the line last given, blank ones counted.

    Invalid if the first piece shows that it is something else than text; TooLarge for a line beyond LONGEST_LINE.
    """

    def __init__(self) -> None:
        self.number = 0
        self._begun = b""
        self._blank = 0
        self._filled = 0
        self._begins = True

    def feed(self, piece: bytes) -> Iterable[bytes]:
        if self._begins and piece:
            self._begins = False
            _refuse_other_kinds(piece)
        *whole, self._begun = (self._begun + piece).split(b"\n")
        for line in whole:
            yield from self._next(line)
        self._check_length(self._begun, self.number + 1)

    def rest(self) -> Iterable[bytes]:
        begun, self._begun = self._begun, b""
        yield from self._next(begun)

    def _next(self, line: bytes) -> Iterable[bytes]:
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(_MARK)
        if line and not line.isspace():
            self._check_length(line, self.number)
            self._filled += len(line)
            yield line
            return
        self._blank += len(line) + 1
        if self._blank > MOST_BLANK + self._filled:
            raise TooLarge(f"more than {MOST_BLANK} bytes of blank lines, up to line {self.number}")

    def _check_length(self, line: bytes, number: int) -> None:
        if len(line) > LONGEST_LINE:
            message = f"line {number} is longer than {LONGEST_LINE} bytes"
            if b"}{" in line:  # as curl sends files with -d
                message += "; it holds several entities: keep the line ends (curl: --data-binary, not -d)"
            raise TooLarge(message, code="line_too_long")


def _refuse_other_kinds(head: bytes) -> None:
    kind = kind_of(head)
    if kind is not None:
        advice = GZIP_ADVICE if kind is GZIP else kind.advice
        message = f"must be a line of JSON, but the body is {kind.name}; {advice}"
        raise Invalid([Fault("/1", "not_lines_of_json", message)])
