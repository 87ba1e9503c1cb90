"""An upload as batches of rows, while it arrives.

NDJSON may be of any length, so nothing of it is kept but the line that is being read, a batch of rows, and the first
faults. Once a fault is found no more rows are handed on; reading goes on only to name the other faults too.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from aiohttp import web

from backfilld.api import jsontext
from backfilld.api.public.entity_records import careful_row, quick_row, row_of
from backfilld.api.reading import BodyTooSlow, body_pieces, read_body, read_json
from backfilld.clock import Clock
from backfilld.domain.errors import FAULTS_SHOWN, Fault, Invalid, TooLarge
from backfilld.store.entity_uploads import EntityRow

LONGEST_LINE = 256 * 1024  # bytes
MOST_BLANK = 1024 * 1024  # bytes of blank lines: what a zip bomb would be made of
STALL_SECONDS = 30.0  # a client that sends nothing for so long is given up
_BATCH = 500  # rows; about 2 ms of work, after which others get their turn
_MARK = b"\xef\xbb\xbf"


async def rows_of_list(request: web.Request, limit: int, clock: Clock) -> AsyncIterator[Sequence[EntityRow]]:
    """Batches from a JSON list of at most `limit` bytes; faults have the paths `/INDEX/field`."""
    document, _, faults = await read_json(await read_body(request, limit))
    if not isinstance(document, list):
        message = (
            f"must be a list of entities, not {jsontext.kind(document)}; one entity a line is application/x-ndjson"
        )
        raise Invalid([*faults, Fault("", "invalid_type", message)])
    found = _Found(faults)
    for index, record in enumerate(document):
        found.take(row_of(record, f"/{index}"))
        if len(found.rows) >= _BATCH:
            yield found.batch()
            await clock.sleep(0)
    if found.end():
        yield found.batch()


async def rows_of_lines(
    request: web.Request, clock: Clock, *, stall_seconds: float
) -> AsyncIterator[Sequence[EntityRow]]:
    """Batches from NDJSON; faults have the paths `/LINE/field`, the first line being 1. Blank lines are skipped."""
    found = _Found()
    lines = _Lines()
    async for piece in _unstalled(body_pieces(request), stall_seconds):
        for line in lines.feed(piece):
            _take_line(found, line, lines.number)
            if len(found.rows) >= _BATCH:
                yield found.batch()
                await clock.sleep(0)
    for line in lines.rest():
        _take_line(found, line, lines.number)
    if found.end():
        yield found.batch()


def _take_line(found: "_Found", line: bytes, number: int) -> None:
    found.take(quick_row(line) or careful_row(line, f"/{number}"))


class _Found:
    """Rows up to the first fault, and faults up to as many as are shown, which end the reading."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults = list(faults)
        self.rows: list[EntityRow] = []

    def take(self, row: EntityRow | list[Fault]) -> None:
        if isinstance(row, tuple):
            if not self.faults:
                self.rows.append(row)
            return
        self.faults += row
        self.rows.clear()
        if len(self.faults) >= FAULTS_SHOWN:
            self.end()

    def batch(self) -> Sequence[EntityRow]:
        rows, self.rows = self.rows, []
        return rows

    def end(self) -> bool:
        """Whether there are rows left to hand on; Invalid if there were faults."""
        if self.faults:
            raise Invalid(self.faults[:FAULTS_SHOWN])
        return bool(self.rows)


class _Lines:
    """Cuts pieces at newlines. `number` is that of the line last given, blank ones counted."""

    def __init__(self) -> None:
        self.number = 0
        self._begun = b""
        self._blank = 0

    def feed(self, piece: bytes) -> Iterable[bytes]:
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
            yield line
            return
        self._blank += len(line) + 1
        if self._blank > MOST_BLANK:
            raise TooLarge(f"more than {MOST_BLANK} bytes of blank lines, up to line {self.number}")

    def _check_length(self, line: bytes, number: int) -> None:
        if len(line) > LONGEST_LINE:
            raise TooLarge(f"line {number} is longer than {LONGEST_LINE} bytes", code="line_too_long")


async def _unstalled(pieces: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(seconds):
                piece: Any = await anext(pieces, None)
        except TimeoutError:
            raise BodyTooSlow(f"nothing arrived for {seconds:g} s; nothing was stored") from None
        if piece is None:
            return
        yield piece
