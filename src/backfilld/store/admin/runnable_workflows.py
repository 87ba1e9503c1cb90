"""Workflows as whoever wants to run one sees them: found by a number, with what they cost and how fast they are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from backfilld.domain.backfill_settings import usual_attempts
from backfilld.domain.backfills.remedies import enabling
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

_sql = load("admin.runnable_workflows")
ITEMS_LOOKED_AT = 1_000  # of the latest backfill, to tell how long one takes


@dataclass(frozen=True, slots=True)
class RunnableWorkflow:
    """A workflow and its present revision; `definition` is the revision's JSON."""

    workflow_id: int
    name: str
    enabled: bool
    revision_id: int
    version: int
    definition: Mapping[str, Any]
    managed_by: str = "api"

    @property
    def credits_per_entity(self) -> Decimal:
        """What one entity costs; nothing, if nobody said."""
        return Decimal(str(self.definition.get("credits_per_entity") or 0))

    @property
    def disabled_text(self) -> str:
        """That it is disabled, and what enables it."""
        how = enabling(self.workflow_id, self.managed_by)
        return f"workflow {self.workflow_id} ({self.name}) is disabled; {how}"

    @property
    def max_attempts(self) -> int:
        """Tries per entity, unless a backfill says otherwise."""
        return usual_attempts(self.definition)


@dataclass(frozen=True, slots=True)
class SlotSpeed:
    """Of a workflow's latest backfill: items a second and slot, and how long an item took, if that is known."""

    pace: float
    seconds: float | None = None

    @property
    def most(self) -> float | None:
        """Items a second that a slot can do, by how long they take: no pace and no budget made that longer."""
        return 1 / self.seconds if self.seconds else None

    @property
    def per_second(self) -> float:
        """The same; else what it did."""
        return self.most or self.pace


class RunnableWorkflowStore:
    """The tables `workflows` and `revisions`, read only."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, id: int) -> RunnableWorkflow | None:
        """The workflow of that id, or of the revision of that id; None if there is none, or it was deleted."""
        row = await self._pool.fetchrow(_sql.find_target, id)
        return RunnableWorkflow(**dict(row) | {"definition": json.loads(row["definition"])}) if row else None

    async def list_enabled(self, limit: int) -> list[tuple[int, str]]:
        """Id and name of workflows that may be run, oldest first."""
        return [(row["id"], row["name"]) for row in await self._pool.fetch(_sql.list_enabled, limit)]

    async def find_speeds(self, workflow_ids: Sequence[int]) -> dict[int, SlotSpeed]:
        """How fast one slot is, of each workflow that a backfill has told it of."""
        rows = await self._pool.fetch(_sql.find_speeds, list(workflow_ids), ITEMS_LOOKED_AT)
        return {row["id"]: SlotSpeed(row["throughput"] / row["max_in_flight"], row["seconds"]) for row in rows}
