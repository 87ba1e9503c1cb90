"""From what is written to `Settings`, or to everything that is wrong with it."""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backfilld.config.faults import ConfigError, ConfigFault, dotted, from_validation
from backfilld.config.layers import Layers
from backfilld.config.model import SecretSettings, Settings
from backfilld.config.sections.apis.connections import faults_in_connections
from backfilld.config.sections.apis.http_types import faults_in_http_types
from backfilld.config.sections.brakes import faults_in_brakes
from backfilld.config.sections.crashing import faults_in_crashing
from backfilld.config.sections.database import check_files_of
from backfilld.config.sections.engines import faults_in_engines
from backfilld.config.sections.entity_types import faults_in_entity_types
from backfilld.config.sections.entra import faults_in_entra
from backfilld.config.sections.notifications import faults_in_notifications, url_problem
from backfilld.config.sections.targets import faults_in_targets
from backfilld.config.sections.tls import UnusableCertificate
from backfilld.config.sections.workflows import faults_in_workflows
from backfilld.config.toml_lines import with_lines
from backfilld.config.tree import Path as KeyPath

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
    where = layers.origins.get(("workflows",), DEFAULTS)
    faults += [*layers.faults, *faults_in_workflows(layers.tree, where)]
    faults += faults_in_entity_types(layers.tree, layers.origins.get(("entity_types",), DEFAULTS))
    faults += faults_in_connections(layers.tree, layers.origins.get(("connections",), DEFAULTS))
    faults += faults_in_http_types(layers.tree, layers.origins.get(("entity_types",), DEFAULTS))
    faults += faults_in_engines(layers.tree, layers.origins.get(("engines",), DEFAULTS))
    faults += faults_in_brakes(layers.tree, layers.origins.get(("brakes",), DEFAULTS))
    faults += faults_in_targets(layers.tree, layers.origins.get(("targets",), DEFAULTS))
    faults += faults_in_notifications(layers.tree, layers.origins.get(("notifications",), DEFAULTS))
    faults += faults_in_entra(layers.tree, layers.origins.get(("auth",), DEFAULTS))
    faults += faults_in_crashing(environ)
    if settings is not None:
        faults += _unreadable(settings, layers)
    if faults or settings is None:
        raise ConfigError(with_lines(faults, str(file), layers.text))
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
        return None, from_validation(error, Settings, layers.tree, layers.origins, str(file) if file else DEFAULTS)


def _unreadable(settings: Settings, layers: Layers) -> Iterator[ConfigFault]:
    """Files are read anew when they are needed; that they can be read is found out now."""
    if settings.server.speaks_tls:
        yield from _try_to_read(settings.server.read_tls, ("server", "tls_certificate_file"), layers)
    if settings.database.dsn_file is not None:
        yield from _try_to_read(settings.database.read_dsn, ("database", "dsn_file"), layers)
    if settings.database.dsn_file is None or settings.database.dsn_file.is_file():
        where = "dsn" if settings.database.dsn is not None else "dsn_file"
        yield from _try_to_read(settings.database.check_dsn_files, ("database", where), layers)
    yield from _try_to_read(settings.database.check_ca, ("database", "ca_file"), layers)
    for name, brake in settings.brakes.items():
        yield from _try_to_read(brake.read_ca, ("brakes", name, "ca_file"), layers)
    yield from _secret_addresses(settings, layers)
    for name, secret in settings.secrets.items():
        kept_in = "file" if secret.file is not None else "value"
        yield from _try_to_read(partial(_look_into, secret), ("secrets", name, kept_in), layers)


def _look_into(secret: SecretSettings) -> None:
    """Read it; and where it is the DSN of a source, the files that it names."""
    text = secret.read().partition("\n")[0]
    if text.startswith(("postgresql://", "postgres://")):
        check_files_of(text)


def _secret_addresses(settings: Settings, layers: Layers) -> Iterator[ConfigFault]:
    """Addresses that are secrets are looked at where they can be read; nothing of them is repeated."""
    for number, endpoint in enumerate(settings.notifications):
        if isinstance(endpoint.url, str) or endpoint.url.secret not in settings.secrets:
            continue
        with suppress(OSError, UnicodeDecodeError):  # told above
            text = settings.secrets[endpoint.url.secret].read().strip()
            if (problem := url_problem(text, endpoint.format)) is not None:
                where = layers.origins.get(("notifications",), DEFAULTS)
                path: KeyPath = ("notifications", number, "url", "secret")
                yield ConfigFault(where, dotted(path), f"the address in the secret {problem}")


def _try_to_read(read: Any, path: KeyPath, layers: Layers) -> Iterator[ConfigFault]:
    try:
        read()
    except ssl.SSLError as problem:
        where = layers.origins.get(path) or layers.origins.get(path[:-1], DEFAULTS)
        yield ConfigFault(where, dotted(path), f"is no file of certificates: {problem.reason or problem}")
    except OSError as problem:
        where = layers.origins.get(path) or layers.origins.get(path[:-1], DEFAULTS)
        yield ConfigFault(where, dotted(path), f"{problem.filename} cannot be read: {problem.strerror}")
    except UnicodeDecodeError:
        where = layers.origins.get(path) or layers.origins.get(path[:-1], DEFAULTS)
        yield ConfigFault(where, dotted(path), "is not UTF-8")
    except UnusableCertificate as problem:
        where = layers.origins.get(path) or layers.origins.get(path[:-1], DEFAULTS)
        yield ConfigFault(where, dotted(path), str(problem))
