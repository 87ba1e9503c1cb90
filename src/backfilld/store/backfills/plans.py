"""Plans while they are being made: pages go in, and one transaction freezes the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from backfilld.crash_points import Point, reached
from backfilld.store.backfills.ids import list_ids
from backfilld.store.backfills.selections import LeavingOut, Selection, plan_page
from backfilld.store.connection.deadlines import allow
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

queries = load("backfills.plans")

SHORTEST_GAP = 32  # items in a row that were left out; to look at so many costs about as much as to keep a gap
FREEZE_TIMEOUT_SECONDS = 600  # ordering a million drafts takes seconds; the statement's own limit is for small ones


class FenceLost(Exception):
    """Another daemon owns the backfill now; nothing was written."""


@dataclass(frozen=True, slots=True)
class PlannedEntity:
    """What the planner decided of one entity. `attributes` (JSON text) only if they must be frozen."""

    entity_id: str
    skip_reason: str | None = None
    sort_at: datetime | None = None
    attributes: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    planned: int
    skipped: int

    @property
    def to_run(self) -> int:
        return self.planned - self.skipped


class PlanStore:
    """One backfill's plan. Every write is refused with `FenceLost` once the lease has gone to somebody else."""

    def __init__(self, pool: Pool, backfill_number: int, fence: int) -> None:
        self._pool = pool
        self._number = backfill_number
        self._fence = fence

    async def add_page(
        self,
        entities: Sequence[PlannedEntity],
        *,
        cursor: str | None,
        at: datetime,
        drafts: bool,
        remarks: Sequence[str] = (),
    ) -> None:
        """Append a page and move the source's cursor, in one transaction; what is planned already is left out.

        `remarks` are what the source had to say with it.
        """
        try:
            await self._add_page(entities, cursor, at, drafts, remarks)
        except asyncpg.UniqueViolationError:
            known = await self._planned_among([entity.entity_id for entity in entities])
            fresh = list({e.entity_id: e for e in entities if e.entity_id not in known}.values())
            await self._add_page(fresh, cursor, at, drafts, remarks)

    async def _add_page(
        self,
        entities: Sequence[PlannedEntity],
        cursor: str | None,
        at: datetime,
        drafts: bool,
        remarks: Sequence[str],
    ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            position = await self._lock(connection)
            if drafts:
                await self._copy_drafts(connection, entities)
            else:
                await self._copy_items(connection, entities, position, at)
                skipped = sum(entity.skip_reason is not None for entity in entities)
                await connection.execute(queries.grow_plan, self._number, len(entities), skipped)
            await connection.execute(queries.move_cursor, self._number, cursor)
            if remarks:
                await connection.execute(queries.note_remarks, self._number, remarks)
            reached(Point.PLANNER_PAGE_BEFORE_COMMIT)
        reached(Point.PLANNER_PAGE_AFTER_COMMIT)

    async def add_selected(
        self, selection: Selection, leaving_out: LeavingOut, *, after: str, most: int, at: datetime, drafts: bool
    ) -> str | None:
        """As `add_page`, of up to `most` entities behind `after`; where to go on, None if these were the last."""
        async with self._pool.acquire() as connection, connection.transaction():
            position = await self._lock(connection)
            page = await plan_page(
                connection, self._number, selection, leaving_out,
                position=position, after=after, most=most, at=at, drafts=drafts,
            )  # fmt: skip
            if page.last is None:
                return None
            if not drafts:
                await connection.execute(queries.grow_plan, self._number, page.entities, page.skipped)
            await connection.execute(queries.move_cursor, self._number, selection.cursor_of(page.last))
            reached(Point.PLANNER_PAGE_BEFORE_COMMIT)
        reached(Point.PLANNER_PAGE_AFTER_COMMIT)
        return page.last if page.entities == most else None

    async def list_named(self, *, since: int, most: int) -> list[str]:
        """Of the ids that the backfill was given, up to `most` from a place in their list on."""
        return await list_ids(self._pool, self._number, since=since, most=most)

    async def _lock(self, connection: Connection) -> int:
        position: int | None = await connection.fetchval(queries.lock_plan, self._number, self._fence)
        if position is None:
            raise FenceLost
        return position

    async def _copy_drafts(self, connection: Connection, entities: Sequence[PlannedEntity]) -> None:
        await connection.copy_records_to_table(
            "plan_drafts",
            columns=("backfill_number", "entity_id", "sort_at", "skip_reason", "attributes"),
            records=((self._number, e.entity_id, e.sort_at, e.skip_reason, e.attributes) for e in entities),
        )

    async def _copy_items(
        self, connection: Connection, entities: Sequence[PlannedEntity], position: int, at: datetime
    ) -> None:
        await connection.copy_records_to_table(
            "plan_items",
            columns=("backfill_number", "position", "entity_id", "attributes"),
            records=((self._number, n, e.entity_id, e.attributes) for n, e in enumerate(entities, position)),
        )
        skipped = [(n, e.skip_reason) for n, e in enumerate(entities, position) if e.skip_reason is not None]
        if skipped:
            await connection.copy_records_to_table(
                "outcomes",
                columns=("backfill_number", "position", "status", "finished_at", "attempts", "skip_reason"),
                records=((self._number, n, "skipped", at, 0, why) for n, why in skipped),
            )

    async def _planned_among(self, ids: Sequence[str]) -> set[str]:
        return {row["entity_id"] for row in await self._pool.fetch(queries.list_planned, self._number, ids)}

    async def freeze(
        self, connection: Connection, *, at: datetime, drafts: bool, newest_first: bool, sample_size: int | None
    ) -> Totals:
        """Order what was gathered, draw the sample, count. The caller's transaction also moves the status."""
        await self._lock(connection)
        await allow(connection, FREEZE_TIMEOUT_SECONDS)
        if drafts:
            await connection.execute(queries.order_drafts, self._number, newest_first, timeout=FREEZE_TIMEOUT_SECONDS)
            await connection.execute(queries.skip_drafts, self._number, at, timeout=FREEZE_TIMEOUT_SECONDS)
            await connection.execute(queries.count_drafts, self._number, timeout=FREEZE_TIMEOUT_SECONDS)
            await connection.execute(queries.forget_drafts, self._number, timeout=FREEZE_TIMEOUT_SECONDS)
        row = await connection.fetchrow(queries.plan_totals, self._number)
        assert row is not None  # noqa: S101 - the row was locked above
        totals = Totals(row["planned"], row["skipped_in_plan"])
        if totals.skipped:
            await connection.execute(queries.note_gaps, self._number, SHORTEST_GAP, timeout=FREEZE_TIMEOUT_SECONDS)
        with_sample = sample_size is not None and totals.to_run > 0
        if with_sample:
            await connection.execute(queries.draw_sample, self._number, sample_size, timeout=FREEZE_TIMEOUT_SECONDS)
        await connection.execute(queries.freeze_plan, self._number, at, with_sample)
        return totals
