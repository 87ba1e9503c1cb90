"""Requests to one digdag server: let in, paced, and bounded.

The same way serves starts, which pass the gate right before their first byte, and questions, which need no permit.
"""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any
from urllib.parse import urlencode

import orjson
from yarl import URL

from backfilld import __version__
from backfilld.clock import Clock
from backfilld.executors.answers.hiding import Hiding
from backfilld.executors.digdag.pace import Pace
from backfilld.executors.http.client import Answer, Client, Limits, Start
from backfilld.executors.http.wire.request_writer import url_of
from backfilld.executors.secrets import SecretStore, UnusableSecret
from backfilld.executors.templates.header_values import header_value_is_fit

MOST_ANSWER_BYTES = 16 << 20  # a hundred attempts with all their params


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says of a server. `auth`: the secret, the scheme, and a user name for `Basic`.
    `headers` that are among `secret_headers` are names of secrets."""

    name: str
    url: str
    auth: tuple[str, str, str | None] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: frozenset[str] = frozenset()
    max_concurrent: int = 4
    requests_per_minute: int = 120
    ask_seconds: float = 10.0
    connect_seconds: float = 10.0
    silence_seconds: float = 60.0


class DigdagConnection:
    """One server. Close it when nobody asks any more; another request would open it anew."""

    def __init__(self, terms: Terms, secrets: SecretStore, clock: Clock, *, tls: ssl.SSLContext | None = None) -> None:
        self.terms = terms
        self._secrets = secrets
        self._tls = tls
        self._base = terms.url.rstrip("/")
        self._limits = Limits(terms.connect_seconds, terms.silence_seconds, MOST_ANSWER_BYTES)
        self._pace = Pace(terms.requests_per_minute, terms.max_concurrent, clock)
        self._client: Client | None = None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def take(self) -> None:
        """A place for a request that `send` sends; `give_back` it."""
        await self._pace.take()

    def give_back(self, *, unused: bool = False) -> None:
        self._pace.give_back(unused=unused)

    async def ask(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Answer:
        """One question, when its turn has come. TargetFailure, SecretMissing, UnusableSecret."""
        url, data = self.prepared(method, path, body, query)
        await self._pace.take()
        try:
            return await self.send(url, data)
        finally:
            self._pace.give_back()

    def prepared(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> tuple[URL, bytes]:
        """A whole request, and where it goes. SecretMissing, UnusableSecret."""
        chosen = {name: value for name, value in (query or {}).items() if value is not None}
        url = url_of(f"{self._base}/api{path}{'?' + urlencode(chosen) if chosen else ''}")
        content = b"" if body is None else orjson.dumps(body, default=str)
        headers = {
            "Host": url.host_port_subcomponent or "",
            "User-Agent": f"backfilld/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **self._own_headers(),
            **({} if body is None else {"Content-Type": "application/json"}),
            **({"Content-Length": str(len(content))} if content or method != "GET" else {}),
        }
        for name, value in headers.items():
            if not header_value_is_fit(value):
                raise UnusableSecret(f"the header '{name}' has characters that a header may not have")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return url, f"{method} {url.raw_path_qs} HTTP/1.1\r\n{lines}\r\n".encode() + content

    async def send(self, url: URL, data: bytes, start: Start | None = None, ends_at: float = inf) -> Answer:
        """Send what was prepared, in a place that was taken. NotPermitted, OutOfTime, TargetFailure."""
        if self._client is None:
            self._client = Client(self._limits, self._tls)
        return await self._client.request(url, data, start, ends_at)

    @property
    def hide(self) -> Hiding:
        """Takes what lets us in out of texts that the server sent back."""
        names = [name for header, name in self.terms.headers.items() if header in self.terms.secret_headers]
        names += [] if self.terms.auth is None else [self.terms.auth[0]]
        known = [name for name in names if name in self._secrets.names and self._secrets.get(name)]
        return Hiding([value for name in known for value in self._secrets.get(name).reveal()])

    def _own_headers(self) -> dict[str, str]:
        headers = {
            name: self._secrets.get(value).present if name in self.terms.secret_headers else value
            for name, value in self.terms.headers.items()
        }
        if self.terms.auth is not None:
            name, scheme, username = self.terms.auth
            secret = self._secrets.get(name).present
            if username is not None:
                secret = base64.b64encode(f"{username}:{secret}".encode()).decode()
            headers["Authorization"] = f"{scheme} {secret}"
        return headers
