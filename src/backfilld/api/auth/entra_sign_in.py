"""People who sign in to the dashboard at Microsoft Entra ID: authorization code with PKCE (RFC 7636, OpenID Connect).

What is remembered of an attempt stays with the browser that began it, and must come back with the answer. An answer is
believed for its code alone, and that for the ID token that the provider gives for it over TLS.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import structlog

from backfilld.api.auth.attempts import Attempt
from backfilld.api.auth.documents import ProviderFault, get_document, read_document, session_of
from backfilld.api.auth.entra import FETCH_TIMEOUT_SECONDS, EntraAuthenticator
from backfilld.api.auth.entra_claims import Acceptance, Refused, expiry_of, person_of
from backfilld.clock import Clock
from backfilld.domain.access.callers import Caller
from backfilld.domain.errors import InvalidToken, Unavailable

log = structlog.get_logger(__name__)

OLD_SECONDS = 12 * 3600.0
SCOPES = "openid profile"


@dataclass(frozen=True, slots=True)
class _Endpoints:
    authorization: str
    token: str
    until: float


class EntraSignIn:
    """Sends people to their directory, and knows them when they come back."""

    def __init__(
        self, acceptance: Acceptance, client_id: str, client_secret: str, known: EntraAuthenticator, clock: Clock,
        *, timeout_seconds: float = FETCH_TIMEOUT_SECONDS,
    ) -> None:  # fmt: skip
        self._tenants = tuple(sorted(acceptance.tenants))
        self._acceptance = acceptance
        self._client_id = client_id
        self._client_secret = client_secret
        self._known = known
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._endpoints: dict[str, _Endpoints] = {}

    @property
    def tenants(self) -> Sequence[str]:
        """The directories that people may come from."""
        return self._tenants

    def is_ours(self, attempt: Attempt) -> bool:
        """Whether it is at a directory that is asked here."""
        return attempt.tenant in self._tenants

    def begin(self, tenant: str) -> Attempt:
        """Another attempt, which nobody can guess."""
        return Attempt(tenant, secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))

    async def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where a browser goes with it. Unavailable while the provider does not tell."""
        digest = hashlib.sha256(attempt.verifier.encode()).digest()
        asked = {
            "client_id": self._client_id, "response_type": "code", "response_mode": "query", "scope": SCOPES,
            "redirect_uri": redirect_uri, "state": attempt.state, "nonce": attempt.nonce, "prompt": "select_account",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), "code_challenge_method": "S256",
        }  # fmt: skip
        endpoint = (await self._find(attempt.tenant)).authorization
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    async def finish(self, attempt: Attempt, code: str, redirect_uri: str) -> Caller:
        """Who came back with that code. InvalidToken; Forbidden for somebody without a role; Unavailable."""
        token = await self._exchange(attempt, code, redirect_uri)
        try:
            claims = await self._known.verified(token)
            expiry_of(claims, self._acceptance, self._clock.now())
            return person_of(
                claims, self._acceptance, client_id=self._client_id, tenant=attempt.tenant, nonce=attempt.nonce
            )  # fmt: skip
        except Refused as refusal:
            log.warning("the provider's answer to a sign-in is refused", reason=str(refusal))
            raise InvalidToken("the identity provider's answer is no good here; the log says why") from None

    async def _exchange(self, attempt: Attempt, code: str, redirect_uri: str) -> str:
        asked = {
            "client_id": self._client_id, "client_secret": self._client_secret, "grant_type": "authorization_code",
            "code": code, "redirect_uri": redirect_uri, "code_verifier": attempt.verifier, "scope": SCOPES,
        }  # fmt: skip
        endpoint = (await self._find(attempt.tenant)).token
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                session_of(self._timeout_seconds) as session,
                session.post(endpoint, data=asked, allow_redirects=False) as answer,
            ):
                if answer.status == 400 or answer.status == 401:
                    document = await read_document(answer, endpoint)
                    log.warning("the provider takes no code", error=str(document.get("error"))[:100])
                    raise InvalidToken("the identity provider does not take this sign-in; try again")
                if answer.status != 200:
                    raise ProviderFault(f"{endpoint} answers {answer.status}")
                token = (await read_document(answer, endpoint)).get("id_token")
        except (aiohttp.ClientError, TimeoutError, ProviderFault, OSError) as problem:
            raise _away(problem) from problem
        if not isinstance(token, str):
            raise _away(ProviderFault(f"{endpoint} gives no id_token"))
        return token

    async def _find(self, tenant: str) -> _Endpoints:
        found = self._endpoints.get(tenant)
        if found is None or self._clock.monotonic() >= found.until:
            found = self._endpoints[tenant] = await self._fetch(self._acceptance.issuer(tenant))
        return found

    async def _fetch(self, issuer: str) -> _Endpoints:
        try:
            async with asyncio.timeout(self._timeout_seconds), session_of(self._timeout_seconds) as session:
                document = await get_document(session, f"{issuer}/.well-known/openid-configuration")
            return self._read(document, issuer)
        except (aiohttp.ClientError, TimeoutError, ProviderFault, OSError) as problem:
            raise _away(problem) from problem

    def _read(self, document: Mapping[str, Any], issuer: str) -> _Endpoints:
        if document.get("issuer") != issuer:
            raise ProviderFault(f"it calls itself {document.get('issuer')!r:.200}, not {issuer!r}")
        found = [document.get(name) for name in ("authorization_endpoint", "token_endpoint")]
        for one in found:
            if not isinstance(one, str) or urlsplit(one).scheme != urlsplit(issuer).scheme:
                raise ProviderFault(f"people cannot be sent to {one!r:.200}")
        return _Endpoints(str(found[0]), str(found[1]), self._clock.monotonic() + OLD_SECONDS)


def _away(problem: Exception) -> Unavailable:
    log.warning("the identity provider cannot be asked", error=repr(problem))
    message = "the identity provider does not answer, so nobody can sign in with it now; API keys need none of it"
    return Unavailable(message, code="identity_provider_unavailable", retry_after_seconds=30)
