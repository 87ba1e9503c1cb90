"""What became of ids that were named: how many are known, before a plan says so.

A file that holds something else than ids makes a backfill of nothing but skipped items, and that ends green. So the
unknown ones, those that the filter lets out and those named twice are counted and told when the backfill is made.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from backfilld.engine.backfills.planning.plan_walk import NOT_FOUND, NOT_MATCHING, PlanWalk, Scope
from backfilld.sources.base import SourceBroken, SourceUnreachable
from backfilld.sources.registry import SourceRegistry
from backfilld.store.ledger.last_runs import LastRunsStore

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class IdsFound:
    """Of `named` different ids; None: not found out in time."""

    named: int
    unknown: int | None = None
    not_matching: int | None = None
    examples: Sequence[str] = field(default_factory=tuple)  # of unknown ones

    @staticmethod
    def of_skipped(named: int, skipped: Mapping[str, int] | None, examples: Sequence[str] = ()) -> "IdsFound":
        """What a walk over the plan says."""
        if skipped is None:
            return IdsFound(named)
        return IdsFound(named, skipped.get(NOT_FOUND, 0), skipped.get(NOT_MATCHING, 0), examples)

    def warnings(self) -> list[str]:
        if self.unknown is None:
            return ["how many of the entity_ids are known was not found out in time; the plan will tell"]
        found = []
        if self.unknown:
            such = f" (such as {', '.join(repr(id[:60]) for id in self.examples)})" if self.examples else ""
            found.append(f"{self._of(self.unknown)} unknown{such}; they are skipped as `{NOT_FOUND}`")
        if self.not_matching:
            let_out = f"{self._of(self.not_matching)} not matched by the filter"
            found.append(f"{let_out}; they are skipped as `{NOT_MATCHING}`")
        if self.named and self.named == self.unknown + (self.not_matching or 0):
            found.append("none of the entity_ids can run; is this the list that was meant?")
        return found

    def _of(self, count: int) -> str:
        return f"{count:,} of {self.named:,} entity_ids {'is' if count == 1 else 'are'}"


def doubled_warnings(ids: Sequence[str]) -> list[str]:
    """Whether ids were named more than once."""
    times = Counter(ids)
    doubled = len(ids) - len(times)
    if not doubled:
        return []
    example = next(id for id, count in times.items() if count > 1)
    what = "1 of the entity_ids repeats" if doubled == 1 else f"{doubled:,} of the entity_ids repeat"
    return [f"{what} an earlier one (such as {example[:60]!r}); each entity is planned once"]


class IdsLook:
    """Looks the ids up, within a time that the configuration sets."""

    def __init__(self, sources: SourceRegistry, last_runs: LastRunsStore, timeout_seconds: float) -> None:
        self._sources = sources
        self._last_runs = last_runs
        self._timeout_seconds = timeout_seconds

    async def look(self, scope: Scope) -> IdsFound | None:
        """What is known of the scope's ids; None if it names none. Earlier outcomes are not asked for."""
        if scope.entity_ids is None:
            return None
        named = len(scope.entity_ids)
        skipped = Counter[str]()
        examples: list[str] = []
        walk = PlanWalk(scope, self._sources.find(scope.entity_type), self._last_runs)
        try:
            async with asyncio.timeout(self._timeout_seconds), aclosing(walk.lines()) as pages:
                async for lines in pages:
                    skipped.update(line.skip_reason for line in lines if line.skip_reason is not None)
                    examples += [line.entity_id for line in lines if line.skip_reason == NOT_FOUND][:_SHOWN]
        except (TimeoutError, SourceBroken, SourceUnreachable):
            return IdsFound(named)
        return IdsFound.of_skipped(named, skipped, examples[:_SHOWN])
