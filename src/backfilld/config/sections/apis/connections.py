"""APIs that entities come from: where each is, how one is let in, and how often it may be asked."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.fields import HttpUrl, Name, Section
from backfilld.config.presets import PRESETS, preset
from backfilld.domain.errors import did_you_mean
from backfilld.executors.definitions.parts import SecretReference

MOST_CONNECTIONS = 20
OF_PRESETS = (
    "username", "integration_code", "secret", "company", "public_key", "private_key", "client_id", "tenant",
    "client_secret", "scope", "pause_at",
    "push_case_insensitive",
)  # fmt: skip


class BearerAuth(Section):
    """`Authorization: Bearer …`."""

    type: Literal["bearer"]
    token: SecretReference


class BasicAuth(Section):
    """A name and a password."""

    type: Literal["basic"]
    username: Name
    password: SecretReference


class HeaderAuth(Section):
    """A header of any name."""

    type: Literal["header"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=255)]
    value: SecretReference


class OAuth2Auth(Section):
    """A token, by client credentials."""

    type: Literal["oauth2"]
    token_url: HttpUrl
    client_id: Name
    client_secret: SecretReference
    scope: str | None = None


Auth = Annotated[BearerAuth | BasicAuth | HeaderAuth | OAuth2Auth, Field(discriminator="type")]


class ConnectionSettings(Section):
    """One API with one account."""

    preset: Literal["autotask", "connectwise", "halo"] | None = Field(
        default=None,
        examples=["autotask"],
        description="A system that is known by name. Left out: any other, of which the types say what it is like.",
    )
    url: HttpUrl | None = Field(
        default=None,
        examples=["https://crm.example.com/api/v2"],
        description="The address that every path is put behind. Credentials go there and nowhere else.",
    )
    auth: Auth | None = Field(
        default=None,
        examples=[{"type": "bearer", "token": {"secret": "api_token"}}],
        description='How one is let in: {type = "bearer", token}, {type = "basic", username, password}, {type ='
        ' "header", name, value} or {type = "oauth2", token_url, client_id, client_secret, scope}. What is secret is a'
        " reference.",
    )
    headers: dict[Name, Annotated[str, Field(max_length=4096)]] = Field(
        default_factory=dict, examples=[{"Accept": "application/json"}], description="Sent with every request."
    )
    test_path: str | None = Field(
        default=None,
        pattern=r"^/",
        examples=["/me"],
        description="Any cheap GET, to see whether all is well.",
    )
    requests_per_hour: int | None = Field(
        default=None, ge=1, le=10_000_000, examples=[5000], description="So many requests in any 3,600 s, at most."
    )
    requests_per_minute: int | None = Field(
        default=None, ge=1, le=1_000_000, examples=[60], description="So many requests in any 60 s, at most."
    )
    max_concurrent: int = Field(default=4, ge=1, le=100, description="Requests at once, at most.")
    max_concurrent_per_endpoint: int | None = Field(
        default=None, ge=1, le=100, examples=[2], description="Of them to one endpoint. Left out: no limit of its own."
    )
    allow_private_address: bool = Field(
        default=False,
        description="true: the address may be loopback or in a private network. A cloud's metadata service never.",
    )

    executors: bool = Field(
        default=False, description="true: workflows that `used_by` names may send requests through it, in its budget."
    )
    used_by: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        default=(),
        examples=[["default/reclassify"]],
        description="Which workflows may: 'name', 'project/name' or 'project/*'. Left out: none.",
    )
    username: Name | None = Field(
        default=None, examples=["api@example.com"], description="Of a preset: the user, where one is let in by name."
    )
    integration_code: SecretReference | None = Field(
        default=None,
        examples=[{"secret": "autotask_code"}],
        description="Of the preset 'autotask': the API tracking identifier.",
    )
    secret: SecretReference | None = Field(
        default=None,
        examples=[{"secret": "autotask"}],
        description="Of the preset 'autotask': the secret of the API user.",
    )
    company: Name | None = Field(
        default=None, examples=["example"], description="Of the preset 'connectwise': the company to sign in to."
    )
    public_key: Name | None = Field(
        default=None,
        examples=["Qm4xWlZ0a1"],
        description="Of the preset 'connectwise': the public key of the API member.",
    )
    private_key: SecretReference | None = Field(
        default=None,
        examples=[{"secret": "connectwise"}],
        description="Of the preset 'connectwise': the private key of the API member.",
    )
    client_id: Name | None = Field(
        default=None,
        examples=["0f4f5d0b-8a5e-4c3e-9a54-3c7b6f2f0a11"],
        description="Of the presets 'connectwise' and 'halo': the client id of the integration.",
    )
    tenant: Name | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9-]+$",
        examples=["example"],
        description="Of the preset 'halo': the tenant, whose API is at <tenant>.halopsa.com unless `url` says another.",
    )
    client_secret: SecretReference | None = Field(
        default=None, examples=[{"secret": "halo"}], description="Of the preset 'halo': the secret of the client id."
    )
    scope: str = Field(default="all", description="Of the preset 'halo': what the token is to be good for.")
    pause_at: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Of the preset 'autotask': at this share of its hourly threshold, all integrations together,"
        " planning stops; above three quarters reading, too.",
    )
    push_case_insensitive: bool = Field(
        default=True,
        description="Of presets. false: rules that ignore case are never asked of the API. It matters for letters that"
        " fold into ASCII, such as the sharp s.",
    )

    def secret_names(self) -> Iterator[str]:
        """Every secret that it uses."""
        for holder in (self, self.auth):
            if holder is not None:
                for name in type(holder).model_fields:
                    inner = getattr(holder, name)
                    if isinstance(inner, SecretReference):
                        yield inner.secret

    @model_validator(mode="after")
    def _whole(self) -> "ConnectionSettings":
        known = None if self.preset is None else preset(self.preset)
        if known is None and self.url is None:
            raise ValueError(f"needs a url, or a preset ({', '.join(PRESETS)})")
        if known is not None and self.auth is not None:
            raise ValueError(f"the preset '{self.preset}' knows how one is let in; leave auth out")
        needed = () if known is None else known.needs
        if missing := [name for name in needed if getattr(self, name) is None]:
            raise ValueError(f"the preset '{self.preset}' needs {' and '.join(missing)}")
        of_presets = {name for name in OF_PRESETS if name in self.model_fields_set}
        if stray := sorted(of_presets - set(() if known is None else (*known.needs, *known.takes))):
            where = "no preset" if known is None else f"the preset '{self.preset}'"
            raise ValueError(f"{', '.join(stray)}: {where} takes that")
        return self

    def limit(self, name: str) -> Any:
        """A limit of the budget: as it was written, else as the preset says, else the usual one."""
        if name not in self.model_fields_set and self.preset is not None:
            return preset(self.preset).connection.get(name, getattr(self, name))
        return getattr(self, name)


def faults_in_connections(tree: Mapping[str, Any], where: str) -> Iterator[ConfigFault]:
    """What the shape does not show: too many, and secrets that there are not. Read from the raw tree."""
    connections, secrets = tree.get("connections"), tree.get("secrets")
    known = list(secrets) if isinstance(secrets, dict) else []
    if not isinstance(connections, dict):
        return
    if len(connections) > MOST_CONNECTIONS:
        yield ConfigFault(where, "connections", f"are {len(connections)}, and may be {MOST_CONNECTIONS} at most")
    for path, name in secrets_in(connections, ("connections",)):
        if name not in known:
            yield ConfigFault(where, dotted(path), f"there is no secret '{name}'{did_you_mean(name, known)}")


def secrets_in(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every reference to a secret in a raw tree: where, and its name."""
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key == "secret" and isinstance(inner, str):
            yield (*path, key), inner
        else:
            yield from secrets_in(inner, (*path, str(key)))
