"""Knows access tokens of Microsoft Entra ID.

Nothing that a token says is believed before its signature is checked with a key of the tenant that it names; what it
says of algorithms and keys is never followed. A token that was checked is believed for a minute, or until it expires.
Why one was refused stands in the log, not in the answer.

Needs the extra `entra`, so it is imported only where [auth.entra] is configured.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import structlog
from jwt import PyJWS, PyJWTError

from backfilld.api.auth.entra_claims import Acceptance, Claims, Refused, caller_of, expiry_of, tenant_of
from backfilld.api.auth.jwks import ALGORITHM, SigningKeys, fetch_keys
from backfilld.clock import Clock
from backfilld.domain.access.callers import Caller

log = structlog.get_logger(__name__)

LONGEST_TOKEN = 16 * 1024
BELIEVED_SECONDS = 60.0
FETCH_TIMEOUT_SECONDS = 5.0
_LONGEST_KEY_NAME = 256
_MOST_REMEMBERED = 1_000
_TOLD_EVERY_SECONDS = 10.0

_SIGNATURES = PyJWS(algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True)
class _Believed:
    caller: Caller
    until: float


class EntraAuthenticator:
    """An `Authenticator` for tokens of the tenants in `acceptance`. Close it when nobody asks any more."""

    def __init__(
        self, acceptance: Acceptance, clock: Clock, *, fetch_timeout_seconds: float = FETCH_TIMEOUT_SECONDS
    ) -> None:
        self._acceptance = acceptance
        self._clock = clock
        self._believed: OrderedDict[bytes, _Believed] = OrderedDict()
        self._told_at = float("-inf")
        self._keys = {
            tenant: _keys_of(acceptance.issuer(tenant), tenant, clock, fetch_timeout_seconds)
            for tenant in acceptance.tenants
        }

    async def authenticate(self, token: str) -> Caller | None:
        """Whose token that is. Forbidden: known, without a role. Unavailable: the keys to check it cannot be had."""
        if len(token) > LONGEST_TOKEN or token.count(".") != 2:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        believed = self._believed.get(digest)
        if believed is not None and self._clock.monotonic() < believed.until:
            return believed.caller
        try:
            claims = await self.verified(token)
            remaining = expiry_of(claims, self._acceptance, self._clock.now())
            caller = caller_of(claims, self._acceptance)
        except Refused as refusal:
            self._tell(refusal)
            return None
        self._remember(digest, _Believed(caller, self._clock.monotonic() + min(remaining, BELIEVED_SECONDS)))
        return caller

    async def close(self) -> None:
        """Give up what is being fetched."""
        await asyncio.gather(*(keys.close() for keys in self._keys.values()))

    async def verified(self, token: str) -> Claims:
        """What the token says, if one of its tenant's keys has signed that. Refused; Unavailable."""
        header, unproven = _parts(token)
        if header.get("alg") != ALGORITHM:
            raise Refused(f"it is signed with {header.get('alg')!r:.40}, not {ALGORITHM}")
        name = header.get("kid")
        if not isinstance(name, str) or len(name) > _LONGEST_KEY_NAME:
            raise Refused("it names no key")
        key = await self._keys[tenant_of(unproven, self._acceptance)].find(name)
        if key is None:
            raise Refused(f"the key {name!r:.80} is not one of its tenant's")
        try:
            return _object(_SIGNATURES.decode(token, key, algorithms=[ALGORITHM]))
        except PyJWTError as problem:
            raise Refused(f"its signature is wrong: {problem}") from None

    def _remember(self, digest: bytes, believed: _Believed) -> None:
        self._believed[digest] = believed
        self._believed.move_to_end(digest)
        if len(self._believed) > _MOST_REMEMBERED:
            self._believed.popitem(last=False)

    def _tell(self, refusal: Refused) -> None:
        """Loud enough for whoever sets this up, without letting strangers fill the log."""
        now = self._clock.monotonic()
        if now < self._told_at + _TOLD_EVERY_SECONDS:
            log.debug("access token refused", reason=str(refusal))
            return
        self._told_at = now
        log.info("access token refused", reason=str(refusal))


def _keys_of(issuer: str, tenant: str, clock: Clock, timeout_seconds: float) -> SigningKeys:
    return SigningKeys(partial(fetch_keys, issuer, tenant, timeout_seconds=timeout_seconds), clock, issuer)


def _parts(token: str) -> tuple[Mapping[str, Any], Claims]:
    """Header and claims as they stand there, believed by nobody yet."""
    try:
        read = _SIGNATURES.decode_complete(token, options={"verify_signature": False})
    except (PyJWTError, RecursionError, UnicodeError):  # older versions of PyJWT let the last two pass
        raise Refused("it is not a signed token") from None
    return read["header"], _object(read["payload"])


def _object(payload: bytes) -> Claims:
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        claims = None
    if not isinstance(claims, dict):
        raise Refused("it says nothing that can be read")
    return claims
