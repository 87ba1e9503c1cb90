"""`config.example.toml`, printed from the model, so that no setting can be missing from it or differ.

    python -m backfilld.config.example > config.example.toml

A line that starts with `#` and a key is a setting at its default (or an example, where there is no default);
a line that starts with `# ` is a word about it.
"""

import re
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from backfilld.config.model import Settings
from backfilld.config.presets import PRESETS, preset
from backfilld.config.sections.apis.connections import OF_PRESETS
from backfilld.config.sections.engines.temporal import TemporalEngineSettings
from backfilld.config.tree import model_at
from backfilld.executors.definition import CommandExecutor
from backfilld.executors.definitions.http import HttpExecutor

WIDTH = 110
HEAD = """\
The configuration of backfilld: every setting, with its default. Remove the # in front of a key to set it.

`backfilld config check --config FILE` tells everything that is wrong with a file, and the nearest right name.
Any setting can also come from the environment (BACKFILLD_SERVER__PORT=8000) or, under systemd, from a credential
named like it (LoadCredential=database.dsn:/etc/backfilld/dsn); the environment wins over credentials, these over the
file. SIGHUP reads the file again; a faulty one changes nothing."""


# For keys that have no default that would say anything.
SAMPLES: dict[str, Any] = {
    "name": "classify",
    "type": "http",
    "url": "https://api.example.com/classify",
    "headers": {"Authorization": {"secret": "crm_token"}},
    "secret": "crm_token",
    "dsn": {"secret": "crm_dsn"},
    "query": "SELECT id, status, priority, closed_at, changed_at FROM tickets WHERE NOT deleted",
    "completion": "poll",
    "poll": {"url": "https://api.example.com/status/{idempotency_key}", "interval_seconds": 5},
}
COMMAND_SAMPLES: dict[str, Any] = {
    "type": "command",
    "argv": ["/opt/archive/run", "--quiet"],
    "env": {"TOKEN": {"secret": "archive_token"}},
    "cwd": "/opt/archive",
}


