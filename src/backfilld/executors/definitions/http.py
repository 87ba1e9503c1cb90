"""The definition of an http executor: the request, what its answer means, and how to ask again."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from backfilld.domain.filters.paths import parse_path
from backfilld.executors.definitions.parts import (
    DEFAULT_POLL_SECONDS,
    MOST_HEADERS,
    MOST_VARIABLES,
    Name,
    Part,
    ProjectSecretReference,
    SecretReference,
    Url,
)


def _field_path(value: str) -> str:
    parse_path(value)
    return value


FieldPath = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_field_path)]
PollWords = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=50)]


class Poll(Part):
    """How to ask a target whether it is done."""

    url: Url | None = Field(
        default=None,
        description="Asked with GET; may hold {entity_id} and {idempotency_key}, beside `request` whatever its body may"
        " hold. Left out: the `poll_url` (or Location) of the target's first answer.",
    )
    interval_seconds: Annotated[float, Field(ge=0.05, le=3600)] = Field(
        default=DEFAULT_POLL_SECONDS, description="Seconds between two questions, give or take a fifth."
    )
    status: FieldPath | None = Field(
        default=None,
        examples=["state"],
        description="Dotted path of the field that says how it stands (`status`); through a list"
        " it leads to all of its members, and the first that says a listed word counts.",
    )
    succeeded: PollWords | None = Field(
        default=None,
        examples=[["success"]],
        description="Its values that mean success, in any case. Left out: succeeded, success, completed, complete,"
        " done.",
    )
    failed: PollWords | None = Field(
        default=None,
        examples=[["failed", "timed_out"]],
        description="Those that mean failure. Left out: failed, failure, error, canceled, cancelled.",
    )
    skipped: PollWords | None = Field(
        default=None,
        examples=[["not_needed"]],
        description="Those that mean nothing had to be done. Left out: skipped.",
    )
    try_again: PollWords | None = Field(
        default=None,
        examples=[["upstream_failed"]],
        description="Those after which it is tried again, as far as `max_attempts` allows. Left out: none.",
    )
    message: FieldPath | None = Field(
        default=None, examples=["note"], description="Dotted path of the field that says why (`message`)."
    )
    done_on: Literal["status", "not_202"] | None = Field(
        default=None,
        description="What else ends it. `not_202`: any 2xx but 202. `status`: only a status that is listed. Left out: a"
        " listed status, 204, or a 303 to the result.",
    )


class RequestTemplate(Part):
    """The request of each item, where it is not ours."""

    method: Literal["POST", "PUT", "PATCH"] = Field(default="POST", description="How it is sent.")
    body: JsonValue = Field(
        default=None,
        examples=[{"id": "${entity.attributes.id}", "priority": 2}],
        description="JSON. In its texts `${entity.id}`, `${entity.attributes.x}`, `${session.session_time}`,"
        " `${params.x}`, `${idempotency_key}`, `${run_name}`, `${attempt}`, `${backfill.id}` and `${rehearsal}` stand"
        " for values; a text that is nothing but one takes the value with its type.",
    )


class CancelTemplate(Part):
    """The request that takes a run back which nobody wants any more."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"] = Field(default="POST", description="How it is sent.")
    url: Url = Field(
        examples=["https://api.example.com/runs/{run_name}/cancel"],
        description="Where it is sent; may hold {run_name} and whatever else the body of `request` may.",
    )
    body: JsonValue = Field(default=None, examples=[{"state": "failed"}], description="JSON, as that of `request`.")


class HttpExecutor(Part):
    """POST each item to a URL."""

    type: Literal["http"]
    url: Url = Field(description="Where each item is sent by POST.")
    headers: dict[Name, Annotated[str, Field(max_length=4096)] | SecretReference | ProjectSecretReference] = Field(
        default_factory=dict,
        max_length=MOST_HEADERS,
        description='Sent along. Whatever is secret is a reference: {"secret": "name"}.',
    )
    secret: SecretReference | ProjectSecretReference | None = Field(
        default=None, description="Signs each request (Standard Webhooks), so that the target knows it is from here."
    )
    completion: Literal["response", "poll"] = Field(
        default="response", description="`response`: a 2xx ends the item. `poll`: ask until the target says it is done."
    )
    poll: Poll | None = Field(default=None, description="Only for completion `poll`.")
    content: dict[Name, JsonValue] | None = Field(
        default=None,
        max_length=MOST_VARIABLES,
        examples=[{"model": "small"}],
        description="Sent along with each item, among its params.",
    )
    connection: Name | None = Field(
        default=None,
        examples=["psa"],
        description="A connection of the configuration: `url` is then a path below its base, that may hold {entity.id};"
        " credentials, budget and limits come from there. Needs `request`.",
    )
    request: RequestTemplate | None = Field(
        default=None,
        examples=[{"method": "PATCH", "body": {"id": "${entity.attributes.id}", "priority": 2}}],
        description="What is sent instead of the item, so that an API that was not made for us is a target. `url` may"
        " then hold {entity.id} and the like.",
    )
    attach_on: Annotated[list[Annotated[int, Field(ge=400, le=499)]], Field(max_length=10)] | None = Field(
        default=None,
        examples=[[409]],
        description="Answers to `request` that mean: there is a run of that name already. It is asked for at"
        " `poll.url`.",
    )
    cancel: CancelTemplate | None = Field(
        default=None,
        examples=[{"method": "DELETE", "url": "https://api.example.com/runs/{run_name}"}],
        description="Sent where what was started is not wanted any more: somebody cancelled it, or killed it.",
    )

    @model_validator(mode="after")
    def _request_through_a_connection(self) -> Self:
        if self.connection is not None and self.request is None:
            raise ValueError("`connection` needs `request`")
        if self.connection is not None and (self.headers or self.secret or self.completion != "response"):
            raise ValueError("with `connection` there are no `headers` and no `secret`, and `completion` is 'response'")
        return self

    @model_validator(mode="after")
    def _attaches_to_what_can_be_asked_for(self) -> Self:
        if (self.attach_on or self.cancel) and (self.request is None or self.connection is not None):
            raise ValueError("`attach_on` and `cancel` go with `request`, and not with `connection`")
        if self.attach_on and (self.poll is None or self.poll.url is None):
            raise ValueError("`attach_on` needs `poll` with a `url`, to ask for the run that there is already")
        if self.request is not None and self.content is not None:
            raise ValueError("`content` goes with the item that we send, and not with `request`")
        return self

    @model_validator(mode="after")
    def _poll_only_when_polling(self) -> Self:
        if self.poll is not None and self.completion != "poll":
            raise ValueError("`poll` needs `completion` to be 'poll'")
        return self

    def secret_references(self) -> dict[tuple[str, ...], str]:
        """Every secret of this installation that is named: where (below the executor) → its name."""
        found = {
            ("headers", header): value.secret
            for header, value in self.headers.items()
            if isinstance(value, SecretReference)
        }
        return found | ({("secret",): self.secret.secret} if isinstance(self.secret, SecretReference) else {})

    @property
    def names_project_secrets(self) -> bool:
        """Whether a secret of the project is needed."""
        return any(isinstance(value, ProjectSecretReference) for value in (self.secret, *self.headers.values()))
