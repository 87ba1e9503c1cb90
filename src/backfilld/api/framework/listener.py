"""The listening sockets, and each connection from its arrival on.

An event loop accepts whatever comes, and tells of it when TLS is agreed upon; by then a crowd that never says a word
has taken every descriptor. So connections are accepted here, where each is given a seat before anything else.
"""

import asyncio
import errno
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

import structlog

from backfilld.api.framework.connections import Connections, Seat
from backfilld.api.framework.tls import HANDSHAKE_SECONDS

log = structlog.get_logger(__name__)

BACKLOG = 128
PAUSE_SECONDS = 0.1  # after the system had nothing left to accept a connection with
UNREAD_MILLISECONDS = 60_000  # after so long, an answer that its caller does not read is given up
_FULL = (
    b'{"error":{"code":"too_many_connections","message":"every connection of this server, or of your address, is at'
    b' work; come back in a moment","details":[]}}'
)
TURNED_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_FULL), _FULL)
)
MakeProtocol: TypeAlias = Callable[[Seat], asyncio.Protocol]


class Listener:
    """Accepts on all addresses of `host` between `start` and `close`."""

    def __init__(self, connections: Connections, make: MakeProtocol, tls: ssl.SSLContext | None) -> None:
        self._connections = connections
        self._make = make
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, sockets: Sequence[socket.socket]) -> int:
        """Listen on what `bound` returned, and take it over; the port. OSError if another process was quicker."""
        for listening in sockets:
            listening.listen(BACKLOG)
            self._keep(self._accept(listening))
        return int(sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accept nothing more. What is connected stays."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listening:
            while True:
                try:
                    sock, peer = await loop.sock_accept(listening)
                except OSError as problem:  # of the newcomer, who has gone; or there is no descriptor
                    if problem.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                        self._connections.cut_one()
                        await asyncio.sleep(PAUSE_SECONDS)
                    continue
                self._seated(sock, peer[0])

    def _seated(self, sock: socket.socket, address: str) -> None:
        seat = self._connections.seat(address, partial(_cut, sock))
        if seat is None:
            log.debug("connection turned away", client=address)
            _turn_away(sock, speaks_tls=self._tls is not None)
        else:
            self._keep(self._serve(sock, seat))

    async def _serve(self, sock: socket.socket, seat: Seat) -> None:
        if sys.platform == "linux":
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._make(seat),
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None,
            )
        except BaseException as problem:
            seat.leave()
            _cut(sock)
            if not isinstance(problem, Exception):
                raise
            log.debug("no connection came about", client=seat.address, error=repr(problem))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def bound(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of `host`, not listening yet; OSError if the port is taken. 0: any that is free."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(infos):
            place = (address[0], port, *address[2:])
            sockets.append(_bound_to(family, place))
            port = sockets[0].getsockname()[1]
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bound_to(family: int, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.setblocking(False)
    except OSError as problem:
        sock.close()
        words = f"cannot listen on {address[0]}, port {address[1]}: {problem.strerror}"
        raise OSError(problem.errno, words) from problem
    return sock


def _turn_away(sock: socket.socket, *, speaks_tls: bool) -> None:
    with sock, suppress(OSError):
        if not speaks_tls:
            sock.send(TURNED_AWAY)
            sock.shutdown(socket.SHUT_WR)


def _cut(sock: socket.socket) -> None:
    """Its transport learns of it at once, and closes."""
    with suppress(OSError):  # closed already
        sock.shutdown(socket.SHUT_RDWR)
