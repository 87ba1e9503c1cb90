"""Looking over what a backfill would cover, for as long as patience lasts.

Previews and checks of filters want the same: how many, a few to look at, and how many were run before. A preview takes
the planner's own walk until everything was seen or the time is over; what was not seen to the end is no number.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from backfilld.domain.backfill_settings import Order
from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import MatchAll, Tree, explain_zero, fields_first, forgiving
from backfilld.engine.backfills.planning.plan_walk import PlanWalk, Scope, predicate_of
from backfilld.sources.base import Bounded, EntityQuery, EntitySource, SourceBroken, SourceUnreachable
from backfilld.sources.registry import SourceRegistry
from backfilld.store.ledger.last_runs import LastRunsStore

PAGE = 1_000  # small ones: what was seen of a page that is not there yet is nothing
COUNTS_ALONE = 1 / 8  # of the time, before what matches is looked at beside the counting
SAMPLE = 10
SAMPLED_FROM = 100
MOST_DEAR_PAGES = 3  # for a few records to show, where a page is a request
EXPLAINED_AT_MOST = 100_000
LONGEST_WAIT_SECONDS = 30.0


@dataclass(slots=True)
class PlanPreview:
    """What was found. `total` and `skipped` are exact, or None if the time did not suffice; `at_most` then, if known.

    `seen` and `seen_to_run` were counted, whatever the time sufficed for: there are at least so many.
    `problem`: the source could not be looked at. It is a warning, too.
    """

    total: int | None = None
    at_most: int | None = None
    skipped: Mapping[str, int] | None = None
    sample: list[Entity] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problem: str | None = None
    seen: int = 0
    seen_to_run: int = 0

    @property
    def at_least(self) -> int | None:
        """No fewer match; None where the number is known, or nothing was seen of it."""
        return self.seen or None if self.total is None else None

    @property
    def to_run_at_least(self) -> int | None:
        """No fewer would run; as `at_least`."""
        return self.seen_to_run or None if self.to_run is None else None

    @property
    def to_run(self) -> int | None:
        """How many are left after those that planning would skip."""
        if self.total is None or self.skipped is None:
            return None
        return self.total - sum(self.skipped.values())


class PlanPreviewer:
    """Looks things over within `timeout_seconds`, or as long as the caller waits, if that is longer."""

    def __init__(self, sources: SourceRegistry, last_runs: LastRunsStore, timeout_seconds: float) -> None:
        self._sources = sources
        self._last_runs = last_runs
        self._timeout_seconds = timeout_seconds

    async def survey(self, scope: Scope, *, order: Order = "source", wait_seconds: float = 0) -> PlanPreview:
        """What planning would find now. What was not seen in time, and a source that does not answer, are warnings."""
        survey = PlanPreview()
        source = self._sources.find(scope.entity_type)
        within = max(self._timeout_seconds, wait_seconds)
        walks = scope.entity_ids is not None or scope.asks_for_history
        bounded = partial(self._bounded, scope, survey, within)
        if source is not None and source.freshness_seconds is not None and not walks:
            await bounded(self._list_or_count(scope, source, order, survey, within))
            return self._told(scope, survey, walks=False, within=within)
        counting = asyncio.create_task(bounded(self._count(scope, source, survey, within)))
        try:
            looking = [self._take_sample(scope, source, order, survey)]
            if walks:
                looking.append(self._walk(scope, source, survey))
            elif source is not None:
                looking.append(self._look_beside(counting, scope, source, survey, within))
            await asyncio.gather(*map(bounded, looking))
            if survey.total is None:
                await counting
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)
        return self._told(scope, survey, walks=walks, within=within)

    def _told(self, scope: Scope, survey: PlanPreview, *, walks: bool, within: float) -> PlanPreview:
        """The survey, with what is to be said of it."""
        if (tree := scope.tree) is not None:
            survey.sample = [replace(one, attributes=fields_first(one.attributes, tree)) for one in survey.sample]
        if not walks and survey.total is not None:
            survey.skipped = {}
        if survey.problem is not None:
            survey.warnings.append(survey.problem)
        elif survey.to_run is None:
            if survey.at_most is not None:
                least = f"at least {survey.seen:,} and " if survey.seen else ""
                survey.warnings.append(f"{least}at most {survey.at_most:,} match; how many exactly the plan will tell")
                return survey
            survey.warnings.append(_took_longer(within, survey, unknown="what would run" if walks else "the total"))
        return survey

    async def _bounded(self, scope: Scope, survey: PlanPreview, seconds: float, looking: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(seconds):
                await looking
        except TimeoutError:
            pass  # what is not known stays None
        except SourceBroken as problem:
            survey.problem = f"the source of type {scope.entity_type} is broken: {problem}"
        except SourceUnreachable as problem:
            survey.problem = f"the source of type {scope.entity_type} does not answer: {problem}"

    async def _list_or_count(
        self, scope: Scope, source: EntitySource, order: Order, survey: PlanPreview, seconds: float
    ) -> None:
        """Of a source where a page is a request: a page or a few, and the number only where those were not all."""
        matches = forgiving(predicate_of(scope), otherwise=False)
        query = EntityQuery(scope.entity_type, scope.tree, order)
        async with aclosing(source.pages(query, cursor=None, page_size=SAMPLED_FROM)) as pages:
            seen, pages_read = list[Entity](), 0
            async for page in pages:
                seen += [entity for entity in page.entities if page.exact or matches(entity.attributes)]
                survey.sample = seen[:SAMPLE]
                if page.is_last:
                    survey.total = len({entity.id for entity in seen})
                    return
                survey.seen = survey.seen_to_run = len({entity.id for entity in seen})
                pages_read += bool(page.entities)
                if len(seen) >= SAMPLE or pages_read == MOST_DEAR_PAGES:
                    break
        await self._count(scope, source, survey, seconds)

    async def _count(self, scope: Scope, source: EntitySource | None, survey: PlanPreview, seconds: float) -> None:
        """The total alone, which the source may know although the time does not suffice to see every entity."""
        if scope.entity_ids is not None:
            survey.total = len(set(scope.entity_ids))
        elif source is None:
            survey.total = 0
        else:
            query = EntityQuery(scope.entity_type, scope.tree)
            total = await source.count(query, within_seconds=seconds)
            survey.total = total if survey.total is None else survey.total
            if survey.total is None and isinstance(source, Bounded):
                survey.at_most = await source.at_most(query)

    async def _look_beside(
        self, counting: asyncio.Task[None], scope: Scope, source: EntitySource, survey: PlanPreview, seconds: float
    ) -> None:
        """While the source counts for longer than it mostly does, see what matches: there are at least so many."""
        await asyncio.wait({counting}, timeout=seconds * COUNTS_ALONE)
        if counting.done():
            return
        walking = asyncio.ensure_future(self._walk(scope, source, survey))
        try:
            await asyncio.wait({counting, walking}, return_when=asyncio.FIRST_COMPLETED)
            if walking.done() or survey.total is None:
                await walking
        finally:
            walking.cancel()
            await asyncio.gather(walking, return_exceptions=True)

    async def _walk(self, scope: Scope, source: EntitySource | None, survey: PlanPreview) -> None:
        total, skipped = 0, Counter[str]()
        if scope.asks_for_history:
            await self._last_runs.bring_up_to_date(scope.workflow_id)
        async with aclosing(PlanWalk(scope, source, self._last_runs, page_size=PAGE).lines()) as pages:
            async for lines in pages:
                total += len(lines)
                skipped.update(line.skip_reason for line in lines if line.skip_reason is not None)
                survey.seen, survey.seen_to_run = total, total - skipped.total()
        survey.total, survey.skipped = total, dict(skipped)

    async def _take_sample(self, scope: Scope, source: EntitySource | None, order: Order, survey: PlanPreview) -> None:
        """The first few that match, with their attributes."""
        if scope.entity_ids is not None:
            found = PlanWalk(replace(scope, workflow_id=None), source, self._last_runs).lines()
            async with aclosing(found):
                async for lines in found:
                    fit = [line.entity for line in lines if line.entity is not None and line.skip_reason is None]
                    survey.sample += fit[: SAMPLE - len(survey.sample)]
                    if len(survey.sample) == SAMPLE:
                        return
        elif source is not None:
            matches = forgiving(predicate_of(scope), otherwise=False)
            query = EntityQuery(scope.entity_type, scope.tree, order)
            async with aclosing(source.pages(query, cursor=None, page_size=SAMPLED_FROM)) as pages:
                async for page in pages:
                    fit = [entity for entity in page.entities if page.exact or matches(entity.attributes)]
                    survey.sample += fit[: SAMPLE - len(survey.sample)]
                    if len(survey.sample) == SAMPLE:
                        return

    async def why_none(self, entity_type: str, tree: Tree) -> list[str]:
        """Sentences about what keeps every entity from matching, as far as time allows to look at them."""
        source = self._sources.find(entity_type)
        if source is None or isinstance(tree, MatchAll):
            return []
        records: list[Mapping[str, Any]] = []
        try:
            async with asyncio.timeout(self._timeout_seconds):
                async with aclosing(source.pages(EntityQuery(entity_type), cursor=None, page_size=PAGE)) as pages:
                    async for page in pages:
                        records += [entity.attributes for entity in page.entities]
                        if len(records) >= EXPLAINED_AT_MOST:
                            break
        except (TimeoutError, SourceUnreachable, SourceBroken):
            pass  # what was seen until then may explain it as well
        return await asyncio.to_thread(explain_zero, tree, records)


def _took_longer(seconds: float, survey: PlanPreview, *, unknown: str) -> str:
    of_those = f" of the {survey.seen:,} that were seen" if survey.seen != survey.seen_to_run else ""
    seen = f", at least {survey.seen_to_run:,}{of_those}" if survey.seen else ""
    return (
        f"{unknown} is not known{seen}: looking took longer than {seconds:g} s;"
        f" ask again with ?wait={LONGEST_WAIT_SECONDS:g}, or raise engine.count_timeout_seconds"
    )
