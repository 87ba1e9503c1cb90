"""Items as HTTP requests: POST one, and say what became of it.

The order of things is the point. Whatever takes time (secrets, the body, a connection) comes before the gate; the
gate comes right before the first byte (see `wire`); and whatever happens then is a verdict, since an entity may run
twice but is never forgotten.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from yarl import URL

from backfilld.clock import Clock
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.placeholders import Unfilled
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.executors.answers.kept_logs import kept_log, with_reason
from backfilld.executors.base import NotPermitted, Permit, Work
from backfilld.executors.definitions.http import HttpExecutor as Definition
from backfilld.executors.definitions.http import Poll
from backfilld.executors.http.bodies import text_of
from backfilld.executors.http.client import Answer, Client, Limits, OutOfTime, Start
from backfilld.executors.http.failures import TargetFailure, failed
from backfilld.executors.http.polling import Poller, Progress
from backfilld.executors.http.verdicts import failure_of, success_of
from backfilld.executors.http.wire.request_writer import RequestWriter, url_of
from backfilld.executors.secrets import ProjectSecrets, SecretMissing, SecretStore, UnusableSecret
from backfilld.executors.shortage import no_room, shortage_in
from backfilld.executors.templates.substitution import Filling, unfilled_verdict, with_content

log = logging.getLogger(__name__)

_NONE: Mapping[str, str] = {}


class ThisTry(Start):
    """The start of one try, and how far it has come. `ends_at` is in the loop's time."""

    __slots__ = ("ends_at", "is_prepared", "progress")

    def __init__(self, permit: Permit, ends_at: float) -> None:
        super().__init__(permit)
        self.ends_at = ends_at
        self.is_prepared = False
        """The request is written: what is raised from then on is not the item's own doing."""
        self.progress: Progress | None = None
        """Of the questions whether it is done, once the target has accepted the item."""


