"""What every request gets, whatever becomes of it: an id, a time, an answer in the right shape, and a line in the log.

No exception leaves this module but a cancellation. What nobody foresaw is answered 500 without a word about its
cause, which goes into the log beside the request id.
"""

import asyncio
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import structlog
from aiohttp import HttpVersion11, web

from backfilld.api.client_addresses import CLIENT_ADDRESS, ClientAddresses
from backfilld.api.framework.answering import responses
from backfilld.api.framework.answering.responses import Internal, Meta, MethodNotAllowed
from backfilld.api.framework.route_call import ANSWER_HEADERS, Endpoint
from backfilld.api.framework.route_table import RouteTable
from backfilld.api.framework.router import Match, OtherMethods
from backfilld.api.framework.routing import Reply, Route
from backfilld.clock import Clock
from backfilld.domain.errors import NotFound
from backfilld.store.connection import transient_errors

log = structlog.get_logger(__name__)

SQUEEZED_FROM_BYTES = 2_048
BIG_BYTES = 256 * 1024  # squeezed in less than a millisecond; what is more goes to a thread
GZIP_WBITS = 16 + zlib.MAX_WBITS
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
UNKNOWN_ROUTE = "unknown"
Observer = Callable[[str, str, int, float], None]  # route, method, status, seconds

SERVER = "backfilld"  # no versions: they help attackers more than anybody else
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def request_id_of(request: web.BaseRequest) -> UUID:
    """The caller's own id if he sent a UUID, else a new one."""
    sent = request.headers.get("X-Request-Id", "")
    return UUID(sent) if _UUID.fullmatch(sent) else uuid4()


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """How requests come here, and how their senders call this place."""

    addresses: ClientAddresses = field(default_factory=ClientAddresses)
    public_url: str = ""

    def point(self, response: web.StreamResponse) -> None:
        """A place that the answer names as a mere path is below the address that people use."""
        place = response.headers.get("Location", "")
        if self.public_url and place.startswith("/"):
            response.headers["Location"] = self.public_url + place


class Dispatcher:
    """Finds the route of a request, has it handled, and answers."""

    def __init__(
        self,
        table: RouteTable,
        endpoint: Endpoint,
        clock: Clock,
        observe: Observer,
        ways: ProxySettings | None = None,
    ) -> None:
        self._ways = ways or ProxySettings()
        self._table = table
        self._endpoint = endpoint
        self._clock = clock
        self._observe = observe
        self._streaming: set[asyncio.Task[object]] = set()

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """The answer to any request at all."""
        began = self._clock.monotonic()
        request_id = request_id_of(request)
        request[ANSWER_HEADERS] = {"X-Request-Id": str(request_id)}
        request[CLIENT_ADDRESS] = self._ways.addresses.of(request)
        route: Route | None = None
        status = 499  # the caller went away before he was answered
        with structlog.contextvars.bound_contextvars(request_id=str(request_id)):  # of whatever is logged meanwhile
            try:
                found = await self._table.find(request.method, request.rel_url.raw_path)
                route = found.route if isinstance(found, Match) else None
                response = await self._answer(found, request, request_id, began)
                status = response.status
            except Exception as problem:
                response = await self._failure(problem, request, request_id)
                status = response.status
            finally:
                self._tell(request, route, status, self._clock.monotonic() - began)
        self._ways.point(response)
        return await _squeezed(request, response)

    async def _answer(
        self, found: Match | OtherMethods | None, request: web.Request, request_id: UUID, began: float
    ) -> web.StreamResponse:
        if found is None:
            raise NotFound(f"there is nothing at {request.path[:200]}")
        if isinstance(found, OtherMethods):
            raise MethodNotAllowed(request.method, found.allowed)
        if found.route.streams:
            reply = await self._stream(found, request, request_id)
        else:
            reply = await self._endpoint.handle(found, request, request_id)
        if not isinstance(reply, Reply):
            return reply
        if not found.route.path.startswith("/public-api/"):
            return responses.bare(reply, found.route.status)
        meta = Meta(request_id, (self._clock.monotonic() - began) * 1000)
        return responses.success(reply, found.route.status, meta)

    async def _stream(self, match: Match, request: web.Request, request_id: UUID) -> Reply | web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a handler always runs in a task
        self._streaming.add(task)
        try:
            return await self._endpoint.handle(match, request, request_id)
        finally:
            self._streaming.discard(task)

    def end_streams(self) -> None:
        """Cut off every stream, so that stopping the server need not wait for listeners to leave."""
        for task in self._streaming:
            task.cancel()

    async def _failure(self, problem: Exception, request: web.Request, request_id: UUID) -> web.Response:
        error = responses.as_error(problem, request)
        if isinstance(error, Internal):
            log.error("request failed", path=request.path, exc_info=problem)
        elif transient_errors.is_transient(problem):
            log.warning("database away", error=f"{type(problem).__name__}: {problem}")
        plain = responses.failure(error, request, request_id)
        if self._table.error_page is None:
            return plain
        try:
            page = await self._table.error_page(request, error, request_id)
        except Exception:
            log.exception("no page for an error could be made", path=request.path)
            return plain
        if page is None:
            return plain
        for name in plain.headers.keys() - {"Content-Type", "Content-Length"}:
            page.headers[name] = plain.headers[name]
        return page

    def _tell(self, request: web.Request, route: Route | None, status: int, seconds: float) -> None:
        label = route.path if route is not None else UNKNOWN_ROUTE
        self._observe(label, request.method, status, seconds)
        log.debug(
            "request", method=request.method, path=request.path, route=label, status=status,
            ms=round(seconds * 1000, 3), client=request[CLIENT_ADDRESS],
        )  # fmt: skip


async def _squeezed(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    body = response.body if isinstance(response, web.Response) else None
    takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "").lower()
    is_packed = response.content_type == "application/gzip"  # an archive, a log: once is enough
    is_packed = is_packed or "Content-Encoding" in response.headers
    if takes_gzip and not is_packed and isinstance(body, bytes) and len(body) >= SQUEEZED_FROM_BYTES:
        assert isinstance(response, web.Response)  # noqa: S101  # it has a body
        response.body = gzip(body) if len(body) < BIG_BYTES else await asyncio.to_thread(gzip, body)
        response.headers["Content-Encoding"] = "gzip"
    return response


def gzip(body: bytes) -> bytes:
    """At the lowest level: the others make ours a tenth smaller, and take up to three times as long."""
    squeezer = zlib.compressobj(zlib.Z_BEST_SPEED, wbits=GZIP_WBITS)
    return squeezer.compress(body) + squeezer.flush()


async def add_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Signal `on_response_prepare`: headers that every answer carries, streams included."""
    response.headers["Server"] = SERVER  # aiohttp has put its own there already
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if request.version < HttpVersion11 and "Transfer-Encoding" in request.headers:
        response.force_close()  # who is in between may see another end of the body (RFC 9112, 6.1)
    if isinstance(request, web.Request):
        response.headers.update(request.get(ANSWER_HEADERS) or {"X-Request-Id": str(request_id_of(request))})
