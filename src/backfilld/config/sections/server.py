"""The settings of the server: where it listens, under which certificate, and whose word it takes about callers.

Keys and records pass over these connections. So a server that others can reach either encrypts them itself or names
the proxy that does; one that does neither is not started.
"""

import ipaddress
import ssl
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from backfilld.config.certificate_dates import validities_in
from backfilld.config.fields import Count, FilePath, HttpUrl, Section, split_url
from backfilld.config.sections.tls import server_context

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def _host(value: str) -> str:
    if not value or any(character.isspace() or character in "/@" for character in value):
        raise ValueError("must be an address such as '127.0.0.1', or a host name")
    return value


def _public_url(value: str) -> str:
    parts = split_url(value, ("http", "https"))
    if parts.query or parts.fragment:
        raise ValueError("must not carry a query or a fragment")
    return value.rstrip("/")


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as problem:
        raise ValueError(f"must be an address or a network such as '10.0.0.0/24': {problem}") from None
    if network.prefixlen == 0:
        raise ValueError("takes everybody for a proxy, so that callers could claim any address; name the proxies")
    return value


class ServerSettings(Section):
    """Where the HTTP API listens. Beyond this machine only with TLS, its own or that of a proxy in trusted_proxies."""

    host: Annotated[str, AfterValidator(_host)] = Field(
        default="127.0.0.1",
        description="Address to listen on. One that others can reach, such as '0.0.0.0', needs tls_certificate_file or"
        " trusted_proxies.",
    )
    port: int = Field(default=8642, ge=0, le=65535, description="TCP port; 0 takes any free one.")
    public_url: Annotated[HttpUrl, AfterValidator(_public_url)] | None = Field(
        default=None,
        examples=["https://backfilld.example.com"],
        description="How people reach the server, for links in answers; set it behind a proxy. May carry the path that"
        " the proxy takes off.",
    )
    trusted_proxies: Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], Field(strict=False)] = Field(
        default=(),
        description="Addresses or networks of proxies in front of the server, such as ['127.0.0.1', '10.0.3.0/24']."
        " Only they are believed about whom they speak for; and /metrics asks for a key then, wherever it listens.",
    )
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for",
        description="The header in which these proxies say for whom they speak. The other one is not looked at: a proxy"
        " that does not write it passes on whatever the caller made up.",
    )
    tls_certificate_file: FilePath | None = Field(
        default=None,
        examples=["/etc/backfilld/tls.pem"],
        description="Certificate with its chain, in PEM: the server then speaks TLS (1.2 or newer) and nothing else."
        " SIGHUP reads it again.",
    )
    tls_key_file: FilePath | None = Field(
        default=None,
        examples=["/etc/backfilld/tls.key"],
        description="Its private key, in PEM and not encrypted. Default: it is in the file of the certificate.",
    )
    rate_limit_per_minute: Count = Field(
        default=1200, description="Requests per caller in any 60 seconds; beyond it the answer is 429."
    )
    max_body_bytes: int = Field(
        default=8_388_608,
        ge=1024,
        le=1 << 30,
        description="Bytes of a request body, also after unzipping. Streams of entities are exempt.",
    )

    max_connections: int = Field(
        default=1000,
        ge=16,
        le=100_000,
        description="Connections at once. A newcomer takes the place of the one that waits longest without a request"
        " under way. Fewer where the system gives too few descriptors: the engine's are set aside (docs/security.md).",
    )
    max_connections_per_address: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="The same for one address (of IPv6: one /64). Addresses in trusted_proxies are bounded in all"
        " only.",
    )

    @model_validator(mode="after")
    def _safe(self) -> "ServerSettings":
        if self.tls_key_file is not None and self.tls_certificate_file is None:
            raise ValueError("has a tls_key_file, but no tls_certificate_file")
        if not (self.is_loopback or self.speaks_tls or self.trusted_proxies):
            raise ValueError(
                f"others could reach {self.host!r} in the clear, and read keys and records on the way: set"
                " tls_certificate_file, or name the proxy that speaks TLS in front of it in trusted_proxies, or set"
                " host = '127.0.0.1'"
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def speaks_tls(self) -> bool:
        """True if connections are encrypted by the server itself."""
        return self.tls_certificate_file is not None

    @property
    def proxies(self) -> tuple[Network, ...]:
        """`trusted_proxies` as networks."""
        return tuple(ipaddress.ip_network(value) for value in self.trusted_proxies)

    def read_expiry(self) -> datetime | None:
        """Until when the certificate is good as it is now; None if there is none, or it does not say."""
        if self.tls_certificate_file is None:
            return None
        return next((validity.ends for validity in validities_in(self.tls_certificate_file)), None)

    def read_tls(self) -> ssl.SSLContext | None:
        """The certificate as it is now; None if there is none. OSError, ValueError if its files are of no use."""
        if self.tls_certificate_file is None:
            return None
        return server_context(self.tls_certificate_file, self.tls_key_file)
