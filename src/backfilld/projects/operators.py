"""The operators of digdag that run here, and what becomes of their options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backfilld.domain.placeholders import secret_key
from backfilld.executors.templates.substitution import SHELL
from backfilld.projects.yaml_text import Place

Blame = Callable[[Place, str], None]
Draft = dict[str, Any]
_METHOD = "POST"


@dataclass(frozen=True, slots=True)
class Operator:
    """`main` is where its own value goes in the executor; `refused` says why some of digdag's options are none here."""

    name: str
    main: str
    options: tuple[str, ...]
    read: "Callable[[Task, Blame], tuple[Draft, Draft]]"
    refused: Mapping[str, str] = field(default_factory=dict)
    exported: Mapping[str, str] = field(default_factory=dict)
    """Exports that in digdag change how it is run, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Task:
    """The one task of a workflow, and where it stands in the document."""

    operator: Operator
    place: Place
    body: Mapping[str, Any]

    @property
    def value(self) -> Any:
        return self.body.get(self.operator.name)


def _http(task: Task, blame: Blame) -> tuple[Draft, Draft]:
    """The executor, and further fields of the definition."""
    body = task.body
    executor: Draft = {"type": "http", "url": _text(task, blame)}
    method = body.get("method", _METHOD)
    if not isinstance(method, str) or method.upper() != _METHOD:
        blame((*task.place, "method"), f"'method' must be {_METHOD}: each session is sent as a JSON document")
    if body.get("headers") is not None:
        executor["headers"] = _headers((*task.place, "headers"), body["headers"], blame)
    if body.get("secret") is not None:
        executor["secret"] = _reference((*task.place, "secret"), body["secret"], blame)
    if body.get("content") is not None:
        if isinstance(body["content"], Mapping):
            executor["content"] = dict(body["content"])
        else:
            blame((*task.place, "content"), "'content' must be a mapping: it is sent among the params of the session")
    if body.get("content_format", "json") != "json":
        blame((*task.place, "content_format"), "'content_format' must be json")
    executor |= {key: body[key] for key in ("completion", "poll") if body.get(key) is not None}
    return executor, _timeout(task, blame)


def _echo(task: Task, blame: Blame) -> tuple[Draft, Draft]:
    value = task.value
    if isinstance(value, bool):
        value = str(value).lower()
    return {"type": "echo", "message": str(value) if isinstance(value, int | float) else _text(task, blame, value)}, {}


def _sh(task: Task, blame: Blame) -> tuple[Draft, Draft]:
    return {"type": "command", "argv": [*SHELL, _text(task, blame)]}, _timeout(task, blame)


def _text(task: Task, blame: Blame, value: Any = None) -> str:
    value = task.value if value is None else value
    if isinstance(value, str) and value:
        return value
    blame((*task.place, task.operator.name), f"'{task.operator.name}' must be text")
    return "http://x.invalid/" if task.operator.name == "http>" else "x"


def _timeout(task: Task, blame: Blame) -> Draft:
    value = task.body.get("timeout")
    if value is None:
        return {}
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        blame((*task.place, "timeout"), "'timeout' must be a number of seconds, at most 86400")
        return {}
    return {"timeout_seconds": float(value)}


def _headers(place: Place, value: Any, blame: Blame) -> Draft:
    """A mapping, or as digdag has it a list of mappings with one key each."""
    pairs: list[tuple[Place, Any, Any]] = []
    if isinstance(value, Mapping):
        pairs = [((*place, name), name, text) for name, text in value.items()]
    elif isinstance(value, list) and all(isinstance(each, Mapping) and len(each) == 1 for each in value):
        pairs = [((*place, n, name), name, text) for n, each in enumerate(value) for name, text in each.items()]
    else:
        blame(place, "'headers' must be a mapping, or a list of mappings with one key each")
    headers: Draft = {}
    for where, name, text in pairs:
        if name in headers:
            blame(where, f"the header '{name}' is given twice")
        headers[name] = _header(where, text, blame)
    return headers


def _header(place: Place, value: Any, blame: Blame) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        blame(place, "the value of a header must be text")
        return "x"
    key = secret_key(value)
    return value if key is None else {"project_secret": key}


def _reference(place: Place, value: Any, blame: Blame) -> Any:
    """`secret: name` is one of the service's, `secret: ${secret:key}` one of the project's."""
    if not isinstance(value, str) or not value:
        blame(place, "'secret' must be the name of a secret, or ${secret:key} for one of the project")
        return None
    key = secret_key(value)
    return {"secret": value} if key is None else {"project_secret": key}


_ON_THE_HOST = "scripts run on the machine of the daemon here; run it in the container yourself, or behind 'http>'"
_NOT_OF_SHELLS = {
    "shell": "the shell is always /bin/sh",
    "docker": _ON_THE_HOST,
    "ecs": _ON_THE_HOST,
    "kubernetes": _ON_THE_HOST,
    "_env": "variables of the session are in the environment; set others in the script",
}
OPERATORS: Mapping[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator(
            "http>",
            "url",
            ("method", "headers", "secret", "content", "content_format", "completion", "poll", "timeout"),
            _http,
            {
                "store_content": "there is no task after this one that could use the answer; it stands in the log",
                "store_headers": "there is no task after this one that could use the answer",
                "retry": "write '_retry' with a number",
                "content_type": "a session is always sent as application/json",
                "query": "write the query into the URL",
                "user": "set a secret for the project, and write the header Authorization: ${secret:key}",
                "password": "set a secret for the project, and write the header Authorization: ${secret:key}",
            },
            dict.fromkeys(("http", "method", "headers", "content", "content_format", "timeout"), "write it in the task")
            | {
                "content_type": "a session is always sent as application/json",
                "query": "write the query into the URL",
                "retry": "write '_retry' with a number",
            },
        ),
        Operator("echo>", "message", (), _echo),
        Operator("sh>", "argv", ("timeout",), _sh, _NOT_OF_SHELLS, _NOT_OF_SHELLS | {"sh": "name options in the task"}),
    )
}
