"""One request, and when to make it again.

A request is repeated only where repeating cannot do anything twice: reads, and writes under an
Idempotency-Key. It is repeated when the daemon says when to come back (429, 503), for a bounded while.
"""

from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from backfilld import __version__
from backfilld.client.answers import Answer, ApiError, Json, ServerReached, ServerUnreachable, read_answer
from backfilld.clock import Clock, SystemClock

COME_BACK = (429, 503)
MOST_TRIES = 5
DEFAULT_PAUSE_SECONDS = 1.0  # if a 429 or 503 names no time
TIMEOUT_SECONDS = 60.0  # the slowest answers (a pause that waits for its confirmation, a count) take about ten

Query = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on asking: nothing that would end later than `seconds` from the first try is waited for."""

    seconds: float = 60.0


class Transport:
    """A connection to one daemon. Use as an async context manager, or call `close`."""

    def __init__(
        self, url: str, api_key: str | None = None, *, clock: Clock | None = None, patience: Patience | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._api_key = api_key
        self._clock = clock or SystemClock()
        self._patience = patience or Patience()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections; the next request would make new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer, asked for again while that is safe and allowed. Raises ApiError or ServerUnreachable."""
        headers = dict(headers or {})
        data = None
        if body is not None:
            data = orjson.dumps(body)
            headers["Content-Type"] = "application/json"
        may_repeat = method == "GET" or "Idempotency-Key" in headers
        started = self._clock.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                return await self._once(method, path, query, data, headers)
            except ApiError as refusal:
                pause = refusal.retry_after_seconds
                if pause is None:
                    pause = DEFAULT_PAUSE_SECONDS
                over = self._clock.monotonic() + pause - started > self._patience.seconds
                if not may_repeat or refusal.status not in COME_BACK or tries >= MOST_TRIES or over:
                    raise
            await self._clock.sleep(pause)

    async def upload(
        self, method: str, path: str, lines: AsyncIterable[bytes], content_type: str, *, query: Query | None = None
    ) -> Answer:
        """Send a body as it is produced. Never repeated: the lines can be had only once."""
        return await self._once(method, path, query, lines, {"Content-Type": content_type}, total_seconds=None)

    def stream(
        self, path: str, *, query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """An answer that is read as it comes; the caller checks its status (`refuse_errors`)."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=90)
        return self._open().get(
            self.url + path, params=_written(query), headers=self._with_key(headers), timeout=timeout
        )

    async def _once(
        self,
        method: str,
        path: str,
        query: Query | None,
        data: Any,
        headers: Mapping[str, str],
        *,
        total_seconds: float | None = TIMEOUT_SECONDS,
    ) -> Answer:
        timeout = aiohttp.ClientTimeout(total=total_seconds, sock_connect=10)
        try:
            async with self._open().request(
                method,
                self.url + path,
                params=_written(query),
                data=data,
                headers=self._with_key(headers),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return read_answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise unreachable(self.url, problem) from problem

    def _with_key(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        keyed = dict(headers or {})
        if self._api_key:
            keyed["Authorization"] = f"Bearer {self._api_key}"
        return keyed

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers={"User-Agent": f"backfilld/{__version__}"})
        return self._session


async def refuse_errors(response: aiohttp.ClientResponse) -> None:
    """Raise the ApiError that a streamed answer turns out to be."""
    if response.status != 200:
        read_answer(max(response.status, 400), response.headers, await response.read())


def unreachable(url: str, problem: BaseException) -> ServerUnreachable:
    """The same problem in words for people."""
    if isinstance(problem, aiohttp.InvalidURL):
        return ServerUnreachable(f"{url!r} is not an address; write it as http://HOST:PORT")
    if isinstance(problem, TimeoutError):
        return ServerUnreachable(f"{url} did not answer in time")
    if "write request body" in str(problem):  # what aiohttp says; the answer, if there was one, is lost
        return ServerUnreachable(f"{url} hung up while it was being sent to")
    if isinstance(problem, aiohttp.ClientConnectorCertificateError):
        return ServerReached(
            f"the certificate of {url} is not accepted ({problem.certificate_error}); SSL_CERT_FILE names one that"
            " nobody else vouches for, and the address must be one that stands in it"
        )
    if isinstance(problem, aiohttp.ClientSSLError):
        if "WRONG_VERSION_NUMBER" in str(problem) or "record layer failure" in str(problem):
            return ServerReached(f"{url} speaks plain HTTP: write it as http://")
        return ServerReached(f"{url} and we cannot agree on TLS ({problem})")
    if isinstance(problem, aiohttp.ServerDisconnectedError) and url.startswith("http://"):
        return ServerReached(f"{url} hung up without an answer; if it speaks TLS, write it as https://")
    return ServerUnreachable(f"nobody answers at {url} ({problem or type(problem).__name__})")


def _written(query: Query | None) -> list[tuple[str, str]]:
    """Absent values left out, several values repeated, booleans as in JSON."""
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        several: Iterable[object] = value if isinstance(value, (list, tuple)) else (value,)
        for one in several:
            if one is not None:
                pairs.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
    return pairs
