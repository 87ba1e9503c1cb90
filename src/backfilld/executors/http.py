"""Items as HTTP requests: POST one, and say what became of it.

The order of things is the point. Whatever takes time (secrets, the body, a connection) comes before the gate; the
gate comes right before the first byte (see `wire`); and whatever happens then is a verdict, since an entity may run
twice but is never forgotten.
"""

import asyncio
import ssl
from dataclasses import dataclass, field

from yarl import URL

from backfilld.clock import Clock
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.domain.verdicts import Verdict, VerdictKind
from backfilld.executors.answers import verdict_of
from backfilld.executors.base import NotPermitted, Permit, Work
from backfilld.executors.definition import HttpExecutor as Definition
from backfilld.executors.definition import Poll
from backfilld.executors.failures import TargetFailure
from backfilld.executors.payload import RequestWriter, url_of
from backfilld.executors.polling import Poller, Progress
from backfilld.executors.secrets import SecretMissing, SecretStore
from backfilld.executors.signing import UnusableSecret
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
    ) -> None:
        self._definition = definition
        self._secrets = secrets
        self._clock = clock
        self._limits = limits
        self._tls = tls
        self._url = url_of(definition.url)
        self._wire: Wire | None = None
        self._writer: RequestWriter | None = None
        self._writer_version = -1

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
        except (SecretMissing, UnusableSecret) as problem:
            word = "secret_missing" if isinstance(problem, SecretMissing) else "secret_unusable"
            return Verdict(VerdictKind.REFUSED, error_class=word, error=str(problem))
        except Exception as problem:
            text = f"{type(problem).__name__}: {problem}"
            return Verdict(VerdictKind.TRY_AGAIN, error_class="internal", error=clean_text(text, MESSAGE_BYTES))

    async def _run(self, work: Work, this: _Try) -> Verdict:
        writer = self._present_writer()
        wire = self._wire
        if wire is None:
            wire = self._wire = Wire(self._limits, self._tls)
        answer = await wire.request(self._url, writer.post(self._url, work, self._timestamp()), this.start)
        if self._definition.completion == "response" or not 200 <= answer.status < 300:
            return verdict_of(answer, self._clock.now(), writer.without_secrets)
        this.accepted = True
        return await self._poller(wire, writer).verdict(answer, work, this.progress)

    def _present_writer(self) -> RequestWriter:
        """Made anew after the secrets were reloaded."""
        writer = self._writer
        if writer is None or self._writer_version != self._secrets.version:
            writer = RequestWriter(self._definition, self._secrets)
            self._writer, self._writer_version = writer, self._secrets.version
        return writer

    def _poller(self, wire: Wire, writer: RequestWriter) -> Poller:
        async def ask(url: URL, work: Work) -> Answer:
            return await wire.request(url, writer.get(url, work, self._timestamp()))

        poll = self._definition.poll or Poll()
        return Poller(poll, self._url, self._clock, ask, writer.without_secrets)

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
