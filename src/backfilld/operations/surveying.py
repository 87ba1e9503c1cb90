"""Looking over what a backfill would cover, for as long as patience lasts.

Previews and checks of filters want the same: how many, a few to look at, and how many were run before. The source is
read page by page until everything was seen or the time is over; what was not seen to the end is not told as a number.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from backfilld.domain.entities import Entity
from backfilld.domain.filters import MatchAll, Tree, compile_predicate, explain_zero
from backfilld.domain.requests import Order, Reprocess
from backfilld.sources.base import EntityQuery, EntitySource, SourceBroken, SourceUnreachable
from backfilld.sources.registry import SourceRegistry
from backfilld.store.ledger_pages import LedgerPages

PAGE = 1_000
SAMPLE = 10
EXPLAINED_AT_MOST = 100_000

NOT_FOUND, NOT_MATCHING = "not_found", "not_matching"
ALREADY_SUCCEEDED, ALREADY_RUN = "already_succeeded", "already_run"


@dataclass(frozen=True, slots=True)
class Ground:
    """What is to be looked over. Without `workflow_id` nobody asks what was run before."""

    entity_type: str
    tree: Tree
    entity_ids: Sequence[str] | None = None
    order: Order = "source"
    workflow_id: int | None = None
    reprocess_behavior: Reprocess = "completed"


@dataclass(slots=True)
class Survey:
    """What was found. `total` and `skipped` are exact, or None if the time did not suffice."""

    total: int | None = None
    skipped: Mapping[str, int] | None = None
    sample: list[Entity] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def to_run(self) -> int | None:
        """How many are left after those that planning would skip."""
        if self.total is None or self.skipped is None:
            return None
        return self.total - sum(self.skipped.values())


class Surveyor:
    """Looks things over within `timeout_seconds`."""

    def __init__(self, sources: SourceRegistry, ledger: LedgerPages, timeout_seconds: float) -> None:
        self._sources = sources
        self._ledger = ledger
        self._timeout_seconds = timeout_seconds

    async def survey(self, ground: Ground) -> Survey:
        """What planning would find now. A source that does not answer is a warning."""
        survey = Survey()
        source = self._sources.find(ground.entity_type)
        counting = asyncio.create_task(self._count(ground, source))
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._walk(ground, source, survey)
        except TimeoutError:
            survey.total = await counting
        except SourceBroken as problem:
            survey.warnings.append(f"the source of type {ground.entity_type} is broken: {problem}")
        except SourceUnreachable as problem:
            survey.warnings.append(f"the source of type {ground.entity_type} does not answer: {problem}")
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)
        return survey

    async def _count(self, ground: Ground, source: EntitySource | None) -> int | None:
        """The total alone, which the source may know although the time does not suffice to see every entity."""
        if ground.entity_ids is not None:
            return len(ground.entity_ids)
        if source is None:
            return None
        query = EntityQuery(ground.entity_type, ground.tree)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await source.count(query, within_seconds=self._timeout_seconds)
        except (TimeoutError, SourceUnreachable, SourceBroken):
            return None

    async def _walk(self, ground: Ground, source: EntitySource | None, survey: Survey) -> None:
        total, skipped = 0, Counter[str]()
        async with aclosing(self._pages(ground, source, skipped)) as pages:
            async for entities in pages:
                total += len(entities)
                survey.sample += entities[: SAMPLE - len(survey.sample)]
                await self._count_skips(ground, entities, skipped)
        if ground.entity_ids is not None:
            total = len(ground.entity_ids)
        survey.total, survey.skipped = total, dict(+skipped)

    def _pages(
        self, ground: Ground, source: EntitySource | None, skipped: Counter[str]
    ) -> AsyncGenerator[list[Entity], None]:
        if ground.entity_ids is not None:
            return self._named(ground, source, ground.entity_ids, skipped)
        return self._listed(ground, source)

    async def _listed(self, ground: Ground, source: EntitySource | None) -> AsyncGenerator[list[Entity], None]:
        if source is None:
            return
        matches = compile_predicate(ground.tree)
        query = EntityQuery(ground.entity_type, ground.tree, ground.order)
        async for page in source.pages(query, cursor=None, page_size=PAGE):
            if not page.entities:
                return
            yield list(page.entities) if page.exact else [e for e in page.entities if matches(e.attributes)]

    async def _named(
        self, ground: Ground, source: EntitySource | None, ids: Sequence[str], skipped: Counter[str]
    ) -> AsyncGenerator[list[Entity], None]:
        matches = compile_predicate(ground.tree)
        for start in range(0, len(ids), PAGE):
            some = ids[start : start + PAGE]
            if source is None:
                yield [Entity(id, {}) for id in some]
                continue
            found = await source.read(ground.entity_type, some)
            matching = [found[id] for id in some if id in found and matches(found[id].attributes)]
            skipped.update({NOT_FOUND: len(some) - len(found), NOT_MATCHING: len(found) - len(matching)})
            yield matching

    async def _count_skips(self, ground: Ground, entities: Sequence[Entity], skipped: Counter[str]) -> None:
        if ground.workflow_id is None or ground.reprocess_behavior == "completed" or not entities:
            return
        ids = [entity.id for entity in entities]
        before = await self._ledger.count_run_before(ground.workflow_id, ground.entity_type, ids)
        if ground.reprocess_behavior == "none":
            skipped[ALREADY_RUN] += sum(before.values())
        else:
            skipped[ALREADY_SUCCEEDED] += before.get("succeeded", 0)

    async def why_none(self, entity_type: str, tree: Tree) -> list[str]:
        """Sentences about what keeps every entity from matching, as far as time allows to look at them."""
        source = self._sources.find(entity_type)
        if source is None or isinstance(tree, MatchAll):
            return []
        records: list[Mapping[str, Any]] = []
        try:
            async with asyncio.timeout(self._timeout_seconds):
                async for page in source.pages(EntityQuery(entity_type), cursor=None, page_size=PAGE):
                    records += [entity.attributes for entity in page.entities]
                    if not page.entities or len(records) >= EXPLAINED_AT_MOST:
                        break
        except (TimeoutError, SourceUnreachable, SourceBroken):
            pass  # what was seen until then may explain it as well
        return await asyncio.to_thread(explain_zero, tree, records)
