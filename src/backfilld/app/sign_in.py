"""Who is known here: API keys always, access tokens of Microsoft Entra ID where [auth.entra] is configured.

Only then are PyJWT and cryptography loaded, which are large and need not be installed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from backfilld.api.auth.keys import KeyAuthenticator
from backfilld.api.auth.roles import Authenticator
from backfilld.clock import Clock
from backfilld.config import Settings
from backfilld.config.sections.entra import EntraSettings
from backfilld.store.admin.keys import KeyStore
from backfilld.store.connection.pool import Pool

if TYPE_CHECKING:
    from backfilld.api.auth.entra_claims import Acceptance
    from backfilld.web.pages.account.sign_in_page import Directory


class Closable(Authenticator, Protocol):
    """An authenticator that lets go of what it does in the background."""

    async def close(self) -> None:
        """Call it when nobody asks any more."""


def authenticators_of(settings: Settings, pool: Pool, clock: Clock) -> tuple[Closable, ...]:
    """Everything that knows credentials, in the order in which they are shown to it."""
    keys = KeyAuthenticator(KeyStore(pool), clock)
    chosen = settings.auth.entra
    if chosen is None:
        return (keys,)
    from backfilld.api.auth.entra import EntraAuthenticator  # its packages are there: the settings made sure of it

    return keys, EntraAuthenticator(_acceptance(chosen), clock)


def directory_of(settings: Settings, known: Sequence[Authenticator], clock: Clock) -> "Directory | None":
    """Where people sign in to the dashboard beside API keys; None: nowhere else."""
    chosen = settings.auth.entra
    if chosen is None or chosen.client_secret is None:
        return None
    from backfilld.api.auth.entra import EntraAuthenticator
    from backfilld.api.auth.entra_sign_in import EntraSignIn

    (entra,) = (one for one in known if isinstance(one, EntraAuthenticator))
    secret = settings.read_secrets()[chosen.client_secret.secret]
    return EntraSignIn(_acceptance(chosen), chosen.client_id, secret, entra, clock)


def _acceptance(chosen: EntraSettings) -> "Acceptance":
    from backfilld.api.auth.entra_claims import Acceptance

    return Acceptance(
        audiences=chosen.accepted_audiences,
        tenants=frozenset(chosen.tenants),
        roles=chosen.roles,
        scopes=chosen.scopes,
        leeway_seconds=chosen.leeway_seconds,
        authority=chosen.authority,
        v1_issuer=chosen.v1_issuer,
    )
