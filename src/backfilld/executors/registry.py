"""Which executor does a workflow revision's work.

One executor per revision, kept as long as the daemon runs, so that its connections are kept too. A revision that
cannot be worked with (its definition is not understood here, its host no longer allowed) gets an executor that refuses:
its backfills hold and say why, instead of failing their items.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from pydantic import ValidationError

from backfilld.clock import Clock
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.executors.base import Executor, Permit, Work
from backfilld.executors.command.executor import CommandExecutor, CommandLimits
from backfilld.executors.definition import EchoExecutor as EchoDefinition
from backfilld.executors.definition import WorkflowDefinition
from backfilld.executors.definition_rules import DefinitionRules, definition_faults
from backfilld.executors.definitions.engines import EngineWork
from backfilld.executors.definitions.http import HttpExecutor as HttpDefinition
from backfilld.executors.echo import EchoExecutor
from backfilld.executors.engines import Engines, kinds_of
from backfilld.executors.http.client import Limits
from backfilld.executors.http.connected import ConnectedExecutor
from backfilld.executors.http.executor import HttpExecutor
from backfilld.executors.http.links import Link
from backfilld.executors.http.spending import SpendingExecutor
from backfilld.executors.http.templated.executor import TemplatedExecutor
from backfilld.executors.secret_use import SecretUse
from backfilld.executors.secrets import SecretStore
from backfilld.executors.templates.substitution import Filling

SecretsOfProject: TypeAlias = Callable[[str], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class ExecutorOptions:
    """What the configuration says about executors. `tls` None: the system's certificate authorities."""

    limits: Limits = field(default_factory=Limits)
    commands: CommandLimits = field(default_factory=CommandLimits)
    allowed_hosts: tuple[str, ...] = ()
    secret_uses: Mapping[str, SecretUse] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    links: Mapping[str, Link] = field(default_factory=dict)
    connections: Mapping[str, Collection[str]] = field(default_factory=dict)  # those of `links` → who may name them
    engines: Engines = field(default_factory=dict)


class RefusingExecutor:
    """Stands in for an executor that there cannot be."""

    def __init__(self, target: str, verdict: Verdict) -> None:
        self._target = target
        self._verdict = verdict

    @property
    def target(self) -> str:
        return self._target

    def address(self, variables: Mapping[str, Any]) -> str:
        return ""

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        """Refused, without a start."""
        return self._verdict

    async def stop(self, work: Work) -> None:
        """Nothing was started."""

    async def close(self) -> None:
        """Nothing to let go of."""


class ExecutorRegistry:
    """The executors that are in use."""

    def __init__(
        self,
        options: ExecutorOptions,
        clock: Clock,
        secrets: SecretStore,
        project_secrets: SecretsOfProject | None = None,
    ) -> None:
        self._options = options
        self._project_secrets = project_secrets
        self._clock = clock
        self.secrets = secrets
        self._executors: dict[int, Executor] = {}
        self._replaced: list[Executor] = []

    def for_revision(self, revision_id: int, definition: Mapping[str, Any]) -> Executor:
        """The executor of a revision; `definition` is the stored one, whole (`{"name", "executor", …}`)."""
        executor = self._executors.get(revision_id)
        if executor is None:
            executor = self._executors[revision_id] = self._make(revision_id, definition)
        return executor

    def reload(self, secrets: Mapping[str, str], options: ExecutorOptions | None = None) -> None:
        """Take new secrets, and new options if given, from the next try on. What is under way ends as it began."""
        self.secrets.replace(secrets)
        if options is not None:
            self._options = options
            self._replaced += self._executors.values()
            self._executors = {}

    async def close_all(self) -> None:
        """Let go of all connections; for when nothing executes any more."""
        executors = [*self._replaced, *self._executors.values()]
        self._replaced, self._executors = [], {}
        await asyncio.gather(*(executor.close() for executor in executors))

    def _make(self, revision_id: int, stored: Mapping[str, Any]) -> Executor:
        target = f"revision:{revision_id}"
        try:
            definition = WorkflowDefinition.model_validate(stored)
        except ValidationError as problem:
            first = problem.errors(include_url=False, include_input=False)[0]
            where = "/".join(str(part) for part in first["loc"])
            return _refusing(target, "definition_invalid", f"the workflow's definition: {where}: {first['msg']}")
        # A missing secret is told with each try, since it may come with the next reload.
        options = self._options
        rules = DefinitionRules(
            allowed_hosts=options.allowed_hosts,
            secret_uses=options.secret_uses,
            connections=options.connections,
            budgets=tuple(options.links),
            engines=kinds_of(options.engines),
        )
        faults = definition_faults(definition, rules)
        if faults:
            return _refusing(
                target, faults[0].code, f"the workflow's definition: {faults[0].path}: {faults[0].message}"
            )
        made = self._made(revision_id, definition)
        if (spends := definition.spends) is not None:
            return SpendingExecutor(made, options.links[spends.connection], spends.requests, self._clock)
        return made

    def _made(self, revision_id: int, definition: WorkflowDefinition) -> Executor:
        options, wanted = self._options, definition.executor
        filling = Filling(definition.exports) if definition.substitutes else None
        if isinstance(wanted, HttpDefinition) and wanted.connection is not None:
            link = options.links[wanted.connection]
            return ConnectedExecutor(wanted, link, clock=self._clock, limits=options.limits, tls=options.tls)
        if isinstance(wanted, HttpDefinition):
            of_project = self._project_secrets
            made = HttpExecutor if wanted.request is None else TemplatedExecutor
            return made(
                wanted,
                secrets=self.secrets,
                clock=self._clock,
                limits=options.limits,
                tls=options.tls,
                filling=filling,
                project_secrets=None if of_project is None else partial(of_project, definition.project),
            )
        if isinstance(wanted, EngineWork):
            return options.engines[wanted.engine].executor(wanted)
        if isinstance(wanted, EchoDefinition):
            return EchoExecutor(wanted, target=f"echo:{revision_id}", filling=filling)
        name = f"command:{wanted.argv[0]}@{revision_id}"
        return CommandExecutor(wanted, target=name, secrets=self.secrets, limits=options.commands, filling=filling)


def _refusing(target: str, error_class: str, error: str) -> RefusingExecutor:
    verdict = Verdict(VerdictKind.REFUSED, error_class=error_class, error=clean_text(error, MESSAGE_BYTES))
    return RefusingExecutor(target, verdict)
