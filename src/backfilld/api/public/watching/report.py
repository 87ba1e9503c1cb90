"""The ledger of a backfill as a file: CSV or JSON Lines, sent page by page with as much memory as a page takes.

An answer that has begun cannot become an error any more. What goes wrong then cuts the connection, so that the file
ends without its last chunk, and nobody takes a part for the whole.
"""

import asyncio
import csv
import io
import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import Field

from backfilld.api.framework.answering.responses import encode
from backfilld.api.framework.answering.rows import rows
from backfilld.api.framework.reading.fields import Query
from backfilld.api.framework.routing import RequestContext, Route
from backfilld.api.public.backfills.bodies import LedgerStatus
from backfilld.api.public.backfills.ledger import EntryAnswer
from backfilld.api.public.watching.errors import GroupKey, key_of
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED
from backfilld.domain.errors import Unavailable
from backfilld.operations.backfill_verbs import BackfillOperations

log = logging.getLogger(__name__)

PATH = "/public-api/backfills/{id}/report"
AT_ONCE = 5_000
MOST_REPORTS = 4  # at the same time, each with a page in memory
SLOWEST_WRITE_SECONDS = 60.0  # of a reader that does not read
COLUMNS = (
    "entity_id", "position", "status", "attempts", "started_at", "finished_at", "duration_ms", "message",
    "error_class", "error", "skip_reason", "credits", "result",
)  # fmt: skip
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
                await _write(response, csv_lines([dict(zip(COLUMNS, COLUMNS, strict=True))]))
            while page:
                await _write(response, await asyncio.to_thread(_written, page, wanted.format))
                if len(page) < AT_ONCE:
                    break
                page = await self._page(backfill.id, wanted, page[-1].position)
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
    shown = rows(EntryAnswer, page)
    if format == "jsonl":
        return b"".join(encode(one) + b"\n" for one in shown)
    return csv_lines([one if isinstance(one, dict) else one.__dict__ for one in shown])


def csv_lines(entries: Sequence[dict[str, Any]]) -> bytes:
    """Entries as lines of CSV, in which nothing is a formula."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows(
        [_cell(name, entry.get(name)) for name in COLUMNS] for entry in entries
    )
    return file.getvalue().encode()


def _cell(name: str, value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if name == "result" and not isinstance(value, str):
        value = orjson.dumps(value, default=str).decode()
    if isinstance(value, int | float):
        return value
    text = str(value)
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
