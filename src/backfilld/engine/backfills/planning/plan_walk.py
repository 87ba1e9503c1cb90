"""What a plan covers, and what it leaves out.

The planner writes it down, a preview counts it. Both walk here, so what was shown before is what is planned after.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.entities.records import NOT_ENUMERABLE, Entity
from backfilld.domain.filters import Tree, compile_predicate
from backfilld.domain.filters.resolve import from_json
from backfilld.sources.base import EntityQuery, EntitySource, Page
from backfilld.store.backfills.selections import LeavingOut
from backfilld.store.ledger.last_runs import LastRunsStore

log = logging.getLogger(__name__)

PAGE = 5000
IDS_AT_ONCE = 1000
NOT_FOUND = "not_found"
NOT_MATCHING = "not_matching"
UNREADABLE = "unreadable"
ALREADY_SUCCEEDED = "already_succeeded"
ALREADY_RUN = "already_run"
INTERNAL = "internal"  # whether it matches, or what it holds, cannot be told: a bug of ours, which costs this one alone

Predicate = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a plan is made of. `tree` None: everything; `entity_ids`: only these, in a request.

    Without a workflow nobody asks what was run before.
    """

    entity_type: str
    tree: Tree | None
    entity_ids: Sequence[str] | None = None
    workflow_id: int | None = None
    reprocess_behavior: str = "completed"
    early: bool = False  # nobody waits for the plan yet

    @staticmethod
    def of(backfill: Backfill) -> "Scope":
        resolved = backfill.filter_resolved
        return Scope(
            backfill.settings.entity_type or NOT_ENUMERABLE,
            None if resolved is None else from_json(resolved),
            workflow_id=backfill.workflow_id,
            reprocess_behavior=backfill.settings.reprocess_behavior,
            early=backfill.settings.start != "now",
        )

    @property
    def asks_for_history(self) -> bool:
        """Whether earlier outcomes may leave something out."""
        return self.workflow_id is not None and self.reprocess_behavior != "completed"

    def left_out(self, last: str | None) -> str | None:
        """Why an entity whose last outcome was that is not run again; None if it is."""
        if last is None or not self.asks_for_history:
            return None
        if self.reprocess_behavior == "none":
            return ALREADY_RUN
        return ALREADY_SUCCEEDED if last == "succeeded" else None

    def leaving_out(self) -> LeavingOut:
        """`left_out` for a statement that plans where the entities lie."""
        return LeavingOut(self.workflow_id or 0, self.left_out("succeeded"), self.left_out("failed"))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plan. `entity` None: none of that id is there, or can be read; `skip_reason` None: it runs."""

    entity_id: str
    entity: Entity | None
    skip_reason: str | None = None


class PlanWalk:
    """Pages of a plan as it would be made now."""

    def __init__(
        self, scope: Scope, source: EntitySource | None, last_runs: LastRunsStore, *, page_size: int | None = None
    ) -> None:
        self._scope = scope
        self._page_size = page_size or PAGE
        self._source = source
        self._last_runs = last_runs
        self._matches = predicate_of(scope)
        self._has_told = False

    async def listed(
        self, *, cursor: str | None = None, with_attributes: bool = False
    ) -> AsyncGenerator[tuple[list[Line], Page], None]:
        """Whatever the source lists and the filter lets through, page by page, with the page that it came with."""
        source = self._source
        if source is None:
            raise ValueError(f"entities of type {self._scope.entity_type} cannot be listed")
        query = EntityQuery(
            self._scope.entity_type, self._scope.tree, with_attributes=with_attributes, early=self._scope.early
        )
        async with aclosing(source.pages(query, cursor=cursor, page_size=self._page_size)) as pages:
            async for page in pages:
                lines = await (self._with_history if page.exact else self._filtered)(page.entities)
                unreadable = [Line(one.id, None, UNREADABLE) for one in page.left_out if one.id is not None]
                yield lines + unreadable, page

    async def named(self, ids: Sequence[str]) -> AsyncGenerator[list[Line], None]:
        """The given ids, each once."""
        distinct = list(dict.fromkeys(ids))
        for start in range(0, len(distinct), IDS_AT_ONCE):
            yield await self.judged(distinct[start : start + IDS_AT_ONCE])

    async def lines(self) -> AsyncGenerator[list[Line], None]:
        """The whole plan from its start, page by page, without attributes where the source need not read them."""
        if self._scope.entity_ids is not None:
            async with aclosing(self.named(self._scope.entity_ids)) as named:
                async for lines in named:
                    yield lines
        elif self._source is not None:
            async with aclosing(self.listed()) as listed:
                async for lines, _ in listed:
                    yield lines

    async def judged(self, ids: Sequence[str]) -> list[Line]:
        """A line for each of some distinct ids; those that are not there or do not match are covered and skipped."""
        found = await self._read(ids)
        lines = {line.entity_id: line for line in await self._filtered([found[id] for id in ids if id in found])}
        return [lines.get(id) or _unfit(id, found.get(id)) for id in ids]

    async def _filtered(self, entities: Sequence[Entity]) -> list[Line]:
        """Lines of those that match, and of those of which that cannot be told."""
        verdicts = [self._why_not(entity) for entity in entities]
        matching = [entity for entity, why in zip(entities, verdicts, strict=True) if why is None]
        lines = iter(await self._with_history(matching))
        return [
            next(lines) if why is None else Line(entity.id, entity, why)
            for entity, why in zip(entities, verdicts, strict=True)
            if why != NOT_MATCHING
        ]

    def _why_not(self, entity: Entity) -> str | None:
        """NOT_MATCHING, or INTERNAL; None: it matches."""
        try:
            return None if self._matches(entity.attributes) else NOT_MATCHING
        except Exception:
            self.tell(entity.id)
            return INTERNAL

    def tell(self, entity_id: str) -> None:
        """An error of ours is being dealt with, and costs this entity: the first is logged, all count as skipped."""
        if not self._has_told:
            self._has_told = True
            log.exception("an entity is left out on an error of our own, and perhaps others: %s", entity_id)

    async def _read(self, ids: Sequence[str]) -> dict[str, Entity]:
        """The entities behind given ids; of a type that has no source every id stands for itself."""
        if self._source is None:
            return {id: Entity(id, {}) for id in ids}
        return await self._source.read(self._scope.entity_type, ids)

    async def _with_history(self, entities: Sequence[Entity]) -> list[Line]:
        """Lines, with the reason where an earlier outcome leaves the entity out."""
        scope, last = self._scope, dict[str, str]()
        if scope.asks_for_history and scope.workflow_id is not None and entities:
            ids = [entity.id for entity in entities]
            last = await self._last_runs.last_outcomes(scope.workflow_id, scope.entity_type, ids)
        return [Line(entity.id, entity, scope.left_out(last.get(entity.id))) for entity in entities]


def predicate_of(scope: Scope) -> Predicate:
    """Whether attributes match the filter."""
    return (lambda _: True) if scope.tree is None else compile_predicate(scope.tree)


def _unfit(id: str, entity: Entity | None) -> Line:
    return Line(id, entity, NOT_FOUND if entity is None else NOT_MATCHING)
