"""From what is written to `Settings`, or to everything that is wrong with it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backfilld.config.faults import ConfigError, ConfigFault, dotted, from_validation
from backfilld.config.layers import Layers
from backfilld.config.model import Settings
from backfilld.config.tree import Path as KeyPath
from backfilld.domain.errors import did_you_mean

DEFAULTS = "defaults"


def load_settings(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from `file` (None: there is none), `$CREDENTIALS_DIRECTORY` and `BACKFILLD_SECTION__KEY`.

    ConfigError carries every fault there is. No message repeats a secret.
    """
    environ = os.environ if environ is None else environ
    layers = Layers(Settings)
    layers.read_defaults(environ)
    if file is not None:
        layers.read_file(file)
    layers.read_credentials(environ)
    layers.read_environment(environ)
    settings, faults = _validate(layers, file)
    faults += [*layers.faults, *_across(layers)]
    if settings is not None:
        faults += _unreadable(settings, layers)
    if faults or settings is None:
        raise ConfigError(faults)
    return settings


def check(file: Path | None, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with the configuration, a line each; empty if nothing is."""
    try:
        load_settings(file, environ)
    except ConfigError as error:
        return [str(fault) for fault in error.faults]
    return []


def _validate(layers: Layers, file: Path | None) -> tuple[Settings | None, list[ConfigFault]]:
    base = file.absolute().parent if file is not None else None
    try:
        return Settings.model_validate(layers.tree, context={"base": base}), []
    except ValidationError as error:
        return None, from_validation(error, Settings, layers.origins, str(file) if file else DEFAULTS)


def _across(layers: Layers) -> Iterator[ConfigFault]:
    """What no single section can know; read from the raw tree, so that other faults do not hide these."""
    workflows, secrets = layers.tree.get("workflows"), layers.tree.get("secrets")
    if not isinstance(workflows, list):
        return
    where = layers.origins.get(("workflows",), DEFAULTS)
    known = list(secrets) if isinstance(secrets, dict) else []
    seen: set[tuple[Any, Any]] = set()
    for number, workflow in enumerate(workflows):
        if not isinstance(workflow, dict):
            continue
        identity = (str(workflow.get("project", "default")), str(workflow.get("name")))
        if identity in seen:
            message = f"project '{identity[0]}' has a workflow '{identity[1]}' already"
            yield ConfigFault(where, f"workflows[{number}].name", message)
        seen.add(identity)
        for path, name in _references(workflow.get("executor"), ("workflows", number, "executor")):
            if name not in known:
                message = f"there is no secret '{name}' in [secrets] or among the credentials"
                yield ConfigFault(where, dotted(path), message + did_you_mean(name, known))


def _references(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Every `secret = "name"` in an executor, however deep."""
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key == "secret" and isinstance(inner, str):
            yield (*path, key), inner
        else:
            yield from _references(inner, (*path, key))


def _unreadable(settings: Settings, layers: Layers) -> Iterator[ConfigFault]:
    """Files are read anew when they are needed; that they can be read is found out now."""
    if settings.database.dsn_file is not None:
        yield from _try_to_read(settings.database.read_dsn, ("database", "dsn_file"), layers)
    for name, secret in settings.secrets.items():
        if secret.file is not None:
            yield from _try_to_read(secret.read, ("secrets", name, "file"), layers)


def _try_to_read(read: Any, path: KeyPath, layers: Layers) -> Iterator[ConfigFault]:
    try:
        read()
    except OSError as problem:
        where = layers.origins.get(path) or layers.origins.get(path[:-1], DEFAULTS)
        yield ConfigFault(where, dotted(path), f"{problem.filename} cannot be read: {problem.strerror}")
    except UnicodeDecodeError:
        where = layers.origins.get(path) or layers.origins.get(path[:-1], DEFAULTS)
        yield ConfigFault(where, dotted(path), "is not UTF-8")
