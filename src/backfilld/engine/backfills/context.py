"""What a runner works with, made once by `app` and handed to every runner."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from backfilld.clock import Clock
from backfilld.domain.backfills.retries import Backoff
from backfilld.engine.backfills.leases import LeaseKeeper
from backfilld.engine.backfills.recorder import Recorder
from backfilld.engine.starting.capacity import Capacity
from backfilld.engine.starting.circuit_breaker import Targets
from backfilld.events import Bus
from backfilld.executors.base import Executor
from backfilld.sources.base import EntitySource
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.last_runs import LastRunsStore
from backfilld.store.ledger.ledger import Ledger
from backfilld.store.sessions.items import SessionItems


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of `[engine]` that a runner obeys."""

    max_unrecorded: int = 200
    freshness_seconds: float = 5.0
    ramp_seconds: float = 2.0
    timeout_seconds: float = 60.0
    backoff: Backoff = field(default_factory=Backoff)


class Executors(Protocol):
    """Where a revision's executor comes from."""

    def for_revision(self, revision_id: int, definition: Mapping[str, Any]) -> Executor:
        """The executor of a workflow revision; one that refuses if its definition cannot be used."""


class Sources(Protocol):
    """Where the source of an entity type comes from."""

    def find(self, entity_type: str) -> EntitySource | None:
        """None for a type that cannot be listed."""


@dataclass(frozen=True, slots=True)
class EngineContext:
    """Shared by all runners of a process."""

    clock: Clock
    bus: Bus
    pool: Pool
    backfills: BackfillStore
    ledger: Ledger
    remembered: LastRunsStore
    session_items: SessionItems
    keeper: LeaseKeeper
    recorder: Recorder
    targets: Targets
    capacity: Capacity
    executors: Executors
    sources: Sources
    limits: Limits
    time_fields: Mapping[str, str] = field(default_factory=dict)  # entity type → attribute that orders it
    draw: Callable[[], float] = random.random
