"""Items as HTTP requests: POST one, and say what became of it.

The order of things is the point. Whatever takes time (secrets, the body, a connection) comes before the gate; the
gate comes right before the first byte (see `wire`); and whatever happens then is a verdict, since an entity may run
twice but is never forgotten.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from yarl import URL

from backfilld.clock import Clock
from backfilld.domain.placeholders import Unfilled
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.domain.verdicts import Verdict, VerdictKind
from backfilld.executors.answers import text_of, verdict_of
from backfilld.executors.base import NotPermitted, Permit, Work
from backfilld.executors.definition import HttpExecutor as Definition
from backfilld.executors.definition import Poll
from backfilld.executors.failures import TargetFailure, failed
from backfilld.executors.kept_logs import kept_log, with_reason
from backfilld.executors.payload import RequestWriter, url_of
from backfilld.executors.polling import Poller, Progress
from backfilld.executors.secrets import ProjectSecrets, SecretMissing, SecretStore
from backfilld.executors.signing import UnusableSecret
from backfilld.executors.substitution import Filling, unfilled_verdict, with_content
from backfilld.executors.wire import Answer, Limits, Start, Wire


@dataclass
class _Try:
    """How far one try has come."""

    start: Start
    accepted: bool = False
    progress: Progress = field(default_factory=Progress)


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
        self._project_secrets = project_secrets
        self._secrets = secrets
        self._clock = clock
        self._limits = limits
        self._tls = tls
        self._url = url_of(definition.url)
        self._wire: Wire | None = None
        self._writer: RequestWriter | None = None
        self._writer_version: tuple[object, ...] = ()

    @property
    def target(self) -> str:
        """The URL's origin: what shares it shares its fate."""
        return str(self._url.origin())

    async def close(self) -> None:
        """Let go of connections. Another `execute` would open new ones."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        """Do it once. Raises only `NotPermitted` (then no byte was sent) and `CancelledError`."""
        return with_reason(await self._attempt(work, permit), work)

    async def _attempt(self, work: Work, permit: Permit) -> Verdict:
        this = _Try(Start(permit))
        try:
            async with asyncio.timeout(work.timeout_seconds):
                return await self._run(work, this)
        except NotPermitted:
            raise
        except TimeoutError:
            return self._out_of_time(work, this)
        except TargetFailure as failure:
            return failure.verdict
        except Unfilled as problem:
            return unfilled_verdict(problem)
        except (SecretMissing, UnusableSecret) as problem:
            word = "secret_missing" if isinstance(problem, SecretMissing) else "secret_unusable"
            return Verdict(VerdictKind.REFUSED, error_class=word, error=str(problem))
        except Exception as problem:
            text = f"{type(problem).__name__}: {problem}"
            return Verdict(VerdictKind.TRY_AGAIN, error_class="internal", error=clean_text(text, MESSAGE_BYTES))

    async def _run(self, work: Work, this: _Try) -> Verdict:
        definition, url = self._definition, self._url
        if self._filling is not None:
            work = self._filling.work(work)
            definition = self._filling.http(definition, work)
            url = url_of(definition.url)
        work = with_content(work, definition.content)
        writer = await self._present_writer(definition)
        wire = self._wire
        if wire is None:
            wire = self._wire = Wire(self._limits, self._tls)
        answer = await wire.request(url, writer.post(url, work, self._timestamp()), this.start)
        if definition.completion == "response" or not 200 <= answer.status < 300:
            verdict = verdict_of(answer, self._clock.now(), writer.without_secrets)
            return _logged(verdict, work, answer, writer)
        this.accepted = True
        poller = self._poller(definition, url, wire, writer)
        return _logged(await poller.verdict(answer, work, this.progress), work, answer, writer)

    async def _present_writer(self, definition: Definition) -> RequestWriter:
        """Made anew after secrets were changed, and for each item where headers differ between them."""
        of_project: Mapping[str, str] = {}
        if definition.names_project_secrets and self._project_secrets is not None:
            of_project = await _read(self._project_secrets)
        if self._filling is not None:
            return RequestWriter(definition, self._secrets, of_project)
        version = (self._secrets.version, of_project)
        if self._writer is None or self._writer_version != version:
            self._writer, self._writer_version = RequestWriter(definition, self._secrets, of_project), version
        return self._writer

    def _poller(self, definition: Definition, started_at: URL, wire: Wire, writer: RequestWriter) -> Poller:
        async def ask(url: URL, work: Work) -> Answer:
            return await wire.request(url, writer.get(url, work, self._timestamp()))

        return Poller(definition.poll or Poll(), started_at, self._clock, ask, writer.without_secrets)

    def _timestamp(self) -> int:
        return int(self._clock.now().timestamp())

    def _out_of_time(self, work: Work, this: _Try) -> Verdict:
        limit = f"{work.timeout_seconds:g} s"
        if not this.start.happened:
            text = f"{self.target}: no connection within {limit}"
            return Verdict(VerdictKind.UNREACHABLE, error_class="connect_failed", error=text)
        if this.accepted:
            text = f"accepted, but not done within {limit}: {this.progress.last}"
        else:
            text = f"{self.target}: no whole answer within {limit}"
        return Verdict(VerdictKind.TRY_AGAIN, error_class="timeout", error=clean_text(text, MESSAGE_BYTES))


async def _read(secrets: ProjectSecrets) -> Mapping[str, str]:
    """Where they cannot be had, the item waits: that is no try of its own."""
    try:
        return await secrets()
    except Exception as problem:
        text = f"the secrets of the project cannot be read: {type(problem).__name__}: {problem}"
        raise failed(VerdictKind.UNREACHABLE, "secrets_unreachable", text) from problem


def _logged(verdict: Verdict, work: Work, answer: Answer, writer: RequestWriter) -> Verdict:
    """With the target's first answer, where somebody wants to keep it."""
    if not work.wants_log:
        return verdict
    text = f"HTTP {answer.status}\n{text_of(answer)}" if answer.body else f"HTTP {answer.status}\n"
    return replace(verdict, log=kept_log(text, writer.without_secrets))
