"""Every setting: its unit, its default, and why one would change it.

`config.example.toml` is printed from this page (`python -m backfilld.config.example`), so a description
here is what an operator reads there.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from backfilld.config.fields import FilePath, Name, Section
from backfilld.config.sections.apis.connections import ConnectionSettings
from backfilld.config.sections.brakes import BrakeName, BrakeSettings
from backfilld.config.sections.dashboard import DashboardSettings
from backfilld.config.sections.database import DatabaseSettings
from backfilld.config.sections.engine import EngineSettings, ExecutorsSettings
from backfilld.config.sections.engines import AnyEngineSettings
from backfilld.config.sections.entity_types import EntityTypeSettings
from backfilld.config.sections.entra import EntraSettings
from backfilld.config.sections.notifications import NotificationSettings
from backfilld.config.sections.retention import RetentionSettings
from backfilld.config.sections.schedules import ExecutorSettings, SchedulesSettings
from backfilld.config.sections.server import ServerSettings
from backfilld.config.sections.targets import TargetSettings
from backfilld.config.sections.workflows import WorkflowSettings
from backfilld.domain.entities.records import EntityType
from backfilld.executors.secret_use import SecretUse, uses_of


class StateSettings(Section):
    """What the daemon keeps on disk: the embedded database."""

    directory: FilePath = Field(
        default=Path("~/.local/state/backfilld"),
        validate_default=True,
        description="A folder of this daemon's own. Default: $STATE_DIRECTORY (set by systemd), else"
        " $XDG_STATE_HOME/backfilld, else ~/.local/state/backfilld.",
    )

    @property
    def postgres(self) -> Path:
        """The folder of the embedded PostgreSQL."""
        return self.directory / "postgres"


class AuthSettings(Section):
    """Who may ask."""

    key_environment: str = Field(
        default="live",
        pattern=r"^[a-z0-9]{1,16}$",
        description="The <env> of new API keys, neo_sk_<env>_<secret>: tells keys of a test system by their look.",
    )
    entra: EntraSettings | None = Field(default=None, description=EntraSettings.__doc__)


class MetricsSettings(Section):
    """GET /metrics, for Prometheus."""

    public: bool = Field(
        default=False,
        description="true: no key is asked for. Never needed on a loopback address without trusted_proxies, where that"
        " is so anyway.",
    )


class LoggingSettings(Section):
    """What is told on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="'debug' tells of every entity, which costs more than processing it."
    )
    format: Literal["auto", "json", "pretty"] = Field(
        default="auto", description="'auto' is pretty on a terminal and JSON elsewhere."
    )


class SecretSettings(Section):
    """One secret; exactly one of the two."""

    file: FilePath | None = Field(
        default=None,
        examples=["crm_token"],
        description="A file that holds the secret; a second line is the old one, while it is being rotated.",
    )
    value: SecretStr | None = Field(
        default=None,
        examples=["not-a-real-secret"],
        description="The secret itself. Then nobody else may read this file.",
    )

    prefix: str = Field(
        default="",
        max_length=100,
        pattern=r"^[ -~]*$",
        description="Put in front of each of its lines: 'Bearer ' makes a header of a token.",
    )
    reread: bool = Field(
        default=False,
        description="true: its file is read again every half a minute, and not only at SIGHUP; for tokens that somebody"
        " else renews, as Kubernetes does.",
    )
    hosts: Annotated[tuple[Name, ...], Field(strict=False)] | None = Field(
        default=None,
        examples=[["api.example.com"]],
        description="Where workflows may send it, or what they sign with it: as in executors.allowed_hosts; then no"
        " program is given it. Left out: to any target that a workflow names.",
    )
    used_by: Annotated[tuple[Name, ...], Field(strict=False)] | None = Field(
        default=None,
        examples=[["classify", "sales/*"]],
        description="Which workflows may name it: 'name', 'project/name' or 'project/*'. Left out: any; [] for none."
        " The DSN of a source is for no workflow in any case.",
    )

    @model_validator(mode="after")
    def _one(self) -> "SecretSettings":
        if (self.file is None) == (self.value is None):
            raise ValueError("must have either file or value")
        if self.reread and self.file is None:
            raise ValueError("`reread` goes with `file`")
        return self

    def read(self) -> str:
        """The secret as it is now; OSError if its file cannot be read."""
        if self.file is not None:
            text = self.file.read_text(encoding="utf-8").removesuffix("\n")
        else:
            text = self.value.get_secret_value() if self.value is not None else ""
        if not self.prefix:
            return text
        return "\n".join(f"{self.prefix}{line.strip()}" for line in text.splitlines() if line.strip())


