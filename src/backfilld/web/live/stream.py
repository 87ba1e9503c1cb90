"""The page's own stream: server-sent events with the regions that have changed."""

import asyncio
from collections import Counter
from collections.abc import Hashable
from dataclasses import replace
from datetime import timedelta

import structlog
from aiohttp import web

from backfilld.domain.access.callers import Role
from backfilld.domain.errors import Unavailable
from backfilld.web.frame.frame import Frame
from backfilld.web.frame.visit import Visit
from backfilld.web.live.hub import Hub, Listener, Look
from backfilld.web.live.regions import Picture, Region, message

log = structlog.get_logger(__name__)

HEARTBEAT = timedelta(
    seconds=15
)  # proxies cut what is silent for 30 to 60 s; so often it is asked whether the session stands
SLOWEST_WRITE_SECONDS = 30.0
MOST_UNREAD_BYTES = 16_384
MOST = 200
MOST_OF_A_CALLER = 20


class Streams:
    """Carries what the hub says to browsers."""

    def __init__(self, frame: Frame, hub: Hub) -> None:
        self._frame = frame
        self._hub = hub
        self._open: Counter[str] = Counter()

    async def serve(self, visit: Visit, key: Hashable, look: Look) -> web.StreamResponse:
        """Until the browser leaves, its session ends, or there is no more to come."""
        who = visit.caller.identity
        if self._open[who] >= MOST_OF_A_CALLER or self._open.total() >= MOST:
            raise Unavailable("too many pages are open; this one is not live", retry_after_seconds=30)
        self._open[who] += 1
        try:
            async with self._hub.listen((visit.caller.role, key), self._whole(look, visit.caller.role)) as listener:
                return await self._stream(visit, listener)
        finally:
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]

    def _whole(self, look: Look, role: Role) -> Look:
        """With what stands on every page."""

        async def looked() -> Picture:
            picture = await look()
            banner = Region("stopped", self._frame.piece("frame/stopped.html", "banner", role))
            return replace(picture, regions=(*picture.regions, banner))

        return looked

    async def _stream(self, visit: Visit, listener: Listener) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(visit.http)
        if visit.http.transport is not None:
            visit.http.transport.set_write_buffer_limits(high=MOST_UNREAD_BYTES)
        try:
            await self._tell(visit, listener, response)
            await response.write_eof()
        except (ConnectionError, TimeoutError):
            pass  # the browser has gone
        return response

    async def _tell(self, visit: Visit, listener: Listener, response: web.StreamResponse) -> None:
        stale = False
        while True:
            regions, over = listener.take(), listener.over
            if regions:
                await _write(response, message(regions))
            if listener.stale is not stale:
                stale = listener.stale
                await _write(response, b"event: %s\ndata: -\n\n" % (b"stale" if stale else b"fresh"))
            if over:
                await _write(response, b"event: over\ndata: %s\n\n" % over.encode())
                return
            clock = self._frame.clock
            if await clock.wait(listener.changed, until=clock.now() + HEARTBEAT):
                continue
            if await self._is_signed_in(visit):
                await _write(response, b": still here\n\n")
            else:
                listener.over = "signed out"

    async def _is_signed_in(self, visit: Visit) -> bool:
        try:
            return await self._frame.sessions.find(visit.token) is not None
        except Exception as problem:  # the database is away: it is asked again
            log.debug("whether a session stands cannot be told", error=repr(problem))
            return True


async def _write(response: web.StreamResponse, event: bytes) -> None:
    async with asyncio.timeout(SLOWEST_WRITE_SECONDS):
        await response.write(event)
