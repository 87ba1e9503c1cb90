"""Where a request comes from, also when a proxy brings it.

Only the proxies that were named are believed, and only about the address that they saw themselves: the list in their
header is read from the right, the side at which they write, up to the first address that is not one of theirs. What
stands further left was written by the caller, who may claim anything.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import structlog
from aiohttp import web

log = structlog.get_logger(__name__)

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Header: TypeAlias = Literal["x-forwarded-for", "forwarded"]
CLIENT_ADDRESS = web.RequestKey("client_address", str)

_MARKS = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")  # a request that carries one came through something
_PAIR = r"""\s*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~:-]+|"[^"\\]*")\s*"""
_ELEMENT = re.compile(rf"{_PAIR}(?:;{_PAIR})*")
_FOR = re.compile(r'(?:^|;)\s*for="?([^";]*)"?', re.IGNORECASE)
_WITH_PORT = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]+))(?::\w+)?")


class ClientAddresses:
    """Whom a request is from. `trusted` are the proxies, `header` is the one that all of them write."""

    def __init__(self, trusted: Sequence[Network] = (), header: Header = "x-forwarded-for") -> None:
        self._trusted = tuple(trusted)
        self._header = header
        self._has_warned = False

    def of(self, request: web.BaseRequest) -> str:
        """The address that sent the request, as far as anybody whom we believe knows; "" if there is none."""
        peer = request.remote or ""
        address = parse_address(peer)
        if address is None:
            return peer
        if not self._trusts(address):
            self._notice(request, peer)
            return str(address)
        for hop in reversed(hops(self._header, request.headers.getall(self._header, ()))):
            found = parse_address(hop)
            if found is None:
                break  # it does not say, so the last one whom we know answers for whoever is behind him
            address = found
            if not self._trusts(address):
                break
        return str(address)

    def trusts_peer(self, peer: str) -> bool:
        """Whether a connection from there is one of a trusted proxy."""
        address = parse_address(peer)
        return address is not None and self._trusts(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)

    def _notice(self, request: web.BaseRequest, peer: str) -> None:
        if self._has_warned or not was_passed_on(request):
            return
        self._has_warned = True
        log.warning(
            "a request was passed on by somebody who is not in server.trusted_proxies; he counts as its sender",
            sender=peer,
        )


def was_passed_on(request: web.BaseRequest) -> bool:
    """Whether a proxy says that it brought this request; many do not say so unless told to."""
    return any(mark in request.headers for mark in _MARKS)


def hops(header: Header, values: Iterable[str]) -> list[str]:
    """The addresses of a list header in order, each as it was written; "" for an element that names none.

    A `Forwarded` is cut at every comma. One inside of quotes leaves pieces that cannot be read, and so end the search;
    trusting in quotes would let a caller hide what the proxy wrote behind one that he leaves open.
    """
    elements = [element.strip() for value in values for element in value.split(",")]
    return elements if header == "x-forwarded-for" else [_for_of(element) for element in elements]


def _for_of(element: str) -> str:
    if not _ELEMENT.fullmatch(element):
        return ""
    found = _FOR.findall(element)
    return str(found[0]) if len(found) == 1 else ""


def parse_address(text: str) -> Address | None:
    """`192.0.2.1`, `2001:db8::1`, either with a port; IPv4 in IPv6 clothes is IPv4. None for anything else."""
    text = text.strip()
    if len(text) > 100:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        match = _WITH_PORT.fullmatch(text)
        if match is None:
            return None
        try:
            address = ipaddress.ip_address(match[1] or match[2])
        except ValueError:
            return None
    return getattr(address, "ipv4_mapped", None) or address


def neighbourhood(address: str) -> str:
    """What is counted as one sender: an IPv4 address, or the /64 that a single IPv6 customer has to himself."""
    parsed = parse_address(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))
