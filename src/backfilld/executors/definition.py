"""What a workflow is, as people write it: the same keys over HTTP, in the configuration file and in the database.

The models hold the shape; what depends on this installation (which secrets and hosts there are) or speaks about
several fields is checked by `definition_rules`, so that each fault gets a code of its own.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue

from backfilld.domain.backfill_settings import DEFAULT_MAX_ATTEMPTS
from backfilld.executors.definitions.engines import DigdagExecutor, TemporalExecutor
from backfilld.executors.definitions.http import HttpExecutor
from backfilld.executors.definitions.parts import (
    DEFAULT_TIMEOUT_SECONDS,
    MOST_ARGUMENTS,
    MOST_CREDITS,
    MOST_VARIABLES,
    Argument,
    Attempts,
    Name,
    Part,
    Seconds,
    SecretReference,
    Zone,
    whole,
)


class ProgramLimits(Part):
    """What a program may take of the machine."""

    memory_mb: Annotated[int, Field(ge=1, le=1 << 24), BeforeValidator(whole)] | None = Field(
        default=None,
        examples=[2048],
        description="MiB of address space (`ulimit -v`) of each of its processes. Java, Node and Go reserve far more"
        " than they use.",
    )
    cpu_seconds: Annotated[int, Field(ge=1, le=10_000_000), BeforeValidator(whole)] | None = Field(
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


Executor = Annotated[
    HttpExecutor | CommandExecutor | EchoExecutor | TemporalExecutor | DigdagExecutor, Field(discriminator="type")
]
EXECUTOR_TYPES = ("http", "command", "echo", "temporal", "digdag")


class Spends(Part):
    """Requests that a target sends to an API by itself, out of the budget of a connection."""

    connection: Name = Field(description="A connection of the configuration.", examples=["psa"])
    requests: Annotated[int, Field(ge=1, le=1000), BeforeValidator(whole)] = Field(
        default=1, description="So many for each start.", examples=[2]
    )


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
    spends: Spends | None = Field(
        default=None,
        examples=[{"connection": "psa", "requests": 2}],
        description="What its target asks of an API by itself with each start, out of the budget of that connection.",
    )
    rehearsal: bool = Field(
        default=False,
        description="Its target does nothing for real where it is handed `rehearsal` true, so backfills may rehearse.",
    )
    enabled: bool = Field(default=True, description="false: nothing of it starts, and no new backfill may name it.")

    def plain(self) -> dict[str, Any]:
        """As JSON data, without what was left at its default."""
        return self.model_dump(mode="json", exclude_unset=True)
