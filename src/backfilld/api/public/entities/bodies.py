"""An upload as batches of rows, while it arrives.

NDJSON may be of any length, so nothing of it is kept but the line that is being read, a batch of rows, and the first
faults. Once a fault is found no more rows are handed on; reading goes on only to name the other faults too.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from aiohttp import web

from backfilld.api.framework.reading import strict_json
from backfilld.api.framework.reading.request_body import BodyTooSlow, body_pieces, read_body, read_json
from backfilld.api.public.entities.field_types import MOST_IN_BODY, says_types, types_of
from backfilld.api.public.entities.lines import GZIP_ADVICE, Lines
from backfilld.api.public.entities.records import CleanEntity, quick_row, record_of, row_of
from backfilld.clock import Clock
from backfilld.domain.entities.byte_kinds import GZIP, HEAD_BYTES, kind_of
from backfilld.domain.errors import FAULTS_SHOWN, Fault, Invalid, Unreadable
from backfilld.operations.entities import Upload
from backfilld.store.entities.uploads import EntityRow

STALL_SECONDS = 30.0  # a client that sends nothing for so long is given up
_BATCH_ROWS = 500  # about 2 ms of work, after which others get their turn
_BATCH_BYTES = 1024 * 1024  # of JSON; wide records would be 100 MiB in 500 rows


async def rows_of_list(
    request: web.Request, upload: Upload, limit: int, clock: Clock
) -> AsyncIterator[Sequence[EntityRow]]:
    """Batches from a JSON list of at most `limit` bytes; faults have the paths `/INDEX/field`.

    What the list says of field types is put into `upload`, and every id is shown to it.
    """
    raw = await read_body(request, limit)
    try:
        document, _, faults = await read_json(raw)
    except Unreadable as problem:
        kind = kind_of(raw[:HEAD_BYTES])
        hint = "; one entity a line is application/x-ndjson" if raw.lstrip()[:1] == b"{" else ""
        if kind is not None:
            hint = f"; the body is {kind.name}: {GZIP_ADVICE if kind is GZIP else kind.advice}"
        raise Unreadable(problem.message + hint, code=problem.code) from None
    del raw
    if not isinstance(document, list):
        message = (
            f"must be a list of entities, not {strict_json.kind(document)}; one entity a line is application/x-ndjson"
        )
        raise Invalid([*faults, Fault("", "invalid_type", message)])
    found = _Found(upload, faults)
    for index, record in enumerate(document):
        found.take_record(record, index)
        if found.is_full:
            yield found.batch()
            await clock.sleep(0)
    if found.end():
        yield found.batch()


async def rows_of_lines(
    request: web.Request, upload: Upload, clock: Clock, *, stall_seconds: float
) -> AsyncIterator[Sequence[EntityRow]]:
    """Batches from NDJSON; faults have the paths `/LINE/field`, the first line being 1. Blank lines are skipped.

    What lines say of field types is put into `upload`, and every id is shown to it.
    """
    found = _Found(upload)
    lines = Lines()
    async for piece in _unstalled(body_pieces(request), stall_seconds):
        for line in lines.feed(piece):
            found.take_line(line, lines.number)
            if found.is_full:
                yield found.batch()
                await clock.sleep(0)
    for line in lines.rest():
        found.take_line(line, lines.number)
    if found.end():
        yield found.batch()


class _Found:
    """Rows up to the first fault, and faults up to as many as are shown, which end the reading."""

    def __init__(self, upload: Upload, faults: Iterable[Fault] = ()) -> None:
        self._upload = upload
        self.faults = list(faults)
        self._rows: list[EntityRow] = []
        self._bytes = 0
        self._types_told = 0

    @property
    def is_full(self) -> bool:
        return len(self._rows) >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES

    def take_line(self, line: bytes, number: int) -> None:
        row = quick_row(line)
        if row is not None:
            self._take(row, number)
            return
        place = f"/{number}"
        record = record_of(line, place)
        if isinstance(record, list):
            self._fail(record)
        else:
            self.take_record(record, number)

    def take_record(self, record: Any, number: int) -> None:
        if says_types(record):
            self._learn(record, f"/{number}")
            return
        row = row_of(record, f"/{number}")
        if isinstance(row, list):
            self._fail(row)
        else:
            self._take(row, number)

    def batch(self) -> Sequence[EntityRow]:
        rows, self._rows, self._bytes = self._rows, [], 0
        return rows

    def end(self) -> bool:
        """Whether there are rows left to hand on; Invalid if there were faults."""
        if self.faults:
            raise Invalid(self.faults[:FAULTS_SHOWN])
        return bool(self._rows)

    def _take(self, row: CleanEntity, number: int) -> None:
        if self.faults:
            return
        id, attributes, updated_at = row
        self._upload.ids.see(id, number)
        self._rows.append((number, id, attributes, updated_at))
        self._bytes += len(attributes)

    def _learn(self, record: dict[str, Any], place: str) -> None:
        types = types_of(record, place)
        if isinstance(types, list):
            self._fail(types)
            return
        self._types_told += len(types)
        if self._types_told > MOST_IN_BODY:
            self._fail([Fault(place, "too_long", f"more than {MOST_IN_BODY:,} field types in one upload")])
        self._upload.fields.update(types)

    def _fail(self, faults: list[Fault]) -> None:
        self.faults += faults
        self._rows.clear()
        if len(self.faults) >= FAULTS_SHOWN:
            self.end()


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