class HttpExecutor:
    """One http executor of one workflow revision. Shared by all that run it; close it when nobody does."""

    def __init__(
        self,
        definition: Definition,
        *,
        secrets: SecretStore,
        clock: Clock,
        limits: Limits,
        tls: ssl.SSLContext | None = None,
        filling: Filling | None = None,
        project_secrets: ProjectSecrets | None = None,
    ) -> None:
        self._definition = definition
        self._filling = filling
        self._project_secrets = project_secrets if definition.names_project_secrets else None
        self._secrets = secrets
        self._clock = clock
        self._limits = limits
        self._tls = tls
        self._url = url_of(definition.url)
        self._wire: Client | None = None
        self._writer: RequestWriter | None = None
        self._writer_version: tuple[object, ...] = ()

    @property
    def target(self) -> str:
        """The URL's origin: what shares it shares its fate."""
        return str(self._url.origin())

    def address(self, variables: Mapping[str, Any]) -> str:
        url = self._definition.url
        return url if self._filling is None else self._filling.address(url, variables)

    async def stop(self, work: Work) -> None:
        """The broken connection says it; there is no request for it that every target would understand."""

    async def close(self) -> None:
        """Let go of connections. Another `execute` would open new ones."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        """Do it once. As every executor, it raises only what comes before the first byte, and `CancelledError`."""
        this = ThisTry(permit, self._client().time() + work.timeout_seconds)
        try:
            verdict = await self._run(work, this)
        except NotPermitted:
            raise
        except Exception as problem:
            verdict = self._verdict_after(problem, work, this)
        return with_reason(verdict, work) if work.wants_log else verdict

    async def _run(self, work: Work, this: ThisTry) -> Verdict:
        definition, url = self._definition, self._url
        if self._filling is not None:
            work = self._filling.work(work)
            definition = self._filling.http(definition, work)
            url = url_of(definition.url)
        if definition.content is not None:
            work = with_content(work, definition.content)
        of_project = _NONE if self._project_secrets is None else await _read(self._project_secrets, this.ends_at)
        writer = self._present_writer(definition, of_project)
        wire = self._client()
        request = writer.post(url, work, self._timestamp())
        this.is_prepared = True
        answer = await wire.request(url, request, this, this.ends_at)
        if not 200 <= answer.status < 300:
            verdict = failure_of(answer, self._clock.now(), writer.without_secrets)
        elif definition.completion == "response":
            verdict = success_of(answer, writer.without_secrets)
        else:
            this.progress = Progress()
            poller = self._poller(definition, url, wire, writer)
            async with asyncio.timeout_at(this.ends_at):
                verdict = await poller.verdict(answer, work, this.progress)
        return logged(verdict, answer, writer) if work.wants_log else verdict

    async def _secrets_of_project(self, ends_at: float) -> Mapping[str, str]:
        return _NONE if self._project_secrets is None else await _read(self._project_secrets, ends_at)

    def _verdict_after(self, problem: Exception, work: Work, this: ThisTry) -> Verdict:
        """What it means that there is no verdict."""
        if isinstance(problem, OutOfTime | TimeoutError):
            return self._out_of_time(work, this)
        if isinstance(problem, TargetFailure):
            return problem.verdict
        if isinstance(problem, Unfilled):
            return unfilled_verdict(problem)
        if isinstance(problem, SecretMissing | UnusableSecret):
            word = "secret_missing" if isinstance(problem, SecretMissing) else "secret_unusable"
            return Verdict(VerdictKind.REFUSED, error_class=word, error=str(problem))
        if not this.is_prepared:
            raise problem
        log.error("a try on %s failed on its own account", self.target, exc_info=problem)
        text = f"{type(problem).__name__}: {problem}"
        return Verdict(VerdictKind.TRY_AGAIN, error_class="internal", error=clean_text(text, MESSAGE_BYTES))

    def _present_writer(self, definition: Definition, of_project: Mapping[str, str]) -> RequestWriter:
        """Made anew after secrets were changed, and for each item where headers differ between them."""
        if self._filling is not None:
            return RequestWriter(definition, self._secrets, of_project)
        version = (self._secrets.version, of_project)
        if self._writer is None or self._writer_version != version:
            self._writer, self._writer_version = RequestWriter(definition, self._secrets, of_project), version
        return self._writer

    def _poller(self, definition: Definition, started_at: URL, wire: Client, writer: RequestWriter) -> Poller:
        async def ask(url: URL, work: Work) -> Answer:
            return await wire.request(url, writer.get(url, work, self._timestamp()))

        return Poller(definition.poll or Poll(), started_at, self._clock, ask, writer.without_secrets)

    def _client(self) -> Client:
        wire = self._wire
        if wire is None:
            wire = self._wire = Client(self._limits, self._tls)
        return wire

    def _timestamp(self) -> int:
        return int(self._clock.now().timestamp())

    def _out_of_time(self, work: Work, this: ThisTry) -> Verdict:
        limit = f"{work.timeout_seconds:g} s"
        if not this.happened:
            text = f"{self.target}: no connection within {limit}"
            return Verdict(VerdictKind.UNREACHABLE, error_class="connect_failed", error=text)
        if this.progress is not None:
            text = f"accepted, but not done within {limit}: {this.progress.last}"
        else:
            text = f"{self.target}: no whole answer within {limit}"
        return Verdict(VerdictKind.TRY_AGAIN, error_class="timeout", error=clean_text(text, MESSAGE_BYTES))


async def _read(secrets: ProjectSecrets, ends_at: float) -> Mapping[str, str]:
    """Where they cannot be had, the item waits: that is no try of its own."""
    try:
        async with asyncio.timeout_at(ends_at) as limit:
            return await secrets()
    except Exception as problem:
        if limit.expired():
            raise
        if (lacking := shortage_in(problem)) is not None:
            raise TargetFailure(no_room(f"the secrets of the project cannot be read: {lacking}")) from problem
        text = f"the secrets of the project cannot be read: {type(problem).__name__}: {problem}"
        raise failed(VerdictKind.UNREACHABLE, "secrets_unreachable", text) from problem


def logged(verdict: Verdict, answer: Answer, writer: RequestWriter) -> Verdict:
    """With the target's first answer, which somebody wants to keep."""
    hide = writer.without_secrets
    text = f"HTTP {answer.status}\n{text_of(answer, hide)}" if answer.body else f"HTTP {answer.status}\n"
    return replace(verdict, log=kept_log(text, hide))
