"""How many entities a filter matches, as far as that can be told in time.

Nobody who creates a backfill waits for a count: it stands in the plan soon enough.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from backfilld.domain.backfills.progress import differs_much
from backfilld.domain.filters import Tree
from backfilld.domain.texts import many
from backfilld.sources.base import EntityQuery, SourceBroken, SourceUnreachable
from backfilld.sources.registry import SourceRegistry

PATIENCE = 1.25  # a source is told how long it may take; this is when it is no longer waited for


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a backfill is going to cost, where both factors are known."""

    credits_per_entity: Decimal | None
    total_entities: int | None

    @property
    def total_credits(self) -> Decimal | None:
        if self.credits_per_entity is None or self.total_entities is None:
            return None
        return self.credits_per_entity * self.total_entities


class Counter:
    """Counts within a time that the configuration sets."""

    def __init__(self, sources: SourceRegistry, timeout_seconds: float) -> None:
        self._sources = sources
        self._timeout_seconds = timeout_seconds

    async def count(
        self, entity_type: str, tree: Tree | None, entity_ids: Sequence[str] | None
    ) -> tuple[int | None, list[str]]:
        """The number of entities to be planned (None: not known in time), and why it is not known.

        With `entity_ids` each of them is planned, whatever becomes of it.
        """
        if entity_ids is not None:
            return len(entity_ids), []
        source = self._sources.find(entity_type)
        if source is None:
            return 0, []
        query = EntityQuery(entity_type, tree)
        try:
            async with asyncio.timeout(self._timeout_seconds * PATIENCE):
                total = await source.count(query, within_seconds=self._timeout_seconds)
        except TimeoutError:
            total = None
        except SourceBroken as problem:
            return None, [f"the source of type {entity_type} is broken: {problem}"]
        except SourceUnreachable as problem:
            return None, [f"the source of type {entity_type} does not answer, so nothing could be counted: {problem}"]
        if total is None:
            took = f"counting took longer than {self._timeout_seconds:g} s; the total will be known from the plan"
            return None, [took]
        return total, []


def estimate_warnings(total: int | None, estimated: int | None) -> list[str]:
    """Whether the caller's own estimate is far from what was counted."""
    if total is None or estimated is None or not differs_much(total, estimated):
        return []
    matching = many(total, "entity matches", "entities match")
    return [f"total_estimated is {estimated:,}, but {matching}; is this the filter that was meant?"]
