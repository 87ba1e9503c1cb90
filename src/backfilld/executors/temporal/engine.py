"""A Temporal namespace that does the work: one connection, one pace and one kind of waiting for all that runs there."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from temporalio.api.enums.v1 import NamespaceState
from temporalio.service import RPCError

from backfilld.clock import Clock
from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.engines import engine_target
from backfilld.executors.engines import EngineReport, Hold
from backfilld.executors.secrets import SecretMissing, SecretStore
from backfilld.executors.temporal.connection import Connection
from backfilld.executors.temporal.executor import TemporalExecutor
from backfilld.executors.temporal.failures import NotConnected
from backfilld.executors.temporal.outage import Outage
from backfilld.executors.temporal.pace import StartPace
from backfilld.executors.temporal.queues import Queues
from backfilld.executors.temporal.terms import TemporalTerms
from backfilld.executors.temporal.waiting import Waiting

SHORT_RETENTION = timedelta(days=3)
_REGISTERED = NamespaceState.NAMESPACE_STATE_REGISTERED


class TemporalEngine:
    """One engine of the configuration."""

    kind = "temporal"

    def __init__(
        self,
        name: str,
        terms: TemporalTerms,
        secrets: SecretStore,
        clock: Clock,
        hold: Hold,
        known_queues: Iterable[str] = (),
    ) -> None:
        """`hold` is told what stands in the way of starts: the engine is away, or a queue has no workers."""
        self.name = name
        self.target = engine_target(name)
        self.clock = clock
        self._terms = terms
        self._hold = hold
        self.connection = Connection(terms, secrets)
        self.pace = StartPace(terms.starts_per_second, clock.monotonic, clock.sleep)
        self._outage = Outage(clock, self._note_outage)
        self.waiting = Waiting(self.connection, self._outage, terms.max_waiting, clock)
        self.queues = Queues(
            self.connection, clock, self._note_workers, patience_seconds=terms.no_workers_after_seconds
        )
        self._known_queues = set(known_queues)  # those that a test asks for workers

    @property
    def address(self) -> str:
        """Server and namespace."""
        return f"{self._terms.address}/{self._terms.namespace}"

    def executor(self, definition: Any) -> TemporalExecutor:
        """For one workflow revision."""
        self._known_queues.add(definition.task_queue)
        return TemporalExecutor(definition, self)

    def _note_outage(self, problem: str | None, since: datetime) -> None:
        reason = None
        if problem is not None:
            reason = because(ReasonCode.ENGINE_UNREACHABLE, since=since, target=self.name, problem=problem)
        self._hold(self.target, None, reason)

    def _note_workers(self, queue: str, since: datetime | None) -> None:
        reason = None
        if since is not None:
            reason = because(ReasonCode.NO_WORKERS, since=since, engine=self.name, queue=queue)
        self._hold(self.target, queue, reason)

    async def test(self) -> EngineReport:
        """Connect, look at the namespace, and ask the queues that are in use for workers."""
        facts: dict[str, str] = {}
        try:
            facts["server"] = await self.connection.version()
            found = await self.connection.namespace()
        except (NotConnected, RPCError, SecretMissing) as problem:
            return EngineReport(str(problem), facts)
        kept = found.config.workflow_execution_retention_ttl.ToTimedelta()
        facts["namespace"] = self._terms.namespace
        facts["retention"] = f"{kept / timedelta(days=1):g} days"
        warnings = []
        if kept < SHORT_RETENTION:
            warnings.append(
                f"closed runs are kept for {facts['retention']}: a run that ended longer ago than that when it is read"
                " is started again; keep them for 3 days or more"
            )
        if found.namespace_info.state != _REGISTERED:
            return EngineReport(f"the namespace {self._terms.namespace} takes no new runs", facts, tuple(warnings))
        for queue in sorted(self._known_queues):
            try:
                workers = len(await self.connection.pollers(queue))
            except (NotConnected, RPCError) as problem:
                return EngineReport(str(problem), facts, tuple(warnings))
            facts[f"workers on {queue}"] = str(workers)
            if not workers:
                warnings.append(f"the queue {queue} has no worker")
        return EngineReport(None, facts, tuple(warnings))

    async def close(self) -> None:
        """Let go of everything."""
        await self.queues.close()
        await self._outage.close()
        await self.connection.close()
