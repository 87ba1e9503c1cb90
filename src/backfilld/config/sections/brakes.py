"""Brakes: where to look at the present, and when to hold what runs over the past."""

import ssl
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.fields import FilePath, HttpUrl, Name, Seconds, Section
from backfilld.config.sections.entity_types import MOST_QUERY, read_only_query
from backfilld.config.sections.targets import origin_of
from backfilld.domain.brakes.settings import BrakeSettings as Brake
from backfilld.domain.brakes.settings import Rules, Scope, Thresholds
from backfilld.domain.errors import did_you_mean
from backfilld.domain.filters.paths import parse_path
from backfilld.executors.definitions.parts import SecretReference
from backfilld.executors.http.addresses import host_is_listed, host_is_never_a_target
from backfilld.executors.http.wire.request_writer import url_of

SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "cookie"})
_OF_TYPE = {
    "sql": {"dsn", "query"},
    "prometheus": {"url", "query", "headers", "ca_file"},
    "http": {"url", "value", "headers", "ca_file"},
    "file": {"path"},
}
_NEEDED = {"sql": ("dsn", "query"), "prometheus": ("url", "query"), "http": ("url",), "file": ("path",)}
_LIMITS = ("hold_above", "hold_below", "release_below", "release_above", "critical_above", "critical_below")

Number = Annotated[float, Field(allow_inf_nan=False)]
BrakeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]
HeaderText = Annotated[str, Field(max_length=4096)]


def workflow_name(value: str) -> str:
    """`project/name` or `project/*`; a bare name is of the project default. ValueError."""
    project, slash, name = value.partition("/")
    if not value or (slash and not (project and name)):
        raise ValueError("must be 'name', 'project/name' or 'project/*'")
    return value if slash else f"default/{value}"


WorkflowPattern = Annotated[Name, AfterValidator(workflow_name)]


def _value_path(value: str) -> str:
    parse_path(value)
    return value


class AppliesToSettings(Section):
    """What the brake holds. Left out: everything that this daemon starts for backfills."""

    workflows: Annotated[tuple[WorkflowPattern, ...], Field(strict=False)] | None = Field(
        default=None,
        examples=[["default/enrich", "sales/*"]],
        description="Only these: 'name', 'project/name' or 'project/*'.",
    )
    targets: Annotated[tuple[Annotated[Name, AfterValidator(origin_of)], ...], Field(strict=False)] | None = Field(
        default=None, examples=[["https://crm.example.com"]], description="Only what goes to these origins."
    )
    live: bool = Field(default=False, description="true: attempts that schedules or people start are held, too.")


