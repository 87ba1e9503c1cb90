"""The keys that an identity provider signs its tokens with.

A token names its key. Keys are fetched when the first token comes, again when a token names one that is not known
(the provider changes its keys now and then), and now and then beside the requests, so that withdrawn keys go. Never
more often than RETRY_SECONDS, so whoever forges names cannot make us hammer the provider: until it may be asked again,
nobody knows whether a new name is one of its. While the provider is down, the keys that are known stay good.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from jwt import PyJWK, PyJWTError

from backfilld.api.auth.documents import ProviderFault, get_document, session_of
from backfilld.clock import Clock
from backfilld.domain.errors import Unavailable

log = structlog.get_logger(__name__)

ALGORITHM = "RS256"  # the only one that Entra signs with, and therefore the only one that is believed
RETRY_SECONDS = 30.0
OLD_SECONDS = 12 * 3600.0  # the provider asks that keys be looked at daily
_FEWEST_BITS = 2048

Keys = Mapping[str, PyJWK]  # by name (`kid`)


class SigningKeys:
    """The keys of one issuer, as `fetch` gets them. Any number of callers cause one fetch."""

    def __init__(self, fetch: Callable[[], Awaitable[Keys]], clock: Clock, issuer: str = "") -> None:
        self._fetch = fetch
        self._clock = clock
        self._issuer = issuer
        self._keys: Keys = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._is_away = False
        self._asked_for: set[str] = set()  # names that the last fetch was to find

    async def find(self, name: str) -> PyJWK | None:
        """The key of that name; None if the issuer has none. Unavailable if it could not be asked, or not yet."""
        self._ask_if_due(name)
        if name not in self._keys and self._fetching is not None:
            if not self._fetching.done():
                self._asked_for.add(name)
            await asyncio.shield(self._fetching)  # others wait for it as well
        key = self._keys.get(name)
        if key is None and self._is_away:
            raise self._unavailable("the identity provider's keys cannot be had, so this token cannot be checked")
        if key is None and name not in self._asked_for:
            raise self._unavailable("the key of this token is not known here yet, and the provider was asked just now")
        return key

    def _unavailable(self, why: str) -> Unavailable:
        wait = self._asked_at + RETRY_SECONDS - self._clock.monotonic()
        return Unavailable(why, code="identity_provider_unavailable", retry_after_seconds=max(1.0, wait))

    async def close(self) -> None:
        """Give up what is being fetched."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _ask_if_due(self, name: str) -> None:
        now = self._clock.monotonic()
        is_wanted = name not in self._keys or now >= self._fetched_at + OLD_SECONDS
        if is_wanted and now >= self._asked_at + RETRY_SECONDS:
            self._asked_at = now
            self._asked_for = set(self._keys)  # one that is withdrawn is known to be none
            self._fetching = asyncio.create_task(self._refresh(), name=f"signing-keys/{self._issuer}")

    async def _refresh(self) -> None:
        try:
            self._keys = await self._fetch()
        except Exception as problem:  # whatever it is, those who wait are told that the provider is away
            self._is_away = True
            log.warning(
                "keys of the identity provider not fetched",
                issuer=self._issuer, error=repr(problem), known_keys=len(self._keys),
            )  # fmt: skip
        else:
            self._is_away = False
            self._fetched_at = self._clock.monotonic()


async def fetch_keys(issuer: str, tenant: str, *, timeout_seconds: float) -> Keys:
    """The keys of an OpenID issuer, by way of its configuration. Raises whatever goes wrong, ProviderFault included."""
    async with asyncio.timeout(timeout_seconds), session_of(timeout_seconds) as session:
        configuration = await get_document(session, f"{issuer}/.well-known/openid-configuration")
        if configuration.get("issuer") != issuer:
            raise ProviderFault(f"it calls itself {configuration.get('issuer')!r:.200}, not {issuer!r}")
        address = configuration.get("jwks_uri")
        if not isinstance(address, str) or urlsplit(address).scheme != urlsplit(issuer).scheme:
            raise ProviderFault(f"its keys cannot be fetched from {address!r:.200}")
        return usable_keys(await get_document(session, address), tenant)


def usable_keys(document: Mapping[str, Any], tenant: str) -> Keys:
    """The keys of a JWKS document that tokens of `tenant` may be signed with; ProviderFault if there is none."""
    listed = document.get("keys")
    keys = {}
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and _may_sign(item, tenant) and (key := _key(item)) is not None:
            keys[item["kid"]] = key
    if not keys:
        raise ProviderFault("it lists no key that tokens could be signed with")
    return keys


def _may_sign(item: Mapping[str, Any], tenant: str) -> bool:
    # Microsoft lists keys of other issuers (private accounts) beside those of the tenant, and says so at each.
    issuer = item.get("issuer", tenant)
    return (
        isinstance(item.get("kid"), str)
        and item.get("kty") == "RSA"
        and item.get("use", "sig") == "sig"
        and item.get("alg", ALGORITHM) == ALGORITHM
        and isinstance(issuer, str)
        and (tenant in issuer or "{tenantid}" in issuer)
    )


def _key(item: Mapping[str, Any]) -> PyJWK | None:
    """From the numbers alone: certificates and whatever else stands beside them say nothing that we would believe."""
    try:
        key = PyJWK({"kty": "RSA", "n": item["n"], "e": item["e"]}, algorithm=ALGORITHM)
    except (PyJWTError, KeyError, TypeError, ValueError):
        return None
    return key if getattr(key.key, "key_size", 0) >= _FEWEST_BITS else None
