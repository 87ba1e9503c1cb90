"""What a runner works with, made once by `app` and handed to every runner."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from backfilld.engine.backfills.leases import LeaseKeeper
from backfilld.engine.backfills.limits.read_ahead import ReadAhead
from backfilld.engine.backfills.recorder import Recorder
from backfilld.engine.starting.context import EngineContext
from backfilld.sources.base import EntitySource
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.last_runs import LastRunsStore
from backfilld.store.ledger.ledger import Ledger
from backfilld.store.ledger.recovery import RecoveryStore
from backfilld.store.ledger.session_items import SessionItems


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of `[engine]` that a runner obeys."""

    max_unrecorded: int = 200
    freshness_seconds: float = 5.0
    ramp_seconds: float = 2.0


class Sources(Protocol):
    """Where the source of an entity type comes from."""

    def find(self, entity_type: str) -> EntitySource | None:
        """None for a type that cannot be listed."""

    def connection_of(self, entity_type: str) -> str | None:
        """The connection to an API that a type is listed by; None where it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillContext(EngineContext):
    """Shared by all runners of a process."""

    pool: Pool
    backfills: BackfillStore
    ledger: Ledger
    recovery: RecoveryStore
    remembered: LastRunsStore
    session_items: SessionItems
    keeper: LeaseKeeper
    recorder: Recorder
    sources: Sources
    limits: Limits
    read_ahead: ReadAhead = field(default_factory=ReadAhead)
    last_starts: dict[int, float] = field(default_factory=dict)  # of what was carried here, by number, in boot time
    time_fields: Mapping[str, str] = field(default_factory=dict)  # entity type → attribute that orders it
