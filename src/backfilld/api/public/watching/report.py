"""The ledger of a backfill as a file: CSV or JSON Lines, sent page by page with as much memory as a page takes.

An answer that has begun cannot become an error any more. What goes wrong then cuts the connection, so that the file
ends without its last chunk, and nobody takes a part for the whole.
"""

import asyncio
import csv
import io
import logging
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import Field

from backfilld.api.framework.answering.rows import must_be_read, shown
from backfilld.api.framework.reading.fields import Query
from backfilld.api.framework.routing import RequestContext, Route
from backfilld.api.public.backfills.answers import number
from backfilld.api.public.backfills.bodies import LedgerStatus
from backfilld.api.public.backfills.ledger import EntryAnswer, entry_line
from backfilld.api.public.watching.errors import GroupKey, key_of
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED
from backfilld.domain.errors import Unavailable
from backfilld.operations.backfill_verbs import BackfillOperations

log = logging.getLogger(__name__)

PATH = "/public-api/backfills/{id}/report"
AT_ONCE = 2_000  # two pages are in memory: one is read while the other is written
MOST_REPORTS = 4  # at the same time, each with a page in memory
SLOWEST_WRITE_SECONDS = 60.0  # of a reader that does not read
COLUMNS = (
    "entity_id", "position", "status", "attempts", "started_at", "finished_at", "duration_ms", "message",
    "error_class", "error", "skip_reason", "credits", "result",
)  # fmt: skip
_VALUES = attrgetter(*COLUMNS)
Format = Literal["csv", "jsonl"]
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "jsonl": "application/jsonl; charset=utf-8"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would take for more than text


class WantedReport(Query):
    """Which entries of the ledger, and how they are written."""

    format: Format = Field("csv", description="`csv` (RFC 4180, with a header) or `jsonl` (the ledger's objects).")
    status: list[LedgerStatus] = Field(default_factory=list, description="Any of these.")
    error_group: GroupKey | None = Field(None, description="Failures of one group, as `errors` names it.")


class Reports:
    """The handler, and how many are under way."""

    def __init__(self, operations: BackfillOperations) -> None:
        self._operations = operations
        self._under_way = 0

    async def report(self, asked: RequestContext[None, WantedReport]) -> web.StreamResponse:
        return await self.send(asked.http, asked.path["id"], asked.query)

    async def send(self, request: web.Request, id: UUID, wanted: WantedReport) -> web.StreamResponse:
        """The file, from its first page to its last. NotFound; Unavailable while too many are being sent."""
        backfill = (await self._operations.get(id)).backfill
        if self._under_way >= MOST_REPORTS:
            raise Unavailable(f"{MOST_REPORTS} reports are being sent already; ask again in a while")
        self._under_way += 1
        try:
            first = await self._page(backfill.id, wanted, -1)
            return await self._send(request, wanted, backfill, first)
        finally:
            self._under_way -= 1

    async def _page(self, id: UUID, wanted: WantedReport, behind: int) -> Sequence[Any]:
        return await self._operations.ledger.list_page(
            id, statuses=wanted.status, error_group=key_of(wanted.error_group), behind=behind, limit=AT_ONCE
        )

    async def _pages(self, id: UUID, wanted: WantedReport, page: Sequence[Any]) -> AsyncGenerator[Sequence[Any], None]:
        """`page` and those behind it; the next one is read while somebody does something with the present one."""
        while page:
            if len(page) < AT_ONCE:
                yield page
                return
            reading = asyncio.create_task(self._page(id, wanted, page[-1].position))
            try:
                yield page
                page = await reading
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _send(
        self, request: web.Request, wanted: WantedReport, backfill: Backfill, page: Sequence[Any]
    ) -> web.StreamResponse:
        name = file_name(backfill, wanted.format, self._operations.clock.now())
        response = web.StreamResponse(
            headers={
                "Content-Type": CONTENT_TYPES[wanted.format],
                "Content-Disposition": disposition(name),
                "Cache-Control": "no-store",
            }
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            if wanted.format == "csv":
                await _write(response, csv_lines([COLUMNS]))
            async with aclosing(self._pages(backfill.id, wanted, page)) as pages:
                async for one in pages:
                    await _write(response, await asyncio.to_thread(_written, one, wanted.format))
            await response.write_eof()
        except BaseException as problem:
            if request.transport is not None:
                request.transport.abort()  # without the last chunk
            if not isinstance(problem, Exception):
                raise
            if not isinstance(problem, ConnectionError | TimeoutError):  # else the reader has gone
                log.warning("the report of backfill %s was cut off", backfill.id, exc_info=problem)
        return response


async def _write(response: web.StreamResponse, piece: bytes) -> None:
    async with asyncio.timeout(SLOWEST_WRITE_SECONDS):
        await response.write(piece)


def _written(page: Sequence[Any], format: Format) -> bytes:
    if format == "jsonl":
        return b"".join(map(entry_line, page))
    return csv_lines(map(_cells_of, page))


def _cells_of(entry: Any) -> Iterable[Any]:
    try:
        must_be_read(entry)
        *values, result = _VALUES(entry)
        return [*map(cell, values), "" if result is None else _text(result)]
    except Exception:  # with what can be read of it
        one = shown(EntryAnswer, entry)
        known = one if isinstance(one, dict) else one.__dict__
        return [cell(known.get(name)) for name in COLUMNS]


def csv_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    """Cells as lines of CSV."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows(rows)
    return file.getvalue().encode()


def cell(value: Any) -> str | int | float:
    """Nothing that a spreadsheet would compute."""
    if value is None:
        return ""
    kind = type(value)
    if kind is int or kind is float:
        return value  # type: ignore[no-any-return]
    if kind is datetime:
        at = value if value.tzinfo is UTC else value.astimezone(UTC)
        return at.isoformat()[:-6] + "Z"  # type: ignore[no-any-return]
    return number(value) or 0 if kind is Decimal else _text(value)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


def file_name(backfill: Backfill, format: Format, now: datetime) -> str:
    """`migrate time entries-completed-2026-03-01.csv`; one that is not of the end says so."""
    name = backfill.settings.name or backfill.workflow_name
    partial = "" if backfill.status in ENDED else "-partial"
    return f"{name}-{backfill.status}-{now:%Y-%m-%d}{partial}.{format}"


def disposition(name: str) -> str:
    """The header for a file name in any alphabet (RFC 6266)."""
    clean = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]+', "_", name)
    plain = re.sub(r"[^\x20-\x7e]+", "_", clean)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(clean.encode(errors='replace'), safe='')}"


_DESCRIPTION = """Page by page, each as of when it is read, in plan order. The file of a backfill that goes on is named
`-partial`. A connection that is cut ends without the last chunk: what came until then is not the whole. Cells of CSV
that begin with `=`, `+`, `-`, `@`, tab or carriage return get a leading apostrophe."""


def routes(operations: BackfillOperations) -> list[Route]:
    return [
        Route("GET", PATH, Reports(operations).report, "viewer", "Get the ledger of a backfill as a file", None,
              query=WantedReport, path_types={"id": UUID}, streams=True, content_type="text/csv",
              other_content_types=("application/jsonl",), tag="Ledger",
              description=_DESCRIPTION),
    ]  # fmt: skip
