"""APIs that entities come from: where each is, how one is let in, and how often it may be asked."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.fields import HttpUrl, Name, Section
from backfilld.domain.errors import did_you_mean
from backfilld.executors.definition import SecretReference

MOST_CONNECTIONS = 20


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

    def secret_names(self) -> Iterator[str]:
        """Every secret that it uses."""
        for value in (self.auth,):
            if value is not None:
                for name in type(value).model_fields:
                    inner = getattr(value, name)
                    if isinstance(inner, SecretReference):
                        yield inner.secret

    @model_validator(mode="after")
    def _has_address(self) -> "ConnectionSettings":
        if self.url is None:
            raise ValueError("needs a url")
        return self


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
