"""What an access token of Microsoft Entra ID says, once its signature has been checked: who, from where, for how long,
and with which role.

A role is never guessed. Somebody without a role that the configuration maps is known, and still may nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hmac import compare_digest
from math import isfinite
from typing import Any, Literal
from uuid import UUID

from backfilld.domain.access.callers import ROLES, Caller, Role
from backfilld.domain.errors import Forbidden

LONGEST_NAME = 200
_NAMES = ("preferred_username", "upn", "unique_name", "name", "app_displayname")  # the first that is there

Claims = Mapping[str, Any]


class Refused(Exception):
    """The token is no good here. The text is for the log; the caller learns only that he is not known."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Which tokens are good, and for what. Ids in lower case."""

    audiences: frozenset[str]
    tenants: frozenset[str]
    roles: Mapping[str, Role]
    scopes: Mapping[str, Role] = field(default_factory=dict)
    leeway_seconds: float = 60.0
    authority: str = "https://login.microsoftonline.com"
    v1_issuer: str = "https://sts.windows.net"

    def issuer(self, tenant: str) -> str:
        """Who issues version 2 tokens of a tenant, and tells where its keys are."""
        return f"{self.authority}/{tenant}/v2.0"

    def issuers(self, tenant: str) -> Mapping[str, str]:
        """Who issues the tokens of a tenant, by their version."""
        return {"1.0": f"{self.v1_issuer}/{tenant}/", "2.0": self.issuer(tenant)}


def tenant_of(claims: Claims, acceptance: Acceptance) -> str:
    """The directory that a token says it is from; Refused unless it is one of ours. Good before the signature is."""
    tenant = claims.get("tid")
    if not isinstance(tenant, str) or tenant not in acceptance.tenants:
        raise Refused(f"the tenant is {_shown(tenant)}, which is not in auth.entra.tenants")
    return tenant


def expiry_of(claims: Claims, acceptance: Acceptance, now: datetime) -> float:
    """Seconds that the token remains good, leeway included; Refused if that is over or has not begun."""
    at, leeway = now.timestamp(), acceptance.leeway_seconds
    remaining = _instant(claims, "exp") + leeway - at
    if remaining <= 0:
        raise Refused(f"it expired {leeway - remaining:.0f} s ago")
    if "nbf" in claims and _instant(claims, "nbf") - leeway > at:
        raise Refused("it is not valid yet; does this machine's clock go right?")
    return remaining


def caller_of(claims: Claims, acceptance: Acceptance) -> Caller:
    """Whose token it is. Refused if it is not for us, or no access token; Forbidden if it carries no role."""
    tenant = tenant_of(claims, acceptance)
    _check_origin(claims, acceptance, tenant)
    oid = _oid(claims)
    is_person = _is_of_a_person(claims)
    name = _name(claims) or oid
    kind: Literal["person", "key"] = "person" if is_person else "key"
    return Caller(f"entra:{tenant}/{oid}", name, _role(claims, acceptance, name), kind)


def person_of(claims: Claims, acceptance: Acceptance, *, client_id: str, tenant: str, nonce: str) -> Caller:
    """Who signed in, by the ID token that the provider gave for it, with the role of its app roles alone.

    Refused unless it answers that very sign-in; Forbidden if it carries no role.
    """
    if tenant_of(claims, acceptance) != tenant:
        raise Refused(f"the tenant is {_shown(claims.get('tid'))}, and {tenant} was asked")
    _check_origin(claims, replace(acceptance, audiences=frozenset({client_id})), tenant)
    given = claims.get("nonce")
    if not isinstance(given, str) or not compare_digest(given.encode(), nonce.encode()):
        raise Refused("nonce is not the one of this sign-in")
    oid = _oid(claims)
    name = _name(claims) or oid
    return Caller(f"entra:{tenant}/{oid}", name, _role({**claims, "scp": None}, acceptance, name), "person")


def _check_origin(claims: Claims, acceptance: Acceptance, tenant: str) -> None:
    version, issuer, audience = claims.get("ver"), claims.get("iss"), claims.get("aud")
    issuers = acceptance.issuers(tenant)
    if not isinstance(version, str) or version not in issuers or issuer != issuers[version]:
        raise Refused(f"version {_shown(version)} does not come from {_shown(issuer)}")
    if not isinstance(audience, str) or audience not in acceptance.audiences:
        near = _near(audience, acceptance.audiences)
        raise Refused(
            f"it is made out to {_shown(audience)}, which is neither client_id nor in auth.entra.audiences{near}"
        )


def _oid(claims: Claims) -> str:
    try:
        return str(UUID(claims["oid"]))
    except (KeyError, AttributeError, TypeError, ValueError):
        raise Refused(f"oid is {_shown(claims.get('oid'))}, so nobody knows whose it is") from None


def _near(audience: Any, known: frozenset[str]) -> str:
    """What to do if it is one of ours but for a slash at its end, or for capital letters."""
    if not isinstance(audience, str):
        return ""
    for other in sorted(known):
        if audience.rstrip("/").lower() == other.rstrip("/").lower():
            return (
                f"; it differs from {other!r} by {_difference(audience, other)} alone: add it there as the token has it"
            )
    return ""


def _difference(audience: str, other: str) -> str:
    return "the slash at its end" if audience.rstrip("/") == other.rstrip("/") else "capital letters"


def _is_of_a_person(claims: Claims) -> bool:
    """True if somebody signed in; False if a service asked for itself. Refused if it is no access token at all."""
    if isinstance(claims.get("scp"), str):
        return claims.get("idtyp") != "app"
    # An ID token is signed by the same keys, for the same client. It names no application that may use it.
    if not any(isinstance(claims.get(claim), str) for claim in ("azp", "appid", "idtyp")):
        raise Refused("it is not an access token: there is neither scp nor azp nor appid")
    return False


def _role(claims: Claims, acceptance: Acceptance, name: str) -> Role:
    granted = {acceptance.roles[role] for role in _app_roles(claims) if role in acceptance.roles}
    granted |= {acceptance.scopes[scope] for scope in _scopes(claims) if scope in acceptance.scopes}
    if not granted:
        roles = ", ".join(sorted(acceptance.roles)) or "any"
        message = f"{name!r} has no role here; an administrator of the directory can assign one of: {roles}"
        raise Forbidden(message, code="no_role")
    return max(granted, key=ROLES.index)


def _app_roles(claims: Claims) -> Iterator[str]:
    roles = claims.get("roles")
    return (role for role in (roles if isinstance(roles, list) else ()) if isinstance(role, str))


def _scopes(claims: Claims) -> list[str]:
    scopes = claims.get("scp")
    return scopes.split(" ") if isinstance(scopes, str) else []


def _name(claims: Claims) -> str | None:
    """For people to read. Never for decisions: several of these can be changed by their owner."""
    found = (claims.get(claim) for claim in _NAMES)
    return next((name[:LONGEST_NAME] for name in found if isinstance(name, str) and name and name.isprintable()), None)


def _instant(claims: Claims, claim: str) -> float:
    value = claims.get(claim)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise Refused(f"{claim} is {_shown(value)}, not an instant")
    return value


def _shown(value: Any) -> str:
    return f"{value!r:.120}" if value is not None else "missing"
