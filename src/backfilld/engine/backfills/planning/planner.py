"""Turns a filter into a frozen plan, page by page.

The walk says what is covered and what is left out; each page is written together with the source's cursor:
a crash resumes where it was. Where SQL decides alone, on our own entities, a page is one statement.
Nothing starts before the plan is frozen, so totals, order and samples are exact ever after.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime

from backfilld.clock import Clock
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.entities.records import Entity
from backfilld.domain.filters.dates import parse_timestamp
from backfilld.domain.filters.paths import getter, parse_path
from backfilld.engine.backfills.planning.plan_walk import IDS_AT_ONCE, INTERNAL, NOT_MATCHING, Line, PlanWalk, Scope
from backfilld.sources.base import EntityQuery, EntitySource
from backfilld.sources.builtin import BuiltinSource
from backfilld.store.backfills.plans import PlannedEntity, PlanStore
from backfilld.store.backfills.selections import Selection
from backfilld.store.ledger.last_runs import LastRunsStore

PAGE_IN_PLACE = 10_000  # takes 40 ms of a backend and nothing of ours; 5,000 took a sixth longer in all

# A page as planned, the source's cursor behind it, and what the source had to say.
Written = tuple[Sequence[PlannedEntity], str | None, Sequence[str]]


class Planner:
    """Plans one backfill. `may_go_on` is asked before every page; False ends the planning for now."""

    def __init__(
        self,
        backfill: Backfill,
        plan: PlanStore,
        source: EntitySource | None,
        last_runs: LastRunsStore,
        clock: Clock,
        may_go_on: Callable[[], Awaitable[bool]],
        time_field: str | None = None,
    ) -> None:
        self._backfill = backfill
        self._plan = plan
        self._source = source
        self._scope = Scope.of(backfill)
        self._walk = PlanWalk(self._scope, source, last_runs)
        self._clock = clock
        self._may_go_on = may_go_on
        self._time_of = None if time_field is None else getter(parse_path(time_field))

    @property
    def gathers_drafts(self) -> bool:
        """True if the order is made when the plan freezes, and not as the source lists."""
        return self._backfill.settings.order != "source"

    @property
    def _reads_times(self) -> bool:
        """True if the order goes by an attribute."""
        return self.gathers_drafts and self._time_of is not None

    async def gather(self) -> bool:
        """Write every page that is not written yet; False if it was told to stop before the end."""
        if (selection := self._selection()) is not None:
            return await self._gather_in_place(selection)
        pages = self._listed() if self._backfill.named_ids is None else self._named()
        async with aclosing(pages):
            async for entities, cursor, remarks in pages:
                if not await self._may_go_on():
                    return False
                at, drafts = self._clock.now(), self.gathers_drafts
                await self._plan.add_page(entities, cursor=cursor, at=at, drafts=drafts, remarks=remarks)
        return await self._may_go_on()

    def _selection(self) -> Selection | None:
        """What SQL plans alone: entities that lie in the database that the plan goes into, and hold what the order
        goes by; and ids of a type that has no source."""
        is_named = self._backfill.named_ids is not None
        if self._reads_times:
            return None
        if self._source is None:
            return Selection(self._scope.entity_type, None, str, named=True) if is_named else None
        if not isinstance(self._source, BuiltinSource):
            return None
        found = self._source.selection(self._query())
        return replace(found, cursor_of=str, named=True) if found is not None and is_named else found

    async def _gather_in_place(self, selection: Selection) -> bool:
        """Write the pages that are missing, of which nothing comes here."""
        leaving_out, cursor = self._scope.leaving_out(), self._backfill.source_cursor
        source = self._source
        behind: str | None = cursor or ""
        if isinstance(source, BuiltinSource) and not selection.named:
            behind = source.id_behind(cursor)
        while behind is not None:
            if not await self._may_go_on():
                return False
            at, drafts = self._clock.now(), self.gathers_drafts
            behind = await self._plan.add_selected(
                selection, leaving_out, after=behind, most=PAGE_IN_PLACE, at=at, drafts=drafts
            )
        return await self._may_go_on()

    def _query(self) -> EntityQuery:
        return EntityQuery(self._scope.entity_type, self._scope.tree)

    async def _listed(self) -> AsyncGenerator[Written, None]:
        again = self._source is not None and self._source.can_be_read_again
        listed = self._walk.listed(cursor=self._backfill.source_cursor, with_attributes=self._reads_times or not again)
        async with aclosing(listed):
            async for lines, page in listed:
                yield [self._planned(line) for line in lines], page.cursor, page.remarks

    async def _named(self) -> AsyncGenerator[Written, None]:
        """The ids that the backfill was given; the cursor is the place in their list."""
        place = int(self._backfill.source_cursor or 0)
        while ids := await self._plan.list_named(since=place, most=IDS_AT_ONCE):
            place += len(ids)
            yield [self._planned(line) for line in await self._walk.judged(ids)], str(place), ()

    def _planned(self, line: Line) -> PlannedEntity:
        try:
            return self._written(line)
        except Exception:
            self._walk.tell(line.entity_id)
            return PlannedEntity(line.entity_id, INTERNAL)

    def _written(self, line: Line) -> PlannedEntity:
        if line.entity is None or line.skip_reason == INTERNAL:
            return PlannedEntity(line.entity_id, line.skip_reason)
        frozen = None
        if self._source is not None and not self._source.can_be_read_again and line.skip_reason != NOT_MATCHING:
            frozen = json.dumps(line.entity.attributes, ensure_ascii=False)  # whole numbers of any size survive
        return PlannedEntity(line.entity_id, line.skip_reason, self._sort_at(line.entity), frozen)

    def _sort_at(self, entity: Entity) -> datetime | None:
        """The time that the order goes by: a configured attribute, else what the source says."""
        if self._time_of is None:
            return entity.updated_at
        value = self._time_of(entity.attributes)
        return parse_timestamp(value) if isinstance(value, str) else None
