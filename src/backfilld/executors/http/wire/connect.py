"""From an origin to an open connection: addresses, happy eyeballs, TLS.

Every address passes `guarded_socket` right before it is connected to. Where a name has several, the others are tried
while the first lets us wait (RFC 8305), and also when TLS fails at one.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TypeVar

import aiohappyeyeballs
from yarl import URL

from backfilld.executors.http.addresses import guarded_socket
from backfilld.executors.http.wire.resolver import Resolver

SECOND_ADDRESS_SECONDS = 0.25  # RFC 8305

P = TypeVar("P", bound=asyncio.Protocol)


async def connected(origin: URL, make: Callable[[], P], names: Resolver, tls: ssl.SSLContext | None) -> P:
    """The end of a new connection. OSError if there is none; nobody but the caller bounds the time."""
    infos = await names.addresses(origin.raw_host or "", origin.port or 0)  # a checked URL has both
    while True:
        sock = await aiohappyeyeballs.start_connection(
            infos, happy_eyeballs_delay=SECOND_ADDRESS_SECONDS, socket_factory=guarded_socket
        )
        reached = _peer(sock)
        try:
            return await _spoken_through(sock, origin, make, tls)
        except OSError:
            others = [info for info in infos if info[4][:2] != reached]
            if not 0 < len(others) < len(infos):
                raise
            infos = others


def _peer(sock: socket.socket) -> object:
    """Address and port at the other end; None if it is gone already."""
    try:
        return sock.getpeername()[:2]
    except OSError:
        return None


async def _spoken_through(sock: socket.socket, origin: URL, make: Callable[[], P], tls: ssl.SSLContext | None) -> P:
    """A protocol at the end of a connected socket; the socket ends if that fails or is cancelled."""
    loop = asyncio.get_running_loop()
    made: list[P] = []

    def protocol() -> P:
        made.append(make())
        return made[0]

    try:
        if origin.scheme == "https":
            name = (origin.raw_host or "").rstrip(".")  # as it stands in certificates
            await loop.create_connection(protocol, sock=sock, ssl=tls or _trust(), server_hostname=name)
        else:
            await loop.create_connection(protocol, sock=sock)
    except BaseException:
        _end(sock, is_taken=bool(made))
        raise
    return made[0]


def _end(sock: socket.socket, *, is_taken: bool) -> None:
    """Where a transport has taken the socket, that has to close it: it would never hear of a close below it. From an
    ended socket it learns at once, also where TLS would wait half a minute for the other side's farewell."""
    if is_taken:
        with suppress(OSError):  # closed already
            sock.shutdown(socket.SHUT_RDWR)
    else:
        sock.close()


@cache
def _trust() -> ssl.SSLContext:
    """The certificate authorities of the system, read once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context
