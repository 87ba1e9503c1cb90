"""Workflows that are written down in the configuration file.

Their keys, and what is allowed in them, are those of the HTTP API; the same model reads both.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError, model_validator

from backfilld.config.faults import ConfigFault, dotted
from backfilld.config.sections.apis.connections import secrets_in
from backfilld.config.tree import Path
from backfilld.domain.errors import Fault
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.secret_use import SecretUse, uses_of


class WorkflowSettings(WorkflowDefinition):
    """One workflow, read-only over HTTP. Known by (project, name), whose id stays the same for ever."""

    @model_validator(mode="before")
    @classmethod
    def _secret_by_name(cls, value: Any) -> Any:
        """In the file, `secret = "name"` will do for `secret = { secret = "name" }`."""
        executor = value.get("executor") if isinstance(value, Mapping) else None
        if isinstance(executor, Mapping) and isinstance(executor.get("secret"), str):
            return {**value, "executor": {**executor, "secret": {"secret": executor["secret"]}}}
        return value

    def definition(self) -> dict[str, Any]:
        """As the API would have been sent it: plain JSON, without what was left at its default."""
        return self.plain()


def faults_in_workflows(tree: Mapping[str, Any], where: str) -> Iterator[ConfigFault]:
    """What the shape does not show: two of one name, unknown secrets, forbidden hosts and headers.

    Read from the raw tree, workflow by workflow, so that a fault elsewhere does not hide these.
    """
    workflows = tree.get("workflows")
    if not isinstance(workflows, list):
        return
    rules = DefinitionRules(
        allowed_hosts=_allowed_hosts(tree),
        secrets=_secret_names(tree),
        secret_uses=_secret_uses(tree),
        connections=_connections(tree),
        budgets=list(_table(tree, "connections")),
        engines=_engines(tree),
    )
    seen: set[tuple[str, str]] = set()
    for number, workflow in enumerate(workflows):
        path: Path = ("workflows", number)
        if not isinstance(workflow, dict):
            continue
        identity = (str(workflow.get("project", "default")), str(workflow.get("name")))
        if identity in seen:
            message = f"project '{identity[0]}' has a workflow '{identity[1]}' already"
            yield ConfigFault(where, dotted((*path, "name")), message)
        seen.add(identity)
        for fault in _definition_faults(workflow, rules):
            yield ConfigFault(where, dotted((*path, *_keys(fault.path))), fault.message)


def _definition_faults(workflow: dict[str, Any], rules: DefinitionRules) -> list[Fault]:
    """Of the whole; or, if that has not even the right shape, of what has."""
    for part in (workflow, {"name": "x", "executor": workflow.get("executor")}):
        with suppress(ValidationError):  # told by the validation of the settings
            return definition_faults(WorkflowSettings.model_validate(part), rules)
    return []


def _keys(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _secret_names(tree: Mapping[str, Any]) -> list[str]:
    secrets = tree.get("secrets")
    return list(secrets) if isinstance(secrets, dict) else []


def _allowed_hosts(tree: Mapping[str, Any]) -> list[str]:
    executors = tree.get("executors")
    hosts = executors.get("allowed_hosts") if isinstance(executors, dict) else None
    return [host for host in hosts if isinstance(host, str)] if isinstance(hosts, list) else []


def _connections(tree: Mapping[str, Any]) -> dict[str, list[str]]:
    """Those that executors may use, and who may name them."""
    connections = _table(tree, "connections")
    for_executors = {name for name in connections if _table(connections, name).get("executors") is True}
    named = {name: _table(connections, name).get("used_by") for name in for_executors}
    return {name: list(users) if isinstance(users, list) else [] for name, users in named.items()}


def _engines(tree: Mapping[str, Any]) -> dict[str, str]:
    """The engines, each with its type."""
    engines = _table(tree, "engines")
    return {name: str(_table(engines, name).get("type")) for name in engines}


def _secret_uses(tree: Mapping[str, Any]) -> dict[str, SecretUse]:
    secrets, types, database, server, connections, engines, brakes = (
        _table(tree, name)
        for name in ("secrets", "entity_types", "database", "server", "connections", "engines", "brakes")
    )
    dsns = {name: _table(_table(_table(types, name), "sql"), "dsn").get("secret") for name in types}
    files = {database.get("dsn_file"): "the database"}
    files |= {server.get(key): "the server's certificate" for key in ("tls_key_file", "tls_certificate_file")}
    return uses_of(
        {name: _table(secrets, name) for name in secrets},
        {
            **{dsn: f"the source of '{name}'" for name, dsn in dsns.items() if isinstance(dsn, str)},
            **{secret: f"the connection '{path[0]}'" for path, secret in secrets_in(connections, ())},
            **{secret: f"the engine '{path[0]}'" for path, secret in secrets_in(engines, ())},
            **{dsn: f"the brake '{name}'" for name, dsn in _dsns_of_brakes(brakes)},
        },
        {file: what for file, what in files.items() if isinstance(file, str)},
    )


def _dsns_of_brakes(brakes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in brakes:
        secret = _table(_table(brakes, name), "dsn").get("secret")
        if isinstance(secret, str):
            yield name, secret


def _table(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = tree.get(name)
    return found if isinstance(found, Mapping) else {}
