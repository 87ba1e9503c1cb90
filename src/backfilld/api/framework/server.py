"""The HTTP server: a list of routes on a socket.

Handed everything it needs; reads no settings. Requests that aiohttp cannot even parse never reach a handler, so the
protocol is taught to answer them in our shape as well.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from backfilld.api.auth.limits import Limiter
from backfilld.api.auth.roles import Authenticator, Doorkeeper
from backfilld.api.client_addresses import ClientAddresses
from backfilld.api.framework.answering import responses
from backfilld.api.framework.connections import ConnectionLimits, Connections, Seat
from backfilld.api.framework.dispatcher import (
    SECURITY_HEADERS,
    SERVER,
    Dispatcher,
    Observer,
    ProxySettings,
    add_headers,
    request_id_of,
)
from backfilld.api.framework.listener import Listener, bound
from backfilld.api.framework.route_call import BodyLimits, Endpoint
from backfilld.api.framework.route_table import ErrorPage, EveryRoute, RouteTable
from backfilld.api.framework.routing import Route
from backfilld.api.framework.tls import Certificate
from backfilld.clock import Clock
from backfilld.domain.errors import BackfilldError, TooLarge, Unreadable

log = structlog.get_logger(__name__)

KEEPALIVE_SECONDS = 75.0  # longer than what proxies keep, so that they close first
_SILENT = logging.getLogger("backfilld.access")  # disabled: the dispatcher writes its own line
_SILENT.disabled = True
LONGEST_URL_BYTES = 8_190
LONGEST_HEADER_BYTES = 16_384  # access tokens grow with the groups that somebody is in
EXPECTATION = "100-continue"


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where to listen, and the limits. Port 0: any free one."""

    host: str = "127.0.0.1"
    port: int = 0
    rate_limit_per_minute: int = 1_200
    failed_logins_per_minute: int = 20
    body: BodyLimits = field(default_factory=BodyLimits)
    addresses: ClientAddresses = field(default_factory=ClientAddresses)
    public_url: str = ""  # what people put in front of a path to get here; "" if it is not known
    certificate: Certificate | None = None  # None: plain HTTP
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    stop_timeout_seconds: float = 10.0


def doorkeeper(authenticators: Sequence[Authenticator], clock: Clock, options: ServerOptions) -> Doorkeeper:
    """Who lets callers in, with the limits of `options`: one for all ways in, so that they are counted together."""
    return Doorkeeper(
        authenticators,
        Limiter(clock, options.rate_limit_per_minute),
        Limiter(clock, options.failed_logins_per_minute),
    )


class ApiServer:
    """Serves `routes` between `start` and `stop`; once somebody needs them, those that `every` gives in their place."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        door: Doorkeeper,
        clock: Clock,
        options: ServerOptions = ServerOptions(),  # frozen
        observe: Observer = lambda *_: None,
        error_page: ErrorPage | None = None,
        every: Callable[[], Awaitable[EveryRoute]] | None = None,
    ) -> None:
        self._options = options
        self._table = RouteTable(routes, error_page, every)
        endpoint = Endpoint(door, options.body)
        ways = ProxySettings(options.addresses, options.public_url)
        self._dispatcher = Dispatcher(self._table, endpoint, clock, observe, ways)
        self._runner: web.AppRunner | None = None
        self.port = options.port

    @property
    def url(self) -> str:
        """Where it can be reached; valid once started."""
        host, scheme = self._options.host, "https" if self._options.certificate else "http"
        return f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"

    async def complete(self) -> None:
        """Return when every route is there; until then requests for others than the first ones wait."""
        await self._table.complete()

    async def start(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Listen on what `bound` has returned, or on the address of the options. OSError if that is taken."""
        if sockets is None:
            sockets = await bound(self._options.host, self._options.port)
        app = web.Application(client_max_size=0)  # bodies are read by `reading` alone
        app.on_response_prepare.append(add_headers)
        # (?s): a path may hold a newline (%0A); without it aiohttp would answer by itself
        app.router.add_route("*", "/{path:(?s:.*)}", self._dispatcher.dispatch, expect_handler=_expect)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=self._options.stop_timeout_seconds,
        )
        await self._runner.setup()
        site = _Site(self._runner, self._options, sockets)
        await site.start()
        self.port = site.port

    async def stop(self) -> None:
        """Accept nothing more, cut streams, let the rest finish within the timeout, and close."""
        if self._runner is not None:
            self._dispatcher.end_streams()
            await self._runner.cleanup()
            self._runner = None