class Settings(Section):
    """The whole configuration."""

    server: ServerSettings = ServerSettings()
    state: StateSettings = Field(default_factory=StateSettings)  # only now: a user of systemd's has no home to expand
    database: DatabaseSettings = DatabaseSettings()
    auth: AuthSettings = AuthSettings()
    engine: EngineSettings = EngineSettings()
    executors: ExecutorsSettings = ExecutorsSettings()
    executor: ExecutorSettings = ExecutorSettings()
    schedules: SchedulesSettings = SchedulesSettings()
    metrics: MetricsSettings = MetricsSettings()
    dashboard: DashboardSettings = DashboardSettings()
    retention: RetentionSettings = RetentionSettings()
    logging: LoggingSettings = LoggingSettings()
    secrets: dict[Name, SecretSettings] = Field(
        default_factory=dict,
        examples=["crm_token"],
        description="Secrets by name, for executors to refer to. Every file in $CREDENTIALS_DIRECTORY is one, too.",
    )
    connections: dict[Name, ConnectionSettings] = Field(
        default_factory=dict,
        examples=["crm"],
        description="APIs that entities come from: each with one account, and one budget for everything that asks it.",
    )
    entity_types: dict[EntityType, EntityTypeSettings] = Field(
        default_factory=dict, examples=["ticket"], description="What is known about the entities of a type."
    )
    brakes: dict[BrakeName, BrakeSettings] = Field(
        default_factory=dict,
        examples=["crm_lag"],
        description="Looks at the present: while one is bad, nothing that it applies to starts. SIGHUP reads them.",
    )
    engines: dict[Name, AnyEngineSettings] = Field(
        default_factory=dict,
        examples=["wf"],
        description="Engines that people run already, and that workflows run on: a digdag server or Treasure Workflow.",
    )
    targets: dict[Name, TargetSettings] = Field(
        default_factory=dict,
        examples=["crm"],
        description="Budgets of systems that workflows send to, each shared by all that use it. SIGHUP reads them.",
    )
    notifications: Annotated[tuple[NotificationSettings, ...], Field(strict=False)] = Field(
        default=(), description="Who is told what happens: Standard Webhooks, Slack, Teams."
    )
    workflows: Annotated[tuple[WorkflowSettings, ...], Field(strict=False)] = Field(
        default=(),
        description="Workflows, read-only over HTTP. Known by (project, name), whose id stays the same for ever.",
    )

    def secret_uses(self) -> dict[str, SecretUse]:
        """Of each secret, for whom it is."""
        types, connections, entra = self.entity_types.items(), self.connections.items(), self.auth.entra
        own_files = {
            self.database.dsn_file: "the database",
            self.server.tls_key_file: "the server's certificate",
            self.server.tls_certificate_file: "the server's certificate",
        }
        return uses_of(
            {name: {"file": it.file, "hosts": it.hosts, "used_by": it.used_by} for name, it in self.secrets.items()},
            {
                **{known.sql.dsn.secret: f"the source of '{name}'" for name, known in types if known.sql},
                **{secret: f"the connection '{name}'" for name, it in connections for secret in it.secret_names()},
                **{secret: f"the engine '{name}'" for name, it in self.engines.items() for secret in it.secret_names()},
                **({entra.client_secret.secret: "the sign-in with Entra"} if entra and entra.client_secret else {}),
                **{it.dsn.secret: f"the brake '{name}'" for name, it in self.brakes.items() if it.dsn is not None},
            },
            {file: what for file, what in own_files.items() if file is not None},
        )

    def read_secrets(self) -> dict[str, str]:
        """Every secret by name, as it is now; OSError if a file of one cannot be read."""
        return {name: secret.read() for name, secret in self.secrets.items()}
