"""Progress as it happens: server-sent events, for dashboards and for whoever waits for the end.

A stream speaks only when something has changed, at most once a second; all who follow a backfill share one look at it
(`shared_looks`). It ends by itself after an hour, so that forgotten listeners and revoked keys do not stay for ever;
clients come back with `Last-Event-ID` and miss nothing.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from backfilld.api.framework.routing import RequestContext, Route
from backfilld.api.public.backfills.shared_looks import LOOKS_EVERY_SECONDS, Followed, Look, SharedLooks
from backfilld.clock import Clock
from backfilld.domain.errors import RateLimited, Unavailable
from backfilld.operations.backfill_verbs import BackfillOperations
from backfilld.operations.backfills.view import BackfillView

HEARTBEAT_SECONDS = 15.0  # proxies cut what is silent for 30 to 60 s
LONGEST_SECONDS = 3600.0
SLOWEST_WRITE_SECONDS = 30.0  # a listener that does not listen
MOST_UNREAD_BYTES = 16_384  # of one listener, beside what the system keeps


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many may listen."""

    most: int = 200
    most_per_caller: int = 20


class ProgressStream:
    """The handler, and how many listen."""

    def __init__(self, operations: BackfillOperations, clock: Clock, limits: StreamLimits) -> None:
        self._operations = operations
        self._clock = clock
        self._limits = limits
        self._looks = SharedLooks(operations, clock)
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
            async with self._looks.follow(view) as followed:
                await self._tell(response, followed, Look(view), request.headers.get("Last-Event-ID"))
            await response.write_eof()
        except (ConnectionError, TimeoutError):
            pass  # the listener has gone
        return response

    async def _tell(self, response: web.StreamResponse, followed: Followed, look: Look, told: str | None) -> None:
        """`look` is the present, which may be newer than the last look of those who follow already."""
        began = spoke = self._clock.monotonic()
        seen, known = followed.look, None
        while not followed.is_gone:
            if look.is_last:
                await _write(response, look.event("end"))
                return
            if look.id != told:
                await _write(response, look.event("progress", known))
                told, known, spoke = look.id, look, self._clock.monotonic()
            elif self._clock.monotonic() - spoke >= HEARTBEAT_SECONDS:
                await _write(response, b": still here\n\n")
                spoke = self._clock.monotonic()
            if seen is followed.look:  # else another was taken while this was written
                await followed.next_look()
            look = seen = followed.look
            if self._clock.monotonic() - began >= LONGEST_SECONDS:
                return


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
