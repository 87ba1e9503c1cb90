"""What a workflow is, as people write it: the same keys over HTTP, in the configuration file and in the database.

The models hold the shape; what depends on this installation (which secrets and hosts there are) or speaks about
several fields is checked by `definition_rules`, so that each fault gets a code of its own.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from backfilld.domain.backfill_settings import DEFAULT_MAX_ATTEMPTS
from backfilld.domain.errors import Fault
from backfilld.domain.filters.paths import parse_path
from backfilld.domain.schedules import parse_schedule_zone

MOST_CREDITS = 1e12  # that one entity may cost, or a target may report
DEFAULT_TIMEOUT_SECONDS = 60.0
LONGEST_TIMEOUT_SECONDS = 86_400.0
DEFAULT_POLL_SECONDS = 5.0
MOST_HEADERS = 50
MOST_ARGUMENTS = 1000
MOST_VARIABLES = 200


class Part(BaseModel):
    """Strict and closed: a misspelt key is a fault, and "3" is not a number."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _zone(value: str) -> str:
    zone = parse_schedule_zone(value, "")
    if isinstance(zone, Fault):
        raise ValueError(zone.message)
    return value


Attempts = Annotated[int, Field(ge=1, le=20), BeforeValidator(_whole)]
Seconds = Annotated[float, Field(gt=0, le=LONGEST_TIMEOUT_SECONDS)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Url = Annotated[str, Field(min_length=1, max_length=2048)]
Argument = Annotated[str, Field(max_length=65_536)]
Zone = Annotated[str, AfterValidator(_zone)]


def _field_path(value: str) -> str:
    parse_path(value)
    return value


FieldPath = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_field_path)]
PollWords = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=50)]


class SecretReference(Part):
    """`{"secret": "name"}`: the value stands in [secrets] of the configuration file or among the credentials."""

    secret: Name = Field(description="Name of a secret.")


class ProjectSecretReference(Part):
    """`{"project_secret": "key"}`: the value was set for the workflow's project, by digdag's clients."""

    project_secret: Name = Field(description="Key of a secret of the project.")


class Poll(Part):
    """How to ask a target whether it is done."""

    url: Url | None = Field(
        default=None,
        description="Asked with GET; may hold {entity_id} and {idempotency_key}. Left out: the `poll_url` (or Location)"
        " of the target's first answer.",
    )
    interval_seconds: Annotated[float, Field(ge=0.05, le=3600)] = Field(
        default=DEFAULT_POLL_SECONDS, description="Seconds between two questions, give or take a fifth."
    )
    status: FieldPath | None = Field(
        default=None, examples=["state"], description="Dotted path of the field that says how it stands (`status`)."
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
        description="JSON. In its texts `${entity.id}`, `${entity.attributes.x}`, `${params.x}`, `${idempotency_key}`,"
        " `${attempt}`, `${backfill.id}` and `${rehearsal}` stand for values; a text that is nothing but one takes the"
        " value with its type.",
    )


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
        description="What is sent instead of the item. Only with `connection`.",
    )

    @model_validator(mode="after")
    def _request_through_a_connection(self) -> Self:
        if (self.connection is None) != (self.request is None):
            raise ValueError("`connection` and `request` need each other")
        if self.connection is not None and (self.headers or self.secret or self.completion != "response"):
            raise ValueError("with `connection` there are no `headers` and no `secret`, and `completion` is 'response'")
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


class ProgramLimits(Part):
    """What a program may take of the machine."""

    memory_mb: Annotated[int, Field(ge=1, le=1 << 24), BeforeValidator(_whole)] | None = Field(
        default=None,
        examples=[2048],
        description="MiB of address space (`ulimit -v`) of each of its processes. Java, Node and Go reserve far more"
        " than they use.",
    )
    cpu_seconds: Annotated[int, Field(ge=1, le=10_000_000), BeforeValidator(_whole)] | None = Field(
        default=None,
        examples=[600],
        description="Seconds of CPU time (`ulimit -t`) of each of its processes: SIGXCPU then, SIGKILL 5 s later.",
    )


class CommandExecutor(Part):
    """Run a program for each item."""

    type: Literal["command"]
    argv: Annotated[list[Argument], Field(min_length=1, max_length=MOST_ARGUMENTS)] = Field(
        description="The program and its arguments; no shell. The item comes on standard input, as JSON."
    )
    env: dict[Name, Argument | SecretReference] = Field(
        default_factory=dict,
        max_length=MOST_VARIABLES,
        description='Its environment besides PATH, LANG, HOME and BACKFILLD_…. What is secret: {"secret": "name"}.',
    )
    cwd: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        default=None, description="The directory it runs in; left out: the daemon's."
    )
    limits: ProgramLimits | None = Field(
        default=None,
        examples=[{"memory_mb": 2048, "cpu_seconds": 600}],
        description="What it may take of the machine; left out: what the daemon may.",
    )

    def secret_references(self) -> dict[tuple[str, ...], str]:
        """Every secret that is named: where (below the executor) → its name."""
        return {("env", name): value.secret for name, value in self.env.items() if isinstance(value, SecretReference)}


class EchoExecutor(Part):
    """Write a message into the log of each item, and nothing else."""

    type: Literal["echo"]
    message: Argument = Field(description="What is written.")

    def secret_references(self) -> dict[tuple[str, ...], str]:
        """None: a log is no place for a secret."""
        return {}


Executor = Annotated[HttpExecutor | CommandExecutor | EchoExecutor, Field(discriminator="type")]
EXECUTOR_TYPES = ("http", "command", "echo")


class WorkflowDefinition(Part):
    """One revision of a workflow, known by (project, name)."""

    name: Name = Field(description="Unique within its project.")
    project: Name = Field(default="default", description="Groups workflows.")
    executor: Executor = Field(description="What is done to an item.")
    task: Name | None = Field(
        default=None,
        examples=["report"],
        description="Name of its one task; `${task_name}` is then +<workflow>+<task>.",
    )
    timezone: Zone = Field(default="UTC", description="IANA name or offset such as +09:00; of the workflow's schedule.")
    schedule: dict[str, JsonValue] | None = Field(
        default=None,
        examples=[{"daily>": "07:00:00"}],
        description="When it runs by itself, in digdag's words; in its timezone.",
    )
    credits_per_entity: Annotated[float, Field(ge=0, le=MOST_CREDITS)] = Field(
        default=0.0, description="What one entity costs, for estimates and `max_credits`."
    )
    max_attempts: Attempts = Field(
        default=DEFAULT_MAX_ATTEMPTS, description="Tries per entity, the first one included."
    )
    timeout_seconds: Seconds = Field(default=DEFAULT_TIMEOUT_SECONDS, description="Seconds that one try may take.")
    exports: dict[Name, JsonValue] = Field(
        default_factory=dict, max_length=MOST_VARIABLES, description="Params of every session of the workflow."
    )
    substitutes: bool = Field(
        default=False,
        description="${name} in the path and query of the URL, in headers, content, arguments, message and exports"
        " stands for a variable of the session, an export or a param.",
    )
    rehearsal: bool = Field(
        default=False,
        description="Its target does nothing for real where it is handed `rehearsal` true, so backfills may rehearse.",
    )
    enabled: bool = Field(default=True, description="false: nothing of it starts, and no new backfill may name it.")

    def plain(self) -> dict[str, Any]:
        """As JSON data, without what was left at its default."""
        return self.model_dump(mode="json", exclude_unset=True)
