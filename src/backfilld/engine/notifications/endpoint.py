"""One endpoint, and one try to reach it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from yarl import URL

from backfilld.clock import Clock
from backfilld.domain.notifications.ladder import Tried
from backfilld.domain.notifications.messages import CHATS, Format, Message, body_of
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.engine.http_asking import AskingFailed, HttpAsking
from backfilld.executors.http.retry_after import retry_after_seconds
from backfilld.executors.http.signing import Signer, signatures, signing_key
from backfilld.executors.secrets import SecretMissing, UnusableSecret

TRY_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is to hear of what. `url` and `signing` are asked anew for each try; both may raise SecretMissing.

    `events` and `workflows` None: any. `signing`: the values of its secret, the present one first.
    """

    name: str
    format: Format
    url: Callable[[], str]
    events: frozenset[str] | None = None
    workflows: frozenset[str] | None = None  # project/name, or project/*
    signing: Callable[[], Iterable[str]] = tuple

    @property
    def is_chat(self) -> bool:
        return self.format in CHATS

    @property
    def origin(self) -> str | None:
        """Where it is, without what makes its address a secret; None: nobody knows now."""
        try:
            return str(URL(self.url()).origin())
        except (SecretMissing, ValueError):
            return None

    def wants(self, event: str, workflow: str | None) -> bool:
        """Whether it is to hear of it; what is about no workflow is for all."""
        if self.events is not None and event not in self.events:
            return False
        if self.workflows is None or workflow is None:
            return True
        return bool(self.workflows & {workflow, workflow.partition("/")[0] + "/*"})


class Sender:
    """Tries to reach one endpoint; connections are kept between tries."""

    def __init__(self, endpoint: Endpoint, clock: Clock, *, seconds: float = TRY_SECONDS) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._seconds = seconds
        self._asking = HttpAsking()

    async def close(self) -> None:
        await self._asking.close()

    async def send(self, id: str, message: Message, *, again: bool = False) -> Tried:
        """One try. `id` is the same in all tries of a message, by which a standard endpoint knows what it has."""
        try:
            url = self.endpoint.url()
            body = body_of(message, self.endpoint.format, again=again)
            headers = {"Content-Type": "application/json", **self._signed(id, body)}
            answer = await self._asking.ask("POST", url, seconds=self._seconds, headers=headers, body=body)
        except AskingFailed as problem:
            return Tried(None, clean_text(str(problem), MESSAGE_BYTES), problem.was_sent)
        except (SecretMissing, UnusableSecret) as problem:
            return Tried(None, str(problem))
        asked = retry_after_seconds(answer.headers, self._clock.now())
        wait = None if asked is None else timedelta(seconds=asked)
        error = None if 200 <= answer.status < 300 else f"it answers HTTP {answer.status}"
        return Tried(answer.status, error, was_sent=True, retry_after=wait)

    def _signed(self, id: str, body: bytes) -> dict[str, str]:
        if self.endpoint.is_chat:
            return {}
        timestamp = int(self._clock.now().timestamp())
        headers = {"webhook-id": id, "webhook-timestamp": str(timestamp)}
        signers = [Signer(signing_key(value)) for value in self.endpoint.signing()]
        return headers | ({"webhook-signature": signatures(signers, id, timestamp, body)} if signers else {})
