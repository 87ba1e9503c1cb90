"""Single requests to an address of the configuration, for whatever is no item of work.

The same client as that of targets, hence the same rules: no redirects, no proxies, bounded answers, and never an
address that hands out credentials.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

from yarl import URL

from backfilld import __version__
from backfilld.executors.http.client import Answer, Client, Limits, OutOfTime, Start
from backfilld.executors.http.failures import TargetFailure
from backfilld.executors.http.wire.request_writer import url_of
from backfilld.executors.secrets import SecretMissing

MOST_BYTES = 1 << 20


class AskingFailed(Exception):
    """There was no answer. `was_sent`: the request may have arrived all the same."""

    def __init__(self, problem: str, *, was_sent: bool) -> None:
        super().__init__(problem)
        self.was_sent = was_sent


def trust_of(ca_file: Path | None) -> ssl.SSLContext | None:
    """Whom to believe; None: the authorities of the system. OSError or ssl.SSLError if the file is none."""
    if ca_file is None:
        return None
    context = ssl.create_default_context(cafile=str(ca_file))
    context.set_alpn_protocols(("http/1.1",))
    return context


class HttpAsking:
    """Asks one server. Made anywhere; connections are opened by the first request."""

    def __init__(
        self, headers: Callable[[], Mapping[str, str]] = dict, ca_file: Path | None = None, *, keeps: bool = True
    ) -> None:
        """`headers` are asked anew for each request, so that a secret may be replaced; they may raise SecretMissing.

        Whoever asks more rarely than every few seconds `keeps` no connection: it would be over by then, and to watch
        over it costs more than to open one.
        """
        self._keeps = keeps
        self._headers = headers
        self._ca_file = ca_file
        self._client: Client | None = None

    async def close(self) -> None:
        """Close every connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def ask(
        self, method: str, url: str, *, seconds: float, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """The answer, whatever its status; AskingFailed without one."""
        target = url_of(url)
        try:
            data = _request(method, target, {**self._headers(), **(headers or {})}, body)
            if self._client is None:
                limits = Limits(connect_seconds=seconds, silence_seconds=seconds, most_bytes=MOST_BYTES)
                self._client = Client(limits, trust_of(self._ca_file))
        except (SecretMissing, OSError, ValueError) as problem:
            raise AskingFailed(str(problem), was_sent=False) from problem
        try:
            return await self._asked(target, data, seconds)
        finally:
            if not self._keeps:
                await self.close()

    async def _asked(self, url: URL, data: bytes, seconds: float) -> Answer:
        assert self._client is not None  # noqa: S101  # made by whoever calls this
        start = Start(_Unguarded())
        try:
            ends_at = asyncio.get_running_loop().time() + seconds
            return await self._client.request(url, data, start, ends_at)
        except OutOfTime as problem:
            raise AskingFailed(f"no answer within {seconds:g} s", was_sent=start.happened) from problem
        except TargetFailure as problem:
            raise AskingFailed(str(problem), was_sent=start.happened) from problem


class _Unguarded:
    """No gate stands before it."""

    def start(self) -> None:
        pass

    def sent(self) -> None:
        pass


def _request(method: str, url: URL, headers: Mapping[str, str], body: bytes) -> bytes:
    known = {"User-Agent": f"backfilld/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    lines += [f"{name}: {value}" for name, value in {**known, **headers}.items()]
    if method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    if any(not line.isprintable() for line in lines):
        raise ValueError("a header has characters that a header may not have")
    return "\r\n".join([*lines, "", ""]).encode() + body
