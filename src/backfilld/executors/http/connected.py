"""Items as requests to an API that entities come from, through its connection.

The place in its budget is taken before the gate, and given back if that is closed. What an answer means, the API's own
dialect says: that too many of our requests ran at once is no failed try.
"""

import asyncio
import ssl
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from yarl import URL

from backfilld import __version__
from backfilld.clock import Clock
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.placeholders import Unfilled
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.executors.answers.hiding import Hiding
from backfilld.executors.answers.kept_logs import with_reason
from backfilld.executors.base import NotPermitted, Permit, Work
from backfilld.executors.definitions.http import HttpExecutor as Definition
from backfilld.executors.http.client import Client, Limits, OutOfTime, Start
from backfilld.executors.http.failures import TargetFailure
from backfilld.executors.http.links import Link, LinkBusy, LinkRefused, LinkUnreachable, Understood
from backfilld.executors.http.templated.request_filling import filled_body, filled_path, variables_of
from backfilld.executors.http.verdicts import failure_of, success_of
from backfilld.executors.http.wire.response_parser import Answer
from backfilld.executors.templates.substitution import unfilled_verdict

_KINDS = {
    "throttled": VerdictKind.THROTTLED,
    "crowded": VerdictKind.THROTTLED,
    "outdated": VerdictKind.THROTTLED,
    "refused": VerdictKind.REFUSED,
    "unreachable": VerdictKind.UNREACHABLE,
}


class ConnectedExecutor:
    """`Executor` through a connection. Shared by all that run its revision."""

    def __init__(
        self, definition: Definition, link: Link, *, clock: Clock, limits: Limits, tls: ssl.SSLContext | None = None
    ) -> None:
        self._definition = definition
        self._link = link
        self._clock = clock
        self._limits = limits
        self._tls = tls
        self._client: Client | None = None

    @property
    def target(self) -> str:
        """The connection: whatever goes through it shares its fate."""
        return f"connection:{self._definition.connection}"

    def address(self, variables: Mapping[str, Any]) -> str:
        return f"{self.target}{self._definition.url}"

    async def stop(self, work: Work) -> None:
        """Such an API knows no request that would take it back."""

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        """Do it once."""
        start = Start(permit)
        ends_at = asyncio.get_running_loop().time() + work.timeout_seconds
        try:
            async with asyncio.timeout_at(ends_at):
                verdict = await self._run(work, start, ends_at)
        except NotPermitted:
            raise
        except (OutOfTime, TimeoutError):
            verdict = self._out_of_time(work, start)
        except TargetFailure as problem:
            verdict = problem.verdict
        except Unfilled as problem:
            verdict = unfilled_verdict(problem)
        except LinkBusy as problem:
            verdict = self._verdict(VerdictKind.THROTTLED, "source_budget", str(problem), problem.until)
        except LinkRefused as problem:
            verdict = self._verdict(VerdictKind.REFUSED, "source_refused", str(problem), None)
        except LinkUnreachable as problem:
            verdict = self._verdict(VerdictKind.UNREACHABLE, "source_unreachable", str(problem), None)
        return with_reason(verdict, work) if work.wants_log else verdict

    async def _run(self, work: Work, start: Start, ends_at: float) -> Verdict:
        definition, request = self._definition, self._definition.request
        assert request is not None  # noqa: S101 - the definition's own rule
        variables = variables_of(work)
        path = filled_path(definition.url, variables)
        body = orjson.dumps(filled_body(request.body, variables), default=str)
        opened = await self._link.open()
        url = URL(opened.base + path, encoded=True)
        data = _written(request.method, url, {**opened.headers, "Idempotency-Key": work.idempotency_key}, body)
        if self._client is None:
            self._client = Client(self._limits, self._tls)
        endpoint = definition.url.strip("/").partition("/")[0]
        await self._link.take(endpoint)
        try:
            answer = await self._client.request(url, data, start, ends_at)
        finally:
            self._link.give_back(endpoint, unused=not start.happened)
        hide = Hiding(opened.headers.values())
        told = {name.lower(): value for name, value in answer.headers.items()}
        understood = self._link.understand(opened, answer.status, told, answer.body, endpoint)
        return success_of(answer, hide) if understood is None else self._failed(answer, understood, hide)

    def _failed(self, answer: Answer, understood: Understood, hide: Hiding) -> Verdict:
        kind = _KINDS.get(understood.meaning)
        if kind is None or (kind is VerdictKind.UNREACHABLE and answer.status not in (502, 503, 504)):
            return failure_of(answer, self._clock.now(), hide)
        word = f"http_{answer.status}"
        return self._verdict(kind, word, understood.message, understood.until, http_status=answer.status)

    def _verdict(
        self, kind: VerdictKind, word: str, text: str, until: datetime | None, *, http_status: int | None = None
    ) -> Verdict:
        wait = None if until is None else max((until - self._clock.now()).total_seconds(), 0.0)
        error = clean_text(text, MESSAGE_BYTES)
        return Verdict(kind, error_class=word, error=error, retry_after_seconds=wait, http_status=http_status)

    def _out_of_time(self, work: Work, start: Start) -> Verdict:
        limit = f"{work.timeout_seconds:g} s"
        if not start.happened:
            return self._verdict(
                VerdictKind.UNREACHABLE, "connect_failed", f"{self.target}: not sent within {limit}", None
            )
        return self._verdict(VerdictKind.TRY_AGAIN, "timeout", f"{self.target}: no whole answer within {limit}", None)


def _written(method: str, url: URL, headers: Mapping[str, str], body: bytes) -> bytes:
    own = {
        "Host": url.host_port_subcomponent or "",
        "User-Agent": f"backfilld/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **headers,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    for name, value in own.items():
        if not value.isprintable() or not value.isascii():
            raise LinkRefused(f"the header '{name}' has characters that a header may not have")
    lines = "".join(f"{name}: {value}\r\n" for name, value in own.items())
    return f"{method} {url.raw_path_qs} HTTP/1.1\r\n{lines}\r\n".encode() + body
