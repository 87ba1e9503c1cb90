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

from backfilld.executors.addresses import guarded_socket
from backfilld.executors.names import AddressInfo, Names

SECOND_ADDRESS_SECONDS = 0.25  # RFC 8305

P = TypeVar("P", bound=asyncio.Protocol)


async def connected(origin: URL, make: Callable[[], P], names: Names, tls: ssl.SSLContext | None) -> P:
    """The end of a new connection. OSError if there is none; nobody but the caller bounds the time."""
    infos = await names.addresses(origin.raw_host or "", origin.port or 0)  # a checked URL has both
    while True:
        sock = await _socket_to_one_of(infos)
        reached = _peer(sock)
        try:
            return await _spoken_through(sock, origin, make, tls)
        except OSError:
            others = [info for info in infos if info[4][:2] != reached]
            if not 0 < len(others) < len(infos):
                raise
            infos = others


async def _socket_to_one_of(infos: list[AddressInfo]) -> socket.socket:
    sock = await aiohappyeyeballs.start_connection(
        infos, happy_eyeballs_delay=SECOND_ADDRESS_SECONDS, socket_factory=guarded_socket
    )
    with suppress(OSError):  # some platforms refuse it on a socket that is gone already
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _peer(sock: socket.socket) -> object:
    """Address and port at the other end; None if it is gone already."""
    try:
        return sock.getpeername()[:2]
    except OSError:
        return None


async def _spoken_through(sock: socket.socket, origin: URL, make: Callable[[], P], tls: ssl.SSLContext | None) -> P:
    """A protocol at the end of a connected socket; the socket is closed if that fails or is cancelled."""
    loop = asyncio.get_running_loop()
    try:
        if origin.scheme == "https":
            name = (origin.raw_host or "").rstrip(".")  # as it stands in certificates
            _, protocol = await loop.create_connection(make, sock=sock, ssl=tls or _trust(), server_hostname=name)
        else:
            _, protocol = await loop.create_connection(make, sock=sock)
    except BaseException:
        sock.close()
        raise
    return protocol


@cache
def _trust() -> ssl.SSLContext:
    """The certificate authorities of the system, read once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context
