"""Where a target may never be.

Whoever may define a workflow chooses where this machine sends requests. Addresses that only this machine can reach
and that hand out its credentials (the metadata service of a cloud, link-local ones in general) are never targets.
The address is looked at in the moment of connecting, after DNS: a name that resolves to something else the second
time gains nothing, nor does another spelling of a number.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# An IPv4 address stands in the last 32 bits of these: NAT64, and the long forgotten `::1.2.3.4`.
_CARRIERS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
# A network may choose its own prefix for NAT64 in here, and with its length where the IPv4 address stands (RFC 6052).
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_TEREDO = ipaddress.ip_network("2001::/32")
_HANDS_OUT = tuple(
    ipaddress.ip_network(network)
    for network in ("169.254.0.0/16", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32")
)
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})  # of the last 64 bits, the first half
_FORBIDDEN = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "fe80::/10",
        "ff00::/8",
        # Metadata services outside the link-local ranges: what AWS has for a machine (also credentials of pods),
        # Google, Oracle and Scaleway over IPv6; Alibaba, Oracle, the Azure host.
        "fd00:ec2::/32",
        "fd20:ce::254/128",
        "fd00:c1::a9fe:a9fe/128",
        "fd00:42::42/128",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "168.63.129.16/32",
    )
)
_FORBIDDEN_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
    | {"metadata.tencentyun.com", "metadata.azure.internal"}
)
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]*)?")


class AddressNotAllowed(OSError):
    """Raised instead of connecting. The text is always the same, so that several addresses of a name read as one."""

    def __init__(self) -> None:
        super().__init__(
            "the address is link-local, unspecified, multicast or a cloud's metadata service, which is never a target"
        )


def address_is_allowed(text: str) -> bool:
    """Whether an IP address (as a socket knows it, a zone `%eth0` included) may be connected to."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    return not any(inner in network for inner in _meant_by(address) for network in _FORBIDDEN)


def _meant_by(address: Address) -> Iterable[Address]:
    """The address and every IPv4 address that it carries inside."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if not address.is_loopback and any(address in carrier for carrier in _CARRIERS):
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        yield from (inner for inner in map(ipaddress.IPv4Address, _tunnelled(address)) if _hands_out(inner))


def _tunnelled(address: ipaddress.IPv6Address) -> Iterable[int]:
    """What may be an IPv4 address in there; which of them is meant, only the network knows."""
    bits = int(address)
    if address in _LOCAL_NAT64:
        without_u = (bits >> 64 << 56) | (bits & (1 << 56) - 1)  # the bits 64 to 71 are no part of an address
        yield from (without_u >> (88 - length) & 0xFFFFFFFF for length in (48, 56, 64))
        yield bits & 0xFFFFFFFF
    if address in _TEREDO:
        yield bits >> 64 & 0xFFFFFFFF  # the server
        yield ~bits & 0xFFFFFFFF
    if bits >> 32 & 0xFFFFFFFF in _ISATAP:
        yield bits & 0xFFFFFFFF


def _hands_out(address: ipaddress.IPv4Address) -> bool:
    return any(address in network for network in _HANDS_OUT)


def host_is_never_a_target(host: str) -> bool:
    """Whether a host, as written in a URL, is forbidden by name or as a literal address; no DNS is asked."""
    name = host.rstrip(".").lower()
    if name in _FORBIDDEN_NAMES:
        return True
    try:
        return not address_is_allowed(_literal(name))
    except ValueError:
        return False


def _literal(name: str) -> str:
    """A numeric host in its usual form; `2852039166`, `0xa9fea9fe` and `169.254.43518` are all the same address."""
    if ":" in name:
        return name.strip("[]")
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except (OSError, UnicodeEncodeError):
        return name


def guarded_socket(info: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
    """The socket for one address that is about to be connected to; AddressNotAllowed if it may not be."""
    family, kind, protocol, _, address = info
    if not address_is_allowed(address[0]):
        raise AddressNotAllowed
    return socket.socket(family, kind, protocol)


def host_is_listed(host: str, port: int, allowed: Iterable[str]) -> bool:
    """Whether `allowed` covers a host: `name`, `*.suffix` (not the suffix itself), each with or without `:port`."""
    host = host.strip("[]").rstrip(".").lower()
    for entry in allowed:
        name, wanted_port = _split(entry.lower())
        if wanted_port not in (None, str(port)):
            continue
        if host == name or (name.startswith("*.") and host.endswith(name[1:]) and all(host.split("."))):
            return True
    return False


def _split(entry: str) -> tuple[str, str | None]:
    """`host:port`, `[v6]:port`, `host` or a bare v6 address → host and port."""
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, port.removeprefix(":") or None
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name.rstrip("."), port
    return entry.rstrip("."), None


def netloc_is_fit(netloc: str) -> bool:
    """Whether brackets, if there are any, hold an IPv6 address and nothing but a port follows."""
    host = netloc.rpartition("@")[2]
    if not set("[]") & set(host):
        return True
    match = _BRACKETED.fullmatch(host)
    if match is None:
        return False
    try:
        return ipaddress.ip_address(match[1]).version == 6
    except ValueError:
        return False
