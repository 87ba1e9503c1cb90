"""A digdag server, or Treasure Workflow, that runs workflows for us."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from backfilld.config.fields import HttpUrl, Name, Section
from backfilld.executors.definitions.parts import SecretReference


class DigdagAuth(Section):
    """What lets us in: a secret, and how it is sent."""

    secret: Name
    scheme: Literal["TD1", "Bearer", "Basic"] = "TD1"
    username: Name | None = None

    @model_validator(mode="after")
    def _named(self) -> "DigdagAuth":
        if (self.scheme == "Basic") != (self.username is not None):
            raise ValueError("`username` goes with the scheme 'Basic', and only with that")
        return self


class DigdagEngineSettings(Section):
    """A digdag server, or Treasure Workflow; a second backfilld will do, too."""

    type: Literal["digdag"]
    url: HttpUrl = Field(
        examples=["https://api-workflow.example.com"], description="Where it answers; requests go to /api below it."
    )
    auth: DigdagAuth | None = Field(
        default=None,
        examples=[{"secret": "td_key", "scheme": "TD1"}],
        description="{secret, scheme}: `TD1` or `Bearer` in front of the secret, or `Basic` with a `username`.",
    )
    headers: dict[Name, Annotated[str, Field(max_length=4096)] | SecretReference] = Field(
        default_factory=dict,
        examples=[{"X-Team": "data"}],
        description="Sent with every request. What is secret is a reference.",
    )
    max_concurrent: int = Field(default=4, ge=1, le=100, description="Requests at once, at most.")
    requests_per_minute: int = Field(
        default=120, ge=1, le=1_000_000, description="So many requests in any 60 s, at most, by this daemon."
    )
    ask_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=3600,
        allow_inf_nan=False,
        description="Seconds between two looks at attempts that run there, give or take a fifth.",
    )

    def secret_names(self) -> Iterator[str]:
        """Every secret that it uses."""
        if self.auth is not None:
            yield self.auth.secret
        yield from (value.secret for value in self.headers.values() if isinstance(value, SecretReference))