class BrakeSettings(Section):
    """A look at the present, again and again. While it is bad, nothing starts that it applies to."""

    type: Literal["sql", "prometheus", "http", "file"] = Field(
        examples=["sql"],
        description="'sql': one number, or a yes or no, from any PostgreSQL. 'prometheus': an instant query, of a"
        " vector the worst sample. 'http': GET, 200 goes and all else holds. 'file': holds while it exists; its first"
        " line is the reason that people see.",
    )
    dsn: SecretReference | None = Field(default=None, description="sql: the secret that holds the DSN.")
    query: Annotated[str, Field(min_length=1, max_length=MOST_QUERY)] | None = Field(
        default=None,
        examples=["SELECT coalesce(extract(epoch FROM max(replay_lag)), 0) FROM pg_stat_replication"],
        description="sql: one SELECT that gives one value, without semicolon. prometheus: an expression.",
    )
    url: HttpUrl | None = Field(
        default=None,
        examples=["http://prometheus.internal:9090"],
        description="prometheus: the server. http: what is asked. It may be private, and never a metadata service.",
    )
    value: Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_value_path)] | None = Field(
        default=None,
        examples=["load.one_minute"],
        description="http: dotted path of a number in the JSON of a 200; then thresholds apply to it.",
    )
    headers: dict[Name, HeaderText | SecretReference] = Field(
        default_factory=dict,
        examples=[{"Authorization": {"secret": "crm_token"}}],
        description='prometheus, http: sent along. Whatever is secret is a reference: {"secret": "name"}.',
    )
    ca_file: FilePath | None = Field(
        default=None,
        examples=["internal-ca.pem"],
        description="prometheus, http: whom to believe, in place of the system.",
    )
    path: FilePath | None = Field(default=None, examples=["/run/backfilld/freeze"], description="file: which one.")
    hold_above: Number | None = Field(default=None, examples=[10.0], description="Hold while the value is above this.")
    hold_below: Number | None = Field(default=None, examples=[0.98], description="Hold while the value is below this.")
    release_below: Number | None = Field(
        default=None, examples=[5.0], description="With hold_above: go on at or below this. Default: a fifth less."
    )
    release_above: Number | None = Field(
        default=None, examples=[0.99], description="With hold_below: go on at or above this. Default: a quarter more."
    )
    critical_above: Number | None = Field(
        default=None, examples=[120.0], description="With hold_above: beyond this it holds until somebody resets it."
    )
    critical_below: Number | None = Field(
        default=None, examples=[0.5], description="With hold_below: beyond this it holds until somebody resets it."
    )
    every_seconds: Seconds = Field(default=5.0, description="Seconds between two looks.")
    timeout_seconds: Seconds = Field(default=2.0, description="Seconds that a look may take; longer is a failed look.")
    hold_after: int = Field(default=1, ge=1, le=100, description="Bad looks in a row until it holds.")
    release_after: int = Field(default=3, ge=1, le=100, description="Good looks in a row until it goes on.")
    on_error: Literal["hold", "go_on"] = Field(
        default="hold",
        description="After three failed looks in a row: 'hold', since what cannot be seen is not taken for well, or"
        " 'go_on'.",
    )
    applies_to: AppliesToSettings | None = Field(default=None, description=AppliesToSettings.__doc__)

    @model_validator(mode="after")
    def _fits_together(self) -> "BrakeSettings":
        problems = [*self._of_other_types(), *self._missing(), *self._wrong_limits()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _of_other_types(self) -> Iterator[str]:
        foreign = set().union(*_OF_TYPE.values()) - _OF_TYPE[self.type]
        foreign |= set(_LIMITS) if self.type == "file" else set()
        for key in sorted(foreign & self.model_fields_set):
            yield f"'{key}' has no meaning for type '{self.type}'"

    def _missing(self) -> Iterator[str]:
        for key in _NEEDED[self.type]:
            if getattr(self, key) is None:
                yield f"type '{self.type}' needs '{key}'"
        if self.type == "sql" and self.query is not None:
            try:
                read_only_query(self.query)
            except ValueError as problem:
                yield f"'query' {problem}"
        has_limit = self.hold_above is not None or self.hold_below is not None
        if not has_limit and (self.type == "prometheus" or self.value is not None):
            yield "needs 'hold_above' or 'hold_below'"
        if self.type == "http" and self.value is None and has_limit:
            yield "a threshold needs 'value', the path of the number in the answer"

    def _wrong_limits(self) -> Iterator[str]:
        if self.hold_above is not None and self.hold_below is not None:
            yield "has 'hold_above' and 'hold_below'; it can have one (make two brakes)"
            return
        for limit, release, critical in (
            ("hold_above", "release_below", "critical_above"),
            ("hold_below", "release_above", "critical_below"),
        ):
            hold = getattr(self, limit)
            for key in (release, critical):
                value = getattr(self, key)
                if value is not None and hold is None:
                    yield f"'{key}' needs '{limit}'"
            if hold is None:
                continue
            sign = 1 if limit == "hold_above" else -1
            if (back := getattr(self, release)) is not None and (back - hold) * sign > 0:
                yield f"'{release}' must not be beyond '{limit}', or it would flap"
            if (worst := getattr(self, critical)) is not None and (worst - hold) * sign <= 0:
                yield f"'{critical}' must be beyond '{limit}'"

    def thresholds(self) -> Thresholds | None:
        """None: the look itself says whether it is bad."""
        if self.hold_above is not None:
            return Thresholds.made(
                above=True, hold=self.hold_above, release=self.release_below, critical=self.critical_above
            )
        if self.hold_below is not None:
            return Thresholds.made(
                above=False, hold=self.hold_below, release=self.release_above, critical=self.critical_below
            )
        return None

    def brake(self, name: str) -> Brake:
        """As the engine knows it."""
        rules = Rules(
            thresholds=self.thresholds(),
            every_seconds=self.every_seconds,
            timeout_seconds=self.timeout_seconds,
            hold_after=self.hold_after,
            release_after=self.release_after,
            on_error=self.on_error,
        )
        return Brake(name, self.type, self._looks_at(), rules, self._scope(), self._source())

    def _scope(self) -> Scope:
        chosen = self.applies_to or AppliesToSettings()
        return Scope(
            None if chosen.workflows is None else frozenset(chosen.workflows),
            None if chosen.targets is None else frozenset(chosen.targets),
            chosen.live,
        )

    def _looks_at(self) -> str:
        if self.type == "file":
            return str(self.path)
        if self.type == "sql":
            return f"the database of the secret '{self.dsn.secret if self.dsn else ''}'"
        return str(url_of(self.url or "").origin())

    def _source(self) -> str:
        """Changes whenever what it looks at does; holds no secret, as secrets are references."""
        return self.model_dump_json(include={"type", "dsn", "query", "url", "value", "headers", "ca_file", "path"})

    def read_ca(self) -> None:
        """OSError or ssl.SSLError, if `ca_file` is none."""
        if self.ca_file is not None:
            self.ca_file.read_bytes()  # for an error that names the file
            ssl.create_default_context(cafile=str(self.ca_file))


def faults_in_brakes(tree: Mapping[str, Any], where: str) -> Iterator[ConfigFault]:
    """What the shape does not show: secrets that there are not or may not go there, forbidden hosts."""
    brakes, secrets = tree.get("brakes"), tree.get("secrets")
    known = secrets if isinstance(secrets, dict) else {}
    for name, brake in brakes.items() if isinstance(brakes, dict) else ():
        if not isinstance(brake, dict):
            continue
        url = brake.get("url")
        if isinstance(url, str) and host_is_never_a_target(urlsplit_host(url)):
            message = "is link-local or a cloud's metadata service, which is never asked"
            yield ConfigFault(where, dotted(("brakes", name, "url")), message)
        if (secret := _secret_in(brake.get("dsn"))) is not None and secret not in known:
            message = f"there is no secret '{secret}'{did_you_mean(secret, known)}"
            yield ConfigFault(where, dotted(("brakes", name, "dsn", "secret")), message)
        headers = brake.get("headers")
        yield from faults_in_headers(headers, url, known, ("brakes", name, "headers"), where)


def faults_in_headers(
    headers: Any, url: Any, secrets: Mapping[str, Any], path: tuple[str | int, ...], where: str
) -> Iterator[ConfigFault]:
    """Secrets that there are not, that may not go to `url`, or that are written out."""
    for header, value in headers.items() if isinstance(headers, dict) else ():
        secret = _secret_in(value)
        if secret is None:
            if isinstance(value, str) and str(header).lower() in SECRET_HEADERS:
                message = 'holds a secret: put it into [secrets] and refer to it by { secret = "name" }'
                yield ConfigFault(where, dotted((*path, header)), message)
        elif secret not in secrets:
            message = f"there is no secret '{secret}'{did_you_mean(secret, secrets)}"
            yield ConfigFault(where, dotted((*path, header, "secret")), message)
        elif (not_for := _not_for(secrets[secret], secret, url)) is not None:
            yield ConfigFault(where, dotted((*path, header, "secret")), not_for)


def _not_for(settings: Any, secret: str, url: Any) -> str | None:
    hosts = settings.get("hosts") if isinstance(settings, dict) else None
    if hosts is None or not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None  # is no URL, which is told elsewhere
    if host_is_listed(host, port, [text for text in hosts if isinstance(text, str)]):
        return None
    return f"'{host}' is not among secrets.{secret}.hosts{did_you_mean(host, hosts)}"


def urlsplit_host(url: str) -> str:
    """The host of what may be no URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _secret_in(value: Any) -> str | None:
    secret = value.get("secret") if isinstance(value, dict) else None
    return secret if isinstance(secret, str) else None
