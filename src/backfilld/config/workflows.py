"""Workflows that are written down in the configuration file: the keys are those of the HTTP API."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from backfilld.config.fields import HttpUrl, Name, Seconds, Section, Zone

# A header of these names is a secret by itself, so it has to be a reference to one.
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})


class SecretReference(Section):
    """`{ secret = "name" }`: the value stands in [secrets] or among the credentials."""

    secret: Name = Field(description="Name of an entry of [secrets], or of a file in $CREDENTIALS_DIRECTORY.")


class PollSettings(Section):
    """How to ask a target whether it is done."""

    url: HttpUrl = Field(
        examples=["https://api.example.com/status"], description="Asked with GET until the answer's `status` is final."
    )
    interval_seconds: Seconds = Field(default=5.0, description="Seconds between two questions.")


class HttpExecutorSettings(Section):
    """POST each item to a URL."""

    type: Literal["http"] = Field(examples=["http"], description="The only type there is so far.")
    url: HttpUrl = Field(examples=["https://api.example.com/classify"], description="Where each item is sent by POST.")
    headers: dict[Name, str | SecretReference] = Field(
        default_factory=dict,
        examples=[{"Authorization": {"secret": "crm_token"}}],
        description='Sent along. A secret is a reference: { secret = "name" }.',
    )
    secret: SecretReference | None = Field(
        default=None,
        examples=[{"secret": "crm_token"}],
        description="Signs each request (Standard Webhooks), so that the target knows it is from here.",
    )
    completion: Literal["response", "poll"] = Field(
        default="response", description="`response`: a 2xx ends the item. `poll`: ask [poll] until it is done."
    )
    poll: PollSettings | None = Field(default=None, description="Needed for, and only for, completion = 'poll'.")

    @field_validator("secret", mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"secret": value} if isinstance(value, str) else value

    @field_validator("headers")
    @classmethod
    def _no_literal_secrets(cls, value: dict[str, str | SecretReference]) -> dict[str, str | SecretReference]:
        for name, content in value.items():
            if name.lower() in SECRET_HEADERS and isinstance(content, str):
                raise ValueError(f'{name} is a secret: put it into [secrets], and write {name} = {{ secret = "…" }}')
        return value

    @model_validator(mode="after")
    def _poll_fits(self) -> "HttpExecutorSettings":
        if (self.completion == "poll") != (self.poll is not None):
            raise ValueError("completion = 'poll' and the table `poll` belong together")
        return self

    def secret_names(self) -> list[str]:
        """Every secret that is referred to."""
        references = [self.secret, *self.headers.values()]
        return [reference.secret for reference in references if isinstance(reference, SecretReference)]


class WorkflowSettings(Section):
    """One workflow, read-only over HTTP. Known by (project, name), whose id stays the same for ever."""

    name: Name = Field(examples=["classify"], description="Unique within its project.")
    project: Name = Field(default="default", description="Groups workflows.")
    executor: HttpExecutorSettings = Field(description="What is done to an item.")
    timezone: Zone = Field(default="UTC", description="IANA name; of the workflow's schedule.")
    credits_per_entity: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="What one entity costs, for estimates and `max_credits`."
    )
    max_attempts: int = Field(default=3, ge=1, le=20, description="Tries per entity, the first one included.")
    timeout_seconds: Seconds = Field(default=60.0, description="Seconds that one try may take.")
    enabled: bool = Field(default=True, description="false: nothing of it starts, and no new backfill may name it.")

    def definition(self) -> dict[str, Any]:
        """As the API would have been sent it: plain JSON, without what was left at its default."""
        return self.model_dump(mode="json", exclude_unset=True)
