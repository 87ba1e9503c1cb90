"""The settings of Microsoft Entra ID: whose access tokens are good here, and which role they carry."""

import importlib.util
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.fields import HttpUrl, Name, Section, split_url
from backfilld.domain.access.callers import Role
from backfilld.domain.errors import did_you_mean
from backfilld.executors.definitions.parts import SecretReference

PACKAGES = ("jwt", "cryptography")  # what the extra `entra` brings
_SAMPLE_CLIENT = "0f4f5d0b-8a5e-4c3e-9a54-3c7b6f2f0a11"
_SAMPLE_TENANT = "6a1d2b6e-53c9-4a0c-8f6e-0d7c3f1b2e90"


def _base_url(value: str) -> str:
    """Tokens are only as good as the keys that they are checked with, so these do not come in the clear."""
    parts = split_url(value, ("http", "https"))
    if parts.query or parts.fragment:
        raise ValueError("must not carry a query or a fragment")
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        raise ValueError("must start with https:// (http:// is for this machine alone)")
    return value.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _guid(value: str) -> str:
    guid = value.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", guid):
        raise ValueError("must be an id like 6a1d2b6e-53c9-4a0c-8f6e-0d7c3f1b2e90, as the portal shows it")
    return guid


Guid = Annotated[str, AfterValidator(_guid)]
BaseUrl = Annotated[HttpUrl, AfterValidator(_base_url)]


class EntraSettings(Section):
    """People and services with an access token of Microsoft Entra ID. In force once client_id is set; needs the extra
    `entra` (pip install 'backfilld[entra]'). docs/security.md says how to register the application."""

    client_id: Guid = Field(
        examples=[_SAMPLE_CLIENT], description="The application (client) id of backfilld's own registration."
    )
    tenants: Annotated[tuple[Guid, ...], Field(strict=False)] = Field(
        examples=[[_SAMPLE_TENANT]],
        description="Directory (tenant) ids whose tokens are good here. 'common' and domain names are not ids.",
    )
    audiences: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        default=(),
        examples=[[f"api://{_SAMPLE_CLIENT}"]],
        description="Application ID URIs that tokens may be made out to, besides client_id. Empty: api://<client_id>.",
    )
    roles: dict[Name, Role] = Field(
        default_factory=dict,
        examples=[{"Backfill.Read": "viewer", "Backfill.Run": "operator", "Backfill.Admin": "admin"}],
        description="App roles of the registration, by value, and what each may do here: viewer, operator or admin."
        " Of several the highest counts. Who has none of them is refused.",
    )
    scopes: dict[Name, Role] = Field(
        default_factory=dict,
        examples=[{"Backfill.Access": "viewer"}],
        description="Delegated scopes that carry a role by themselves. Whoever can sign in can usually consent to a"
        " scope, so this lets in everybody in the tenant; better leave it empty.",
    )
    client_secret: SecretReference | None = Field(
        default=None,
        examples=[{"secret": "entra"}],
        description="A client secret of the registration. With it people sign in to the dashboard with Microsoft; its"
        " redirect URI there is <server.public_url>/sign-in/entra/callback.",
    )
    leeway_seconds: float = Field(
        default=60.0,
        ge=0,
        le=300,
        allow_inf_nan=False,
        description="How far the clocks of this machine and of the provider may be apart.",
    )
    authority: BaseUrl = Field(
        default="https://login.microsoftonline.com",
        description="Where the keys are fetched and version 2 tokens come from. National clouds have their own:"
        " https://login.microsoftonline.us, https://login.partner.microsoftonline.cn.",
    )
    v1_issuer: BaseUrl = Field(
        default="https://sts.windows.net",
        description="Where version 1 tokens say that they come from; in China https://sts.chinacloudapi.cn.",
    )

    @model_validator(mode="after")
    def _fits(self) -> "EntraSettings":
        if not self.tenants:
            raise ValueError("lets nobody in: name a directory in tenants")
        if not self.roles and not self.scopes:
            raise ValueError("lets nobody in: name app roles in roles")
        if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
            raise ValueError(f"needs the extra 'entra' ({', '.join(missing)} missing): pip install 'backfilld[entra]'")
        return self

    @property
    def accepted_audiences(self) -> frozenset[str]:
        """Everything that `aud` may say: version 2 tokens name the client id, version 1 tokens the URI."""
        return frozenset((self.client_id, *(self.audiences or (f"api://{self.client_id}",))))


def faults_in_entra(tree: Mapping[str, Any], where: str) -> Iterator[ConfigFault]:
    """A client secret that there is not."""
    auth, secrets = tree.get("auth"), tree.get("secrets")
    known = list(secrets) if isinstance(secrets, dict) else []
    entra = auth.get("entra") if isinstance(auth, dict) else None
    reference = entra.get("client_secret") if isinstance(entra, dict) else None
    secret = reference.get("secret") if isinstance(reference, dict) else None
    if isinstance(secret, str) and secret not in known:
        message = f"there is no secret '{secret}'{did_you_mean(secret, known)}"
        yield ConfigFault(where, dotted(("auth", "entra", "client_secret", "secret")), message)
