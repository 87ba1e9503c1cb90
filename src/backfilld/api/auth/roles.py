"""Who is asking, and whether he may.

Credentials are shown to every `Authenticator` in turn; the first that knows them says who the caller is. Unknown,
expired and revoked credentials look the same from outside. Only attempts in vain are counted against an address:
many callers may share one, and a single misconfigured client must not shut out the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from backfilld.api.auth.limits import Limiter, Quota
from backfilld.api.client_addresses import neighbourhood
from backfilld.domain.access.callers import Caller, Role
from backfilld.domain.errors import Forbidden, InvalidToken, RateLimited, Unauthenticated

log = structlog.get_logger(__name__)

_LONGEST_HEADER = 16_384  # access tokens grow with the groups that somebody is in


class Authenticator(Protocol):
    """Knows one kind of credentials."""

    async def authenticate(self, token: str) -> Caller | None:
        """Whose token that is; None if it is not known here (or no longer). `Forbidden`: known, but without a role."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A caller who may go on, and what is left of his requests."""

    caller: Caller
    quota: Quota


class Doorkeeper:
    """Decides about every request to a route that asks for a role."""

    def __init__(self, authenticators: Sequence[Authenticator], limits: Limiter, failed_logins: Limiter) -> None:
        self._authenticators = tuple(authenticators)
        self._limits = limits
        self._failed_logins = failed_logins

    async def identify(self, header: str | None, schemes: Sequence[str], address: str) -> Admission:
        """The caller whom an `Authorization` header names; Unauthenticated, or RateLimited.

        `schemes` are those that the path speaks, in lower case (`bearer`, `td1`).
        """
        token = _token(header, schemes)
        caller = await self._ask(token) if token is not None else None
        if caller is None:
            raise self._refusal(address, token)
        return Admission(caller, self.count(caller))

    def count(self, caller: Caller) -> Quota:
        """One more request of somebody who is known already."""
        return self._limits.take(caller.identity)

    def refuse(self, address: str) -> InvalidToken | RateLimited:
        """What to answer to one more attempt in vain from there, by other credentials than those of a header."""
        return self._counted(address)

    async def _ask(self, token: str) -> Caller | None:
        for authenticator in self._authenticators:
            caller = await authenticator.authenticate(token)
            if caller is not None:
                return caller
        return None

    def _refusal(self, address: str, token: str | None) -> Exception:
        if token is None:
            return Unauthenticated("send an API key: Authorization: Bearer neo_sk_…")
        return self._counted(address)

    def _counted(self, address: str) -> InvalidToken | RateLimited:
        quota = self._failed_logins.take(neighbourhood(address))
        if quota.exceeded:
            message = "too many attempts with unknown credentials from this address"
            return RateLimited(message, retry_after_seconds=quota.reset_seconds)
        if quota.remaining == 0:  # once, and not for every further try
            log.warning("too many attempts with unknown credentials", client=address, in_a_minute=quota.limit)
        return InvalidToken("these credentials are not known, or no longer")


def require(caller: Caller, role: Role) -> None:
    """Forbidden unless the caller's role is at least `role`."""
    if not caller.may(role):
        raise Forbidden(f"this needs the role {role}; {caller.name!r} is {caller.role}")


def _token(header: str | None, schemes: Sequence[str]) -> str | None:
    if header is None or len(header) > _LONGEST_HEADER:
        return None
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() in schemes and token and token.isascii() else None
