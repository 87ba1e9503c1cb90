"""One request to an API over HTTP, and its whole answer.

No redirect is followed, no cookie kept, no proxy of the environment used: what we send goes to the host that it was
meant for and nowhere else. An answer is read as a stream, up to a bound.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from backfilld import __version__
from backfilld.sources.http.answers import Answer, TooLarge, Unreachable

MOST_BYTES = 32 * 1024 * 1024
CONNECT_SECONDS = 30.0
IDLE_SECONDS = 4.0

SocketFactory = Callable[[Any], socket.socket]
"""Makes the socket for one address, right before it is connected to; OSError where that is not allowed."""


@dataclass(frozen=True, slots=True)
class WireLimits:
    """How long and how much."""

    answer_seconds: float = 60.0
    connect_seconds: float = CONNECT_SECONDS
    most_bytes: int = MOST_BYTES


class Wire:
    """Sends requests. Connections are opened when they are needed; `close` ends them all."""

    def __init__(self, socket_factory: SocketFactory, limits: WireLimits | None = None) -> None:
        self._socket_factory = socket_factory
        self._limits = limits or WireLimits()
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        answer_seconds: float | None = None,
    ) -> Answer:
        """The answer, whatever its status. Unreachable, TooLarge."""
        sent = {"User-Agent": f"backfilld/{__version__}", "Accept": "application/json", **headers}
        data = orjson.dumps(json) if json is not None else form
        if json is not None:
            sent["Content-Type"] = "application/json"
        seconds = answer_seconds or self._limits.answer_seconds
        try:
            async with (
                asyncio.timeout(self._limits.connect_seconds + seconds),
                self._present_session().request(
                    method, URL(url, encoded=True), headers=sent, data=data, allow_redirects=False
                ) as response,
            ):
                body = await self._read(response)
                names = {name.lower() for name in response.headers}
                told = {name: ", ".join(response.headers.getall(name)) for name in names}
                return Answer(response.status, body, told, str(response.url))
        except TimeoutError:
            raise Unreachable(f"{place(url)}: no whole answer within {seconds:g} s", is_slow=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            raise Unreachable(f"{place(url)}: {_told(problem)}") from problem

    async def close(self) -> None:
        """End every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        parts, length = [], 0
        async for part in response.content.iter_any():
            length += len(part)
            if length > self._limits.most_bytes:
                response.close()
                raise TooLarge(f"{place(str(response.url))}: an answer of more than {self._limits.most_bytes} bytes")
            parts.append(part)
        return b"".join(parts)

    def _present_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0, keepalive_timeout=IDLE_SECONDS, socket_factory=self._socket_factory, ttl_dns_cache=10
            )
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._limits.connect_seconds)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        return self._session


def place(url: str) -> str:
    """Where a request went, fit for a message: without what follows the path, which may hold what nobody should see."""
    parsed = URL(url, encoded=True)
    return f"{parsed.origin()}{parsed.raw_path}"


def _told(problem: BaseException) -> str:
    inner = getattr(problem, "os_error", None) or problem
    text = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return text.replace("\n", " ")[:200] or type(problem).__name__
