"""Names of hosts → addresses.

Remembered for a few seconds, because there are targets that close the connection after every answer; and looked up
once for all who ask at the same moment.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

AddressInfo: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

REMEMBERED_SECONDS = 10.0


@dataclass
class _Known:
    looking_up: asyncio.Task[list[AddressInfo]]
    until: float
    turn: int = 0


class Resolver:
    """What is known of the few hosts of one executor."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], _Known] = {}

    async def addresses(self, host: str, port: int) -> list[AddressInfo]:
        """Never empty; each call begins with the next of several addresses, so that all of them get work.

        socket.gaierror if the name cannot be resolved.
        """
        if (literal := _literal(host, port)) is not None:
            return [literal]
        loop = asyncio.get_running_loop()
        known = self._known.get((host, port))
        if known is None or known.until <= loop.time():
            task = loop.create_task(look_up(host, port))
            known = self._known[host, port] = _Known(task, loop.time() + REMEMBERED_SECONDS)
        try:
            infos = await asyncio.shield(known.looking_up)  # others wait for it, too
        except OSError:
            if self._known.get((host, port)) is known:
                del self._known[host, port]
            raise
        first = known.turn % len(infos)
        known.turn += 1
        return infos[first:] + infos[:first]

    def close(self) -> None:
        """Stop looking."""
        for known in self._known.values():
            known.looking_up.cancel()
        self._known.clear()


def _literal(host: str, port: int) -> AddressInfo | None:
    """An address as it is, which nobody has to be asked for."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))
    return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))


async def look_up(host: str, port: int) -> list[AddressInfo]:
    """What the system's resolver says at this moment. socket.gaierror."""
    try:
        loop = asyncio.get_running_loop()
        infos: Sequence[AddressInfo] = await loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    except UnicodeError as problem:
        raise socket.gaierror(socket.EAI_NONAME, f"it is not a name: {problem}") from problem
    if not infos:
        raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
    return list(infos)
