"""What of a filter strikes when it is held against a few of the records, told before anything runs.

A look of its own beside the count, bounded in records and in time: it must not make creating slower.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import MatchAll, Tree, explain_zero
from backfilld.domain.filters.hints import Hints
from backfilld.domain.filters.tree import Group, Rule
from backfilld.operations.hints.field_sample import DEAR_KEPT_SECONDS
from backfilld.sources.base import EntityQuery, EntitySource, SourceBroken, SourceUnreachable
from backfilld.sources.registry import SourceRegistry

LOOKED_AT = 2_000
_AT_ONCE = 100  # records may be wide


@dataclass(slots=True)
class Look:
    """What was seen. `records` are kept for an explanation; `whole`: there were no others."""

    entity_type: str
    tree: Tree
    sentences: list[str] = field(default_factory=list)
    records: list[Mapping[str, Any]] = field(default_factory=list)
    whole: bool = False

    def warnings(self, total: int | None) -> list[str]:
        """What strikes; if nothing matches, that first, and what keeps every record from it."""
        if total != 0:
            return self.sentences
        found = [f"no entity of type {self.entity_type} matches, so nothing would run"]
        if self.whole and not self.records:
            return [f"there is no entity of type {self.entity_type} at all, so nothing would run"]
        if not isinstance(self.tree, MatchAll):
            found += without_repeating(explain_zero(self.tree, self.records), self.sentences)
        return found


def without_repeating(explained: Sequence[str], hints: Sequence[str]) -> list[str]:
    """Hints, and explanations that say something else."""
    return [*hints, *(one for one in explained if not any(hint.startswith(_stem(one)) for hint in hints))]


class FieldHints:
    """Looks, within a time that the configuration sets."""

    def __init__(self, sources: SourceRegistry, timeout_seconds: float, clock: Clock) -> None:
        self._sources = sources
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._kept: dict[str, tuple[float, list[Entity], bool]] = {}

    async def look(
        self, entity_type: str, tree: Tree, *, written: Tree | None = None, entity_ids: Sequence[str] | None = None
    ) -> Look:
        """A look at records of the type, or at those of `entity_ids`; empty where none can be had in time."""
        look = Look(entity_type, tree)
        source = self._sources.find(entity_type)
        if source is None or isinstance(tree, MatchAll):
            look.whole = True
            return look
        hints = Hints(tree, written)
        absent: list[Rule] = []
        known: Mapping[str, Any] = {}
        try:
            async with asyncio.timeout(self._timeout_seconds):
                known = await self._sources.known_fields(entity_type)
                async for entity in self._records(source, entity_type, entity_ids, look):
                    look.records.append(entity.attributes)
                    hints.look_at(entity.attributes)
                absent = hints.absent(known)
                if not look.whole and source.freshness_seconds is None:
                    absent = [rule for rule in absent if not await self._exists(source, entity_type, rule)]
        except (TimeoutError, SourceBroken, SourceUnreachable):
            absent = absent or hints.absent(known)
        look.sentences = hints.sentences(absent, known, whole=look.whole)
        return look

    async def _records(
        self, source: EntitySource, entity_type: str, entity_ids: Sequence[str] | None, look: Look
    ) -> AsyncIterator[Entity]:
        """Those to look at; where a page is a request, and no ids were named, those of the last minutes will do."""
        is_dear = source.freshness_seconds is not None and entity_ids is None
        now = self._clock.monotonic()
        at, kept, whole = self._kept.get(entity_type, (now - DEAR_KEPT_SECONDS, [], False))
        if is_dear and now - at < DEAR_KEPT_SECONDS:
            look.whole = whole
        else:
            kept = []
            async for entity in _some(source, entity_type, entity_ids, look):
                kept.append(entity)
                if not is_dear:
                    yield entity
            if not is_dear:
                return
            self._kept[entity_type] = (now, kept, look.whole)
        for entity in kept:
            yield entity

    async def remarks(self, entity_type: str) -> list[str]:
        """What its source has to say, as far as it has been read by now."""
        return await self._sources.remarks(entity_type)

    async def _exists(self, source: EntitySource, entity_type: str, rule: Rule) -> bool:
        tree = Group("and", False, (Rule(rule.field, "notNull"),))
        return bool(await source.count(EntityQuery(entity_type, tree), within_seconds=self._timeout_seconds))


async def _some(
    source: EntitySource, entity_type: str, entity_ids: Sequence[str] | None, look: Look
) -> AsyncIterator[Entity]:
    is_dear = source.freshness_seconds is not None  # then one request has to do
    if entity_ids is not None:
        for start in range(0, min(len(entity_ids), _AT_ONCE if is_dear else LOOKED_AT), _AT_ONCE):
            found = await source.read(entity_type, entity_ids[start : start + _AT_ONCE])
            for entity in found.values():
                yield entity
        return
    seen = 0
    async with aclosing(source.pages(EntityQuery(entity_type), cursor=None, page_size=_AT_ONCE)) as pages:
        async for page in pages:
            if seen >= LOOKED_AT:
                return
            for entity in page.entities:
                yield entity
            seen += len(page.entities)
            if is_dear and seen >= _AT_ONCE and not page.is_last:
                return
    look.whole = True


def _stem(sentence: str) -> str:
    """The part of a sentence that names the field and what was seen, without its numbers."""
    return sentence.split(" in ", 1)[0] + " in "
