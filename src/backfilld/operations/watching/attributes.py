"""What an entity of a plan says: as its target was sent it, where that is known.

A plan keeps attributes only where their source cannot be read again. Of all others they are read right before each
start and kept nowhere, so what can be told later is what they say now.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from backfilld.clock import Clock
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.entities.records import NOT_ENUMERABLE
from backfilld.domain.errors import NotFound, Unavailable
from backfilld.operations.backfills.ledger import LedgerEntry
from backfilld.sources.base import SourceBroken, SourceUnreachable
from backfilld.sources.registry import SourceRegistry
from backfilld.store.ledger.pages import LedgerPages

Standing = Literal["as_sent", "as_planned", "as_now"]
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Attributes:
    """`values` None: the source has no such entity any more. `as_of`: since when they are so, as far as the source
    tells; None for those that the plan keeps."""

    values: Mapping[str, Any] | None
    standing: Standing
    read_at: datetime
    as_of: datetime | None = None


class AttributeReading:
    """Looks into the plan, else asks the source."""

    def __init__(self, pages: LedgerPages, sources: SourceRegistry, clock: Clock) -> None:
        self._pages = pages
        self._sources = sources
        self._clock = clock

    def costs_a_request(self, backfill: Backfill) -> bool:
        """Whether the source counts how often it is asked, so that nobody should ask without need."""
        source = self._sources.find(backfill.settings.entity_type or NOT_ENUMERABLE)
        return source is not None and source.can_be_read_again and source.freshness_seconds is not None

    async def read(self, backfill: Backfill, entry: LedgerEntry, *, within_seconds: float = SECONDS) -> Attributes:
        """Those of an entry of its plan. NotFound for a session, which has none; Unavailable: its source does not
        answer."""
        if backfill.is_schedule:
            raise NotFound("sessions have no attributes; their parameters stand with their attempts")
        entity_type = backfill.settings.entity_type or NOT_ENUMERABLE
        if self._sources.reads_again(entity_type):
            return await self._read_now(entity_type, entry.entity_id, within_seconds)
        kept = await self._pages.find_attributes(backfill.number, entry.position)
        standing: Standing = "as_planned" if entry.started_at is None else "as_sent"
        return Attributes(kept, standing, self._clock.now())

    async def _read_now(self, entity_type: str, entity_id: str, seconds: float) -> Attributes:
        source = self._sources.find(entity_type)
        assert source is not None  # noqa: S101  # it reads again
        try:
            async with asyncio.timeout(seconds):
                found = (await source.read(entity_type, [entity_id])).get(entity_id)
        except TimeoutError:
            raise Unavailable(f"the source of type {entity_type} has not answered within {seconds:g} s") from None
        except (SourceBroken, SourceUnreachable) as problem:
            raise Unavailable(f"the source of type {entity_type} cannot be read: {problem}") from problem
        read_at = self._clock.now()
        if found is None:
            return Attributes(None, "as_now", read_at)
        return Attributes(found.attributes, "as_now", read_at, found.as_of)