class _Site(web.BaseSite):
    """Where the listener stands among what aiohttp starts and stops."""

    def __init__(self, runner: web.AppRunner, options: ServerOptions, sockets: Sequence[socket.socket]) -> None:
        super().__init__(runner)
        self._options = options
        self._sockets = sockets
        self.port = options.port

    @property
    def name(self) -> str:
        return f"{self._options.host}:{self.port}"

    async def start(self) -> None:
        await super().start()
        manager, options = self._runner.server, self._options
        assert manager is not None  # noqa: S101  # set up by `ApiServer.start`
        loop = asyncio.get_running_loop()

        def protocol(seat: Seat) -> _Protocol:
            made = _Protocol(
                manager, loop=loop, access_log=_SILENT, auto_decompress=False,
                keepalive_timeout=KEEPALIVE_SECONDS, max_line_size=LONGEST_URL_BYTES,
                max_field_size=LONGEST_HEADER_BYTES, lingering_time=2.0,
            )  # fmt: skip
            made.take(seat)
            return made

        connections = Connections(options.connections, options.addresses)
        tls = options.certificate.context if options.certificate else None
        listener = Listener(connections, protocol, tls)
        self._server = cast(asyncio.AbstractServer, listener)  # of which aiohttp asks `close` alone
        self.port = listener.start(self._sockets)


class _Protocol(web.RequestHandler):
    """Answers what is not HTTP, or broken HTTP, in the shape of our other errors."""

    __slots__ = ("_seat",)

    def take(self, seat: Seat) -> None:
        """Sit down, until the connection is lost."""
        self._seat = seat
        seat.is_at_work = self._is_at_work

    def _is_at_work(self) -> bool:
        return self._request_in_progress or bool(self._messages)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._seat.leave()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        request_id = request_id_of(request)
        log.debug("unreadable request", request_id=str(request_id), status=status, error=repr(exc))
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("the answer had already begun")
        response = responses.failure(_unreadable(status, exc), request, request_id)
        response.headers.update(SECURITY_HEADERS | {"Server": SERVER, "X-Request-Id": str(request_id)})
        response.force_close()
        return response


def _unreadable(status: int, exc: BaseException | None) -> BackfilldError:
    if isinstance(exc, HttpProcessingError) and status == 413:
        return TooLarge("the request is too large")
    if isinstance(exc, LineTooLong):
        return _too_long(is_header=LONGEST_HEADER_BYTES in exc.args)
    if status < 500:
        return Unreadable("this is not a request that HTTP/1.1 allows")
    return responses.Internal("something went wrong here")


def _too_long(*, is_header: bool) -> BackfilldError:
    """With the status that HTTP has for it."""
    if is_header:
        error = BackfilldError(f"a header is longer than {LONGEST_HEADER_BYTES:,} bytes", code="header_too_long")
        error.status = 431
    else:
        error = BackfilldError(f"the address is longer than {LONGEST_URL_BYTES:,} bytes", code="address_too_long")
        error.status = 414
    return error


async def _expect(request: web.Request) -> web.StreamResponse | None:
    expected = request.headers.get("Expect", "").strip().lower()
    if expected == EXPECTATION:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
        return None
    error = BackfilldError(f"only Expect: {EXPECTATION} is known here", code="expectation_failed")
    error.status = 417
    return responses.failure(error, request, request_id_of(request))
