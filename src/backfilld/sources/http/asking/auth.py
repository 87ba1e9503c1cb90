"""What a request carries to be let in.

Credentials are asked for anew with each request, so that one that was rotated is used at once. A token is fetched once
for all who wait for it, and used until shortly before it ends.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from backfilld.clock import Clock
from backfilld.sources.base import SourceRefused
from backfilld.sources.http.answers import Answer, Unreachable, meaning_of, quoted

EARLY_SECONDS = 60.0
SHORTEST_SECONDS = 1.0
USUAL_SECONDS = 3600.0

Credential = Callable[[], str]  # raises SourceRefused where there is none


class Auth(Protocol):
    """One way to be let in."""

    async def headers(self) -> Mapping[str, str]:
        """What is sent along. SourceRefused, SourceUnreachable."""

    def outdated(self, sent: Mapping[str, str]) -> bool:
        """These headers were answered with 401. True: other ones may do by now, so it is worth another try."""

    def forget(self) -> None:
        """Whatever is kept is found anew."""

    def confidential(self) -> tuple[str, ...]:
        """What no message may repeat."""


@dataclass(frozen=True, slots=True)
class NoAuth:
    """Everybody is let in."""

    async def headers(self) -> Mapping[str, str]:
        return {}

    def outdated(self, sent: Mapping[str, str]) -> bool:
        return False

    def forget(self) -> None:
        """Nothing is kept."""

    def confidential(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class HeaderAuth:
    """Headers that are the same in every request; `plain` ones are no secret."""

    secrets: Mapping[str, Credential]
    plain: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""

    async def headers(self) -> Mapping[str, str]:
        return {**self.plain, **{name: self.prefix + value() for name, value in self.secrets.items()}}

    def outdated(self, sent: Mapping[str, str]) -> bool:
        return False

    def forget(self) -> None:
        """Nothing is kept."""

    def confidential(self) -> tuple[str, ...]:
        return known(self.secrets.values())


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A name and a password. What else is sent along stands in `plain`."""

    username: Credential
    password: Credential
    plain: Mapping[str, str] = field(default_factory=dict)

    async def headers(self) -> Mapping[str, str]:
        return {**self.plain, "Authorization": f"Basic {self._pair()}"}

    def outdated(self, sent: Mapping[str, str]) -> bool:
        return False

    def forget(self) -> None:
        """Nothing is kept."""

    def confidential(self) -> tuple[str, ...]:
        return (*known((self.password,)), *known((self._pair,)))

    def _pair(self) -> str:
        return base64.b64encode(f"{self.username()}:{self.password()}".encode()).decode()


Fetch = Callable[[Mapping[str, str]], Awaitable[Answer]]
"""Asks for a token with a form."""


class TokenAuth:
    """OAuth 2 with client credentials."""

    def __init__(
        self, fetch: Fetch, client_id: Credential, client_secret: Credential, scope: str | None, clock: Clock
    ) -> None:
        self._fetch = fetch
        self._client_id = client_id
        self._client_secret = client_secret
        self._scope = scope
        self._clock = clock
        self._token: str | None = None
        self._last: str | None = None
        self._ends_at = 0.0
        self._fetching: asyncio.Task[None] | None = None

    async def headers(self) -> Mapping[str, str]:
        while self._token is None or self._clock.monotonic() >= self._ends_at:
            if self._fetching is None or self._fetching.done():
                self._fetching = asyncio.create_task(self._renew())
            await asyncio.shield(self._fetching)
        return {"Authorization": f"Bearer {self._token}"}

    def outdated(self, sent: Mapping[str, str]) -> bool:
        # Of many requests with one token the first that is refused gives it up; the others wait for the next one.
        if sent.get("Authorization") == f"Bearer {self._token}":
            self._token = None
        return True

    def forget(self) -> None:
        self._token = None

    def confidential(self) -> tuple[str, ...]:
        tokens = tuple(token for token in (self._token, self._last) if token)
        return (*known((self._client_secret,)), *tokens)

    async def _renew(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id(),
            "client_secret": self._client_secret(),
            **({"scope": self._scope} if self._scope else {}),
        }
        answer = await self._fetch(form)
        where = "the token address"
        if answer.status >= 400:
            if answer.status < 500 and answer.status not in (408, 425, 429):
                raise SourceRefused(f"{where} answers {answer.status}{quoted(answer, self._hide)}")
            raise meaning_of(answer, where, self._hide, None) or Unreachable(where)
        if (problem := meaning_of(answer, where, self._hide, None)) is not None:
            raise problem
        document = answer.document()
        token = document.get("access_token") if isinstance(document, dict) else None
        if not isinstance(token, str) or not token:
            raise Unreachable(f"{where} answers without an access_token")
        self._last, self._token = self._token, token
        self._ends_at = self._clock.monotonic() + _lasts(document)

    def _hide(self, text: str) -> str:
        for value in self.confidential():
            text = text.replace(value, "[secret]")
        return text


def _lasts(document: Mapping[str, Any]) -> float:
    """For how long a token is used: less than it lasts, so that none ends on its way."""
    told = document.get("expires_in")
    seconds = float(told) if isinstance(told, int | float) and not isinstance(told, bool) else USUAL_SECONDS
    return max(seconds - EARLY_SECONDS, seconds / 2, SHORTEST_SECONDS)


def known(credentials: Any) -> tuple[str, ...]:
    """The values of those that there are."""
    found = []
    for credential in credentials:
        try:
            found.append(credential())
        except SourceRefused:
            continue
    return tuple(value for value in found if value)