def render() -> str:
    """The whole file."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    first, second = HEAD.split("\n\n")
    yield from [*_words(first), "#", *_words(second)]
    for name, field in Settings.model_fields.items():
        yield ""
        model = model_at(Settings, (name,))
        if model is not None:
            yield f"[{name}]"
            yield from _words(model.__doc__ or "")
            yield from _keys(name, model)
        else:
            yield from _words(field.description or "")
            yield from _sample(name, field)


def _keys(name: str, model: type[BaseModel]) -> Iterator[str]:
    """What a section holds; tables in it, which are not there unless somebody writes them, come last."""
    tables = {
        key: table
        for key, field in model.model_fields.items()
        if not field.examples and (table := model_at(model, (key,))) is not None
    }
    for key, field in model.model_fields.items():
        if key not in tables:
            yield ""
            yield from _words(field.description or "")
            yield f"#{key} = {_toml(_value(field))}"
    for key, table in tables.items():
        yield ""
        yield f"#[{name}.{key}]"
        yield from _words(table.__doc__ or "")
        yield from _keys(f"{name}.{key}", table)


def _sample(name: str, field: FieldInfo) -> Iterator[str]:
    """A table whose names the operator chooses."""
    if name in ("workflows", "notifications"):
        sample = ""
        yield f"#[[{name}]]"
        model = model_at(Settings, (name, 0))
    else:
        sample = (field.examples or ["x"])[0]
        yield f"#[{name}.{sample}]"
        model = model_at(Settings, (name, sample))
    assert model is not None  # noqa: S101  # every such section holds tables
    tables = {
        key: table
        for key, inner in model.model_fields.items()
        if not inner.examples and (table := model_at(model, (key,))) is not None
    }
    elsewhere = ("preset", *OF_PRESETS) if name == "connections" else ()
    for key, inner in model.model_fields.items():
        if key not in tables and key not in elsewhere:
            samples = {} if name == "connections" else SAMPLES | _SAMPLES_OF.get(name, {})
            yield from _key(key, inner, samples, silent=key in _NOT_IN_SAMPLE.get(name, ()))
    if elsewhere:
        yield from _by_preset(model)
    by_api = tables.pop("http", None) if name == "entity_types" else None
    for key, table in tables.items():
        yield f"#[{name}.{key}]" if name == "workflows" else f"#[{name}.{sample}.{key}]"
        yield from _words(table.__doc__ or "")
        for inner_key, inner in table.model_fields.items():
            if (name, inner_key) not in _ELSEWHERE:
                yield from _key(inner_key, inner, SAMPLES | _SAMPLES_OF.get(name, {}))
    if by_api is not None:
        yield from _by_api(by_api)
    if name == "workflows":
        yield from _command()
        yield from _connected()
        yield from _TEMPLATED
    if name == "brakes":
        yield from _BRAKES
    if name == "engines":
        yield "#[engines.main]"
        for key, inner in TemporalEngineSettings.model_fields.items():
            yield from _key(key, inner, {"type": "temporal"})
    if name == "secrets":
        for secret in ("entra", "temporal_key", "api_token", "autotask", "autotask_code", *PRESETS[1:], "td_key"):
            yield f"#[secrets.{secret}]"
            yield '#value = "not-a-real-secret"'
        yield f"#[secrets.{COMMAND_SAMPLES['env']['TOKEN']['secret']}]"
        yield '#value = "not-a-real-secret"'
        yield f"#[secrets.{SAMPLES['dsn']['secret']}]"
        yield '#value = "postgresql://reader:password@crm.example.com:5432/crm"'


_TEMPLATED = """\
#[[workflows]]
#name = "enrich"
#[workflows.executor]
# On an engine that starts runs by name; docs/engines.md says how.
#type = "http"
#url = "https://airflow.example.com/api/v2/dags/enrich/dagRuns"
#request = { body = { dag_run_id = "${run_name}", logical_date = "${null}", conf = { ticket = "${entity.id}" } } }
# Answers to `request` that mean: there is a run of that name already. It is asked for at `poll.url`.
#attach_on = [409]
#completion = "poll"
#poll = { url = "https://airflow.example.com/api/v2/dags/enrich/dagRuns/{run_name}", status = "state" }
# Sent where what was started is not wanted any more: somebody cancelled it, or killed it.
#cancel = { method = "DELETE", url = "https://airflow.example.com/api/v2/dags/enrich/dagRuns/{run_name}" }
""".splitlines()
_BRAKES = """\
#[brakes.api_apdex]
#type = "prometheus"
#url = "http://prometheus.internal:9090"
#query = "avg_over_time(apdex:ratio_5m{service='crm'}[5m])"
#hold_below = 0.98
#[brakes.gate_keeper]
#type = "http"
#url = "https://status.example.com/backfills"
#[brakes.freeze]
#type = "file"
#path = "/run/backfilld/freeze"
""".splitlines()
_SAMPLES_OF: dict[str, dict[str, Any]] = {
    "notifications": {
        "name": "desk",
        "url": "https://desk.example.com/hooks/backfilld",
        "format": "standard",
        "secret": {"secret": "crm_token"},
    },
    "engines": {"type": "digdag", "url": "https://api-workflow.example.com", "headers": {"X-Team": "data"}},
    "brakes": {
        "type": "sql",
        "secret": "crm_dsn",
        "query": "SELECT coalesce(extract(epoch FROM max(replay_lag)), 0) FROM pg_stat_replication",
    },
}
# Of the sample, what does not go with its type.
_NOT_IN_SAMPLE = {
    "entity_types": ("indexes",),
    "brakes": ("url", "value", "headers", "ca_file", "path", "hold_below", "release_above", "critical_below"),
}


def _by_api(model: type[BaseModel]) -> Iterator[str]:
    """Types that an API lists: one, its children, and one of a system that has a preset."""
    company = model.model_fields.keys() - {"parent", "entity"}
    kinds: dict[str, tuple[str, Collection[str], Mapping[str, Any]]] = {
        "company": (model.__doc__ or "", company, {}),
        "note": ("Children of them.", ("connection", "path", "parent"), {"path": "/companies/{parent}/notes"}),
        "time_entry": ("Of a system that has a preset.", ("connection", "entity"), {"connection": "psa"}),
    }
    for kind, (words, keys, samples) in kinds.items():
        yield f"#[entity_types.{kind}]"
        yield '#source = "http"'
        yield f"#[entity_types.{kind}.http]"
        yield from _words(words)
        for key, field in model.model_fields.items():
            if key in keys:
                yield from _key(key, field, samples)


def _by_preset(model: type[BaseModel]) -> Iterator[str]:
    """A connection to each system that is known by name."""
    said: set[str] = set()
    for name in PRESETS:
        known = preset(name)
        connection = "psa" if name == PRESETS[0] else name
        yield f"#[connections.{connection}]"
        samples = {"preset": name, "url": "https://api-eu.myconnectwise.net"}
        for key, field in model.model_fields.items():
            if key == "preset" or key in known.needs or (key in known.takes and key not in said):
                yield from _key(key, field, samples)
                said.add(key)
        if connection == "psa":
            yield "# Workflows may go through this one."
            yield "#executors = true"
            yield '#used_by = ["default/reclassify"]'


_ELSEWHERE = {("workflows", key) for key in ("connection", "request", "attach_on", "cancel")}


def _connected() -> Iterator[str]:
    """An http executor that changes records where they come from."""
    yield "#[[workflows]]"
    yield '#name = "reclassify"'
    yield "#[workflows.executor]"
    yield "# Through a connection that says `executors = true`."
    yield '#type = "http"'
    yield '#url = "/Tickets"'
    for key in ("connection", "request"):
        yield from _key(key, HttpExecutor.model_fields[key])


def _command() -> Iterator[str]:
    """The other kind of executor."""
    yield "#[[workflows]]"
    yield '#name = "archive"'
    yield "#[workflows.executor]"
    yield from _words(CommandExecutor.__doc__ or "")
    for key, field in CommandExecutor.model_fields.items():
        yield from _key(key, field, COMMAND_SAMPLES)


def _key(key: str, field: FieldInfo, samples: Mapping[str, Any] = SAMPLES, *, silent: bool = False) -> Iterator[str]:
    """`silent`: with its words alone, where it would not go with the rest of the sample."""
    yield from _words(field.description or "")
    if silent:
        yield f"# ({key} = {_toml(_value(field))})"
        return
    yield f"#{key} = {_toml(samples[key] if key in samples else _value(field))}"


def _value(field: FieldInfo) -> Any:
    """An example where one is given, else the default."""
    return field.examples[0] if field.examples else field.get_default(call_default_factory=True)


def _words(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), WIDTH - 2)]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        pairs = ", ".join(f"{_bare(key)} = {_toml(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    if isinstance(value, str | Path):
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bare(key: str) -> str:
    """A key as it may stand in front of `=`; a dot in it must not read as a table of its own."""
    return key if re.fullmatch(r"[\w-]+", key, re.ASCII) else _toml(key)


if __name__ == "__main__":
    sys.stdout.write(render())
