"""What is wrong with a workflow definition that has the right shape.

A definition may come from anybody with the admin role, and its URL is called from inside our network with our
secrets. So every name, host and header is looked at before it is stored; and again before it is used, since the
configuration may have become stricter meanwhile.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any
from urllib.parse import SplitResult, urlsplit

from backfilld.domain.errors import Fault, did_you_mean, nearest, pointer
from backfilld.domain.placeholders import names_in, texts_in
from backfilld.domain.schedules import parse_schedule, parse_schedule_zone
from backfilld.executors.definition import EXECUTOR_TYPES, CommandExecutor, Executor, WorkflowDefinition
from backfilld.executors.definitions.engines import EngineWork
from backfilld.executors.definitions.http import HttpExecutor, Poll
from backfilld.executors.definitions.parts import LONGEST_TIMEOUT_SECONDS
from backfilld.executors.http.addresses import host_is_listed, host_is_never_a_target, netloc_is_fit
from backfilld.executors.http.templated.rules import template_faults, urls_of
from backfilld.executors.secret_use import DEFAULT_PORTS, SecretUse, is_named, secret_use_faults
from backfilld.executors.templates.header_values import header_value_is_fit
from backfilld.executors.templates.substitution import substitution_faults, without_placeholders
from backfilld.executors.temporal.terms import HOW_TO_INSTALL, TEMPORAL, is_installed

# A header of these names is a secret by itself, so its value has to be a reference to one.
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
# These are made for each request; one that is set by hand would break signing, framing or the idempotency key.
RESERVED_HEADERS = frozenset(
    {"idempotency-key", "content-length", "content-type", "host", "transfer-encoding", "connection", "te", "trailer"}
    | {"upgrade", "expect", "keep-alive", "accept-encoding", "content-encoding", "traceparent", "tracestate"}
)
RESERVED_PREFIX = "webhook-"
RESERVED_VARIABLES = frozenset(
    f"BACKFILLD_{name}"
    for name in (
        "IDEMPOTENCY_KEY",
        "ATTEMPT",
        "REHEARSAL",
        "WORKFLOW_ID",
        "WORKFLOW_NAME",
        "BACKFILL_ID",
        "ENTITY_TYPE",
        "ENTITY_ID",
    )
)
PLACEHOLDERS = ("idempotency_key", "entity_id")
HARMLESS = "echo"  # reaches nothing, so anybody who may define workflows may define it

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNPASSABLE = re.compile("[\x00\ud800-\udfff]")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class DefinitionRules:
    """What this installation allows. `executor_types` None: any (the configuration file is not restricted)."""

    executor_types: Collection[str] | None = None
    allowed_hosts: Collection[str] = ()
    secrets: Collection[str] | None = None  # None: not known here, so not checked
    secret_uses: Mapping[str, SecretUse] = field(default_factory=dict)  # of those for which there is something to say
    connections: Mapping[str, Collection[str]] = field(default_factory=dict)  # those for executors → who may name them
    budgets: Collection[str] | None = None  # connections that a start may spend from; None: not known here
    engines: Mapping[str, str] = field(default_factory=dict)  # those of the configuration → their types


def definition_faults(definition: WorkflowDefinition, rules: DefinitionRules) -> list[Fault]:
    """Everything that is wrong with it; paths are pointers into the definition."""
    return list(_faults(definition, rules))


def _faults(definition: WorkflowDefinition, rules: DefinitionRules) -> Iterator[Fault]:
    for key in ("name", "project"):
        if not getattr(definition, key).isprintable():
            yield Fault(pointer(key), "invalid_text", "contains control characters")
    yield from schedule_faults(definition.schedule, definition.timezone)
    executor = definition.executor
    if (
        (spends := definition.spends) is not None
        and rules.budgets is not None
        and spends.connection not in rules.budgets
    ):
        message = f"there is no connection '{spends.connection}'{did_you_mean(spends.connection, rules.budgets)}"
        yield Fault("/spends/connection", "unknown_connection", message, tuple(rules.budgets)[:20])
    if rules.executor_types is not None and executor.type not in (*rules.executor_types, HARMLESS):
        message = f"executors of type '{executor.type}' may only be defined in the configuration file"
        allowed = tuple(name for name in EXECUTOR_TYPES if name in rules.executor_types)
        yield Fault("/executor/type", "executor_not_allowed", message, allowed)
    if definition.timeout_seconds > LONGEST_TIMEOUT_SECONDS and not isinstance(executor, EngineWork):
        message = f"must be at most {LONGEST_TIMEOUT_SECONDS:.0f}; only what runs on an engine may take longer"
        yield Fault("/timeout_seconds", "out_of_range", message)
    if definition.substitutes:
        yield from substitution_faults(definition)
        if isinstance(executor, HttpExecutor) and executor.request is not None and executor.connection is None:
            message = "a workflow that substitutes cannot have a `request`, whose body has placeholders of its own"
            yield Fault("/executor/request", "not_supported", message)
    if definition.rehearsal and isinstance(executor, HttpExecutor) and executor.request is not None:
        names = {inner for text in texts_in(executor.request.body) for inner in names_in(text)}
        if "rehearsal" not in names:
            message = "its target could not know of a rehearsal: the template of its request has no ${rehearsal}"
            yield Fault("/rehearsal", "rehearsal_not_supported", message)
    if isinstance(executor, HttpExecutor) and executor.connection is not None:
        for fault in connected_faults(executor, definition, rules):
            yield fault.under("/executor")
    elif isinstance(executor, HttpExecutor):
        looked_at = without_placeholders(executor) if definition.substitutes else executor
        for fault in http_faults(looked_at, rules):
            yield fault.under("/executor")
        for fault in secret_use_faults(looked_at, definition.project, definition.name, rules.secret_uses):
            yield fault.under("/executor")
    elif isinstance(executor, EngineWork):
        for fault in engine_faults(executor, definition, rules):
            yield fault.under("/executor")
    elif isinstance(executor, CommandExecutor):
        for fault in command_faults(executor, rules):
            yield fault.under("/executor")
        for fault in secret_use_faults(executor, definition.project, definition.name, rules.secret_uses):
            yield fault.under("/executor")


def schedule_faults(schedule: Mapping[str, Any] | None, timezone: str) -> list[Fault]:
    """What is wrong with a schedule; paths are pointers from the definition, `/schedule/…`."""
    if schedule is None:
        return []
    zone = parse_schedule_zone(timezone, "/timezone")
    return parse_schedule(schedule, "/schedule", UTC if isinstance(zone, Fault) else zone)[1]


def http_faults(executor: HttpExecutor, rules: DefinitionRules) -> Iterator[Fault]:
    """What is wrong with an http executor; paths are pointers into it."""
    templated = executor.request is not None
    yield from template_faults(executor)
    for path, url in urls_of(executor).items():
        if path == "/poll/url" and not templated:
            yield from _placeholder_faults(url, path)
        yield from _url_faults(_PLACEHOLDER.sub("x", url) if templated or path == "/poll/url" else url, path, rules)
    if executor.poll is not None:
        yield from _word_faults(executor.poll)
    seen: set[str] = set()
    for name, value in executor.headers.items():
        yield from _header_faults(name, value, seen)
    yield from _secret_faults(executor, rules)


def connected_faults(executor: HttpExecutor, definition: WorkflowDefinition, rules: DefinitionRules) -> Iterator[Fault]:
    """What is wrong with an executor that goes through a connection; paths are pointers into it."""
    name, path = executor.connection or "", executor.url
    if name not in rules.connections:
        message = f"there is no connection '{name}' for executors{did_you_mean(name, rules.connections)}"
        yield Fault("/connection", "unknown_connection", message, tuple(rules.connections)[:20])
    elif not is_named(rules.connections[name], definition.project, definition.name):
        message = f"connections.{name}.used_by does not name the workflow '{definition.name}'"
        yield Fault("/connection", "connection_not_allowed", f"{message} of the project '{definition.project}'")
    yield from template_faults(executor)
    plain = _PLACEHOLDER.sub("x", path)
    dots = any(part in (".", "..") for part in plain.split("/"))
    if not path.startswith("/") or not plain.isascii() or not plain.isprintable() or set(" ?#\\") & set(plain) or dots:
        yield Fault("/url", "invalid_url", "must be a plain path below the connection's base, such as /Tickets")
    if definition.substitutes:
        yield Fault("/connection", "not_supported", "a workflow that substitutes cannot go through a connection")


def engine_faults(executor: EngineWork, definition: WorkflowDefinition, rules: DefinitionRules) -> Iterator[Fault]:
    """What is wrong with an executor that runs on an engine; paths are pointers into it."""
    fitting = [name for name, kind in rules.engines.items() if kind == executor.type]
    kind = rules.engines.get(executor.engine)
    if kind is None:
        message = f"there is no engine '{executor.engine}'{did_you_mean(executor.engine, fitting)}"
        yield Fault("/engine", "unknown_engine", message, tuple(fitting)[:20])
    elif kind != executor.type:
        message = f"the engine '{executor.engine}' is of type '{kind}', and not '{executor.type}'"
        yield Fault("/engine", "unknown_engine", message, tuple(fitting)[:20])
    if executor.type == TEMPORAL and not is_installed():
        yield Fault("/type", "executor_not_available", f"the SDK of Temporal is not installed: {HOW_TO_INSTALL}")
    if definition.substitutes:
        yield Fault("/engine", "not_supported", "a workflow that substitutes cannot run on an engine")


def command_faults(executor: CommandExecutor, rules: DefinitionRules) -> Iterator[Fault]:
    """What is wrong with a command executor; paths are pointers into it."""
    if not executor.argv[0]:
        yield Fault("/argv/0", "empty", "names no program")
    texts: dict[tuple[str | int, ...], str] = {("argv", n): text for n, text in enumerate(executor.argv)}
    texts |= {("env", name): text for name, text in executor.env.items() if isinstance(text, str)}
    texts |= {("cwd",): executor.cwd} if executor.cwd is not None else {}
    for where, text in texts.items():
        if _UNPASSABLE.search(text):
            yield Fault(pointer(*where), "invalid_text", "contains a NUL or half a surrogate pair")
    if executor.cwd is not None and not executor.cwd.startswith("/"):
        yield Fault("/cwd", "invalid_path", "must be absolute")
    for name in executor.env:
        if not _VARIABLE.fullmatch(name):
            yield Fault(pointer("env", name), "invalid_variable", "must be letters, digits and _, no digit first")
        elif name in RESERVED_VARIABLES:
            yield Fault(pointer("env", name), "reserved_variable", f"'{name}' is set for each item by backfilld itself")
    yield from _secret_faults(executor, rules)


def _url_faults(url: str, path: str, rules: DefinitionRules) -> Iterator[Fault]:
    """No message repeats a URL: it may carry a password."""
    problem = _problem_with(url)
    if problem is not None:
        yield Fault(path, "invalid_url", problem)
        return
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    if host_is_never_a_target(host):
        yield Fault(
            path,
            "address_not_allowed",
            f"'{host}' is link-local, unspecified, multicast or a cloud's metadata service, which is never a target",
        )
    elif rules.allowed_hosts and not host_is_listed(host, port, rules.allowed_hosts):
        message = f"'{host}' is not among executors.allowed_hosts{did_you_mean(host, rules.allowed_hosts)}"
        yield Fault(path, "host_not_allowed", message, tuple(rules.allowed_hosts)[:20])


def _problem_with(url: str) -> str | None:
    if not url.isascii() or not url.isprintable() or " " in url:
        return "must be ASCII without blanks and control characters; write others percent-encoded"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        return f"is not a URL: {problem}"
    return _problem_with_parts(parts, port, url)


def _problem_with_parts(parts: SplitResult, port: int | None, url: str) -> str | None:
    if parts.scheme not in DEFAULT_PORTS:
        return "must begin with http:// or https://"
    if not parts.hostname:
        return "names no host"
    if "@" in parts.netloc:
        return 'must not carry a user or password; use a header with {"secret": "name"}'
    if "#" in url:
        return "must not have a fragment"
    unfit = any(character in parts.hostname for character in '%\\<>"{}|^`')
    if port == 0 or unfit or not netloc_is_fit(parts.netloc):
        return "names no valid host and port"
    return None


def _placeholder_faults(url: str, path: str) -> Iterator[Fault]:
    for name in _PLACEHOLDER.findall(url):
        if name not in PLACEHOLDERS:
            message = f"{{{name}}} is not a placeholder{did_you_mean(name, PLACEHOLDERS)}"
            yield Fault(path, "unknown_placeholder", message, tuple(f"{{{known}}}" for known in PLACEHOLDERS))
    if _PLACEHOLDER.search(url.partition("://")[2].partition("/")[0].partition("?")[0]):
        yield Fault(path, "invalid_url", "a placeholder may stand in the path and the query, not in the host")


def _word_faults(poll: Poll) -> Iterator[Fault]:
    """A word that means two things."""
    seen: dict[str, str] = {}
    for name in ("succeeded", "failed", "skipped", "try_again"):
        for number, word in enumerate(getattr(poll, name) or ()):
            other = seen.setdefault(word.casefold(), name)
            if other != name:
                yield Fault(pointer("poll", name, number), "ambiguous", f"'{word}' stands in `{other}`, too")


def _header_faults(name: str, value: object, seen: set[str]) -> Iterator[Fault]:
    path, lower = pointer("headers", name), name.lower()
    if not _HEADER_NAME.fullmatch(name):
        yield Fault(path, "invalid_header", "the name has characters that a header name may not have")
    elif lower in RESERVED_HEADERS or lower.startswith(RESERVED_PREFIX):
        yield Fault(path, "reserved_header", f"'{name}' is set for each request by backfilld itself")
    elif lower in seen:
        yield Fault(path, "invalid_header", f"'{name}' is given twice")
    elif lower in SECRET_HEADERS and isinstance(value, str):
        message = f'the value of \'{name}\' is a secret: put it into [secrets] and write {{"secret": "name"}}'
        yield Fault(path, "literal_secret", message)
    elif isinstance(value, str) and not header_value_is_fit(value):
        yield Fault(path, "invalid_header", "the value may hold printable ASCII only, and no line break")
    seen.add(lower)


def _secret_faults(executor: Executor, rules: DefinitionRules) -> Iterator[Fault]:
    if rules.secrets is None:
        return
    nothing = SecretUse()
    known = [name for name in rules.secrets if rules.secret_uses.get(name, nothing).kept_for is None]
    for where, name in executor.secret_references().items():
        if name not in rules.secrets:
            message = f"there is no secret '{name}'{did_you_mean(name, known)}"
            yield Fault(pointer(*where, "secret"), "unknown_secret", message, nearest(name, known))
