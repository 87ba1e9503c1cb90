"""Progress as it happens: server-sent events, for dashboards and for whoever waits for the end.

A stream looks once a second and speaks only when something has changed. It holds no connection to the database
between two looks, and ends by itself after an hour, so that forgotten listeners and revoked keys do not stay for ever;
clients come back with `Last-Event-ID` and miss nothing.
"""

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from backfilld.api.framework.answering.responses import encode
from backfilld.api.framework.routing import RequestContext, Route
from backfilld.api.public.backfills.answers import BackfillAnswer
from backfilld.clock import Clock
from backfilld.domain.errors import RateLimited, Unavailable
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.view import BackfillView
from backfilld.store.connection.transient_errors import is_transient

LOOKS_EVERY_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0  # proxies cut what is silent for 30 to 60 s
LONGEST_SECONDS = 3600.0
SLOWEST_WRITE_SECONDS = 30.0  # a listener that does not listen
MOST_UNREAD_BYTES = 16_384  # of one listener, beside what the system keeps


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many may listen."""

    most: int = 200
    most_per_caller: int = 20


@dataclass(frozen=True, slots=True)
class _Look:
    """What there is to tell, and a name for it that is the same as long as nothing has changed."""

    id: str
    answer: BackfillAnswer
    is_last: bool

    def event(self, kind: str, before: BackfillAnswer | None = None) -> bytes:
        """Whole, or what is news to somebody who knows `before`."""
        data = encode({"backfill": self.answer.news(before)})
        return b"event: %s\nid: %s\ndata: %s\n\n" % (kind.encode(), self.id.encode(), data)


def _look(view: BackfillView) -> _Look:
    answer = BackfillAnswer.of(view)
    # An estimate moves with the clock alone, and so does "in 38 s"; that is no news.
    still = answer.status_reason and answer.status_reason.model_copy(update={"message": ""})
    unmoved = answer.model_copy(
        update={"estimated_completion_at": None, "estimated_completion_range": None, "status_reason": still}
    )
    facts = None if view.reason is None else view.reason.facts or view.reason.message
    name = hashlib.sha256(encode(unmoved) + repr(facts).encode()).hexdigest()[:16]
    id = f"{view.backfill.version}-{name}"
    return _Look(id, answer, view.has_ended)


class ProgressStream:
    """The handler, and how many listen."""

    def __init__(self, operations: BackfillOperations, clock: Clock, limits: StreamLimits) -> None:
        self._operations = operations
        self._clock = clock
        self._limits = limits
        self._streams: Counter[str] = Counter()

    async def events(self, asked: RequestContext[None, None]) -> web.StreamResponse:
        view = await self._operations.get(asked.path["id"])
        caller = asked.actor.identity
        if self._streams[caller] >= self._limits.most_per_caller:
            message = f"you listen {self._streams[caller]} times already, the most that one caller may; end one first"
            raise RateLimited(message, retry_after_seconds=LOOKS_EVERY_SECONDS, code="too_many_streams")
        if self._streams.total() >= self._limits.most:
            raise Unavailable("too many are listening already; ask for the backfill again and again instead")
        self._streams[caller] += 1
        try:
            return await self._stream(asked.http, view)
        finally:
            self._streams[caller] -= 1
            if not self._streams[caller]:
                del self._streams[caller]

    async def _stream(self, request: web.Request, view: BackfillView) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        if request.transport is not None:
            request.transport.set_write_buffer_limits(high=MOST_UNREAD_BYTES)
        try:
            await _write(response, b"retry: %d\n\n" % (LOOKS_EVERY_SECONDS * 1000))
            await self._tell(response, view, request.headers.get("Last-Event-ID"))
            await response.write_eof()
        except (ConnectionError, TimeoutError):
            pass  # the listener has gone
        return response

    async def _tell(self, response: web.StreamResponse, view: BackfillView, told: str | None) -> None:
        began = spoke = self._clock.monotonic()
        id, known = view.backfill.id, None
        while True:
            look = _look(view)
            if look.is_last:
                await _write(response, look.event("end"))
                return
            if look.id != told:
                await _write(response, look.event("progress", known))
                told, known, spoke = look.id, look.answer, self._clock.monotonic()
            elif self._clock.monotonic() - spoke >= HEARTBEAT_SECONDS:
                await _write(response, b": still here\n\n")
                spoke = self._clock.monotonic()
            await self._clock.sleep(LOOKS_EVERY_SECONDS)
            if self._clock.monotonic() - began >= LONGEST_SECONDS:
                return
            found = await self._next(id, view)
            if found is None:
                return
            view = found

    async def _next(self, id: UUID, view: BackfillView) -> BackfillView | None:
        """The present view; the old one while the database is away; None if the backfill was deleted."""
        try:
            return await self._operations.find(id)
        except Exception as problem:
            if not is_transient(problem):
                raise
            return view


async def _write(response: web.StreamResponse, event: bytes) -> None:
    async with asyncio.timeout(SLOWEST_WRITE_SECONDS):
        await response.write(event)


def routes(operations: BackfillOperations, clock: Clock, limits: StreamLimits = StreamLimits()) -> list[Route]:
    does = ProgressStream(operations, clock, limits)
    return [
        Route("GET", "/public-api/backfills/{id}/events", does.events, "viewer", "Follow the progress of a backfill",
              None, path_types={"id": UUID}, streams=True, content_type="text/event-stream", tag="Backfills",
              headers={"Last-Event-ID": "The id of the last event that was received."},
              description='`event: progress` with `data: {"backfill": …}`, at most once a second and only when'
              " something has changed. The first one of a connection and the last one, `event: end`, are whole; those"
              " between hold the id, the status, what counts and times, and the settings that have changed.",
              errors=(429,)),
    ]  # fmt: skip
