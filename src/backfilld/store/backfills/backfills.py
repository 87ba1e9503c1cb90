"""Backfills as rows: made, found, listed, moved.

Every status changes here, by compare-and-set, and every change grows the version and is shouted on the
channel `backfilld` (payload: `<no> <version>`) by the same statement. So nobody can change a backfill
without the daemons hearing of it, and no two writers can both believe that they were first.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from backfilld.domain.backfill_settings import BackfillSettings
from backfilld.domain.backfills.backlog import ActiveBackfills
from backfilld.domain.backfills.holding import ENTRIES, NEWS_FOR, OUTAGES, Group, Reason
from backfilld.domain.backfills.records import Backfill, Progress
from backfilld.domain.backfills.states import Status, may_become
from backfilld.domain.errors import CannotBeRead, Conflict, NotFound
from backfilld.domain.unreadable import UnreadableRow, each, made
from backfilld.store.backfills.ids import keep_ids
from backfilld.store.backfills.rows import (
    NewBackfill,
    backfill_of,
    facts_of,
    json_text,
    progress_of,
    reason_values,
    row_text,
    settings_values,
)
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load

log = logging.getLogger(__name__)
T = TypeVar("T")
_PLACE_WAS_TAKEN_TRIES = 3  # the holder of the place may have ended between our insert and our look

_sql = load("backfills.backfills")
_LISTS: Mapping[Group | None, str] = {
    None: _sql.list_backfills, "attention": _sql.list_attention, "ended": _sql.list_ended_group,
    "working": _sql.list_active_group, "paused": _sql.list_active_group, "waiting": _sql.list_active_group,
}  # fmt: skip
_OUTAGES = sorted(OUTAGES)
_NEED_PERSON = sorted(code for code, entry in ENTRIES.items() if entry.needs_person)


@dataclass(frozen=True, slots=True)
class BackfillFilter:
    """Which backfills a list shows; None or empty: all."""

    statuses: tuple[Status, ...] = ()
    kind: str | None = None
    entity_type: str | None = None
    workflow_id: int | None = None
    created_by: str | None = None
    created_after: datetime | None = None  # at or after
    created_before: datetime | None = None
    group: Group | None = None
    text: str | None = None  # in name, workflow or entity type, or the beginning of an id


class BackfillStore:
    """The table `backfills`. `on` is a connection whose transaction the statement shall be part of."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def insert(self, new: NewBackfill, *, on: Connection) -> Backfill:
        """Make the backfill, its counters and its list of ids.

        Conflict `backfill_already_active` if the workflow has an active one.
        """
        for _ in range(_PLACE_WAS_TAKEN_TRIES):
            try:
                async with on.transaction():
                    number = await on.fetchval(_sql.insert_backfill, row_text(new))
                await keep_ids(on, number, new.entity_ids)
                return await self.get_by_number(number, on=on)
            except asyncpg.UniqueViolationError as problem:
                if problem.constraint_name != "backfills_one_active":
                    raise
                other = await on.fetchrow(_sql.find_active_of_workflow, new.workflow_id)
                if other is not None:
                    raise AlreadyActive(other["id"], other["status"]) from problem
        raise AlreadyActive(None, None)

    async def find(self, id: UUID, *, on: Connection | None = None) -> Backfill | None:
        """The backfill of that id; None if there is none, or it was deleted. CannotBeRead."""
        row = await (on or self._pool).fetchrow(_sql.find_backfill, id, None)
        return _read(row, backfill_of) if row else None

    async def get(self, id: UUID, *, on: Connection | None = None) -> Backfill:
        """As `find`, but raises NotFound."""
        if (found := await self.find(id, on=on)) is None:
            raise NotFound(f"there is no backfill {id}")
        return found

    async def find_by_number(self, number: int, *, on: Connection | None = None) -> Backfill | None:
        """The backfill of that number; None if there is none, or it was deleted."""
        row = await (on or self._pool).fetchrow(_sql.find_backfill, None, number)
        return backfill_of(row) if row else None

    async def get_by_number(self, number: int, *, on: Connection | None = None) -> Backfill:
        """As `find_by_no`, but raises NotFound."""
        if (found := await self.find_by_number(number, on=on)) is None:
            raise NotFound(f"there is no backfill number {number}")
        return found

    async def find_with_progress(self, id: UUID) -> tuple[Backfill, Progress] | None:
        """Settings and counters of one and the same moment."""
        row = await self._pool.fetchrow(_sql.find_backfill_with_progress, id)
        return _read(row, _with_progress) if row else None

    async def find_to_show(self, id: UUID) -> tuple[Backfill, Progress] | UnreadableRow | None:
        """As `find_with_progress`; a row that cannot be read is one to be shown all the same."""
        row = await self._pool.fetchrow(_sql.find_backfill_with_progress, id)
        return made(row, _with_progress) if row else None

    async def get_with_progress(self, id: UUID) -> tuple[Backfill, Progress]:
        """As `find_with_progress`, but raises NotFound."""
        if (found := await self.find_with_progress(id)) is None:
            raise NotFound(f"there is no backfill {id}")
        return found

    async def get_progress(self, number: int, *, on: Connection | None = None) -> Progress:
        """The counters as last committed; what is in flight only while a lease stands."""
        row = await (on or self._pool).fetchrow(_sql.find_progress, number)
        if row is None:
            raise NotFound(f"there is no backfill number {number}")
        return progress_of(row)

    async def list_page(
        self,
        wanted: BackfillFilter,
        *,
        now: datetime,
        stopped: bool,
        before_number: int | None = None,
        limit: int,
    ) -> list[tuple[Backfill, Progress]]:
        """The newest `limit` that `wanted` lets through and whose number is below `before_number`, newest first.

        `stopped`: while stop-all is in force, by which groups differ.
        """
        rows = await self._pool.fetch(
            _LISTS[wanted.group],
            wanted.group,
            _NEED_PERSON,
            now - NEWS_FOR,
            stopped,
            wanted.text,
            before_number,
            limit,
            list(wanted.statuses) or None,
            wanted.kind,
            wanted.entity_type,
            wanted.workflow_id,
            wanted.created_by,
            wanted.created_after,
            wanted.created_before,
        )
        return each(rows, _with_progress)

    async def count_groups(self, now: datetime, *, stopped: bool, text: str | None = None) -> dict[str, int]:
        """How many each group has; those with none are left out."""
        rows = await self._pool.fetch(_sql.count_groups, None, _NEED_PERSON, now - NEWS_FOR, stopped, text)
        found: Counter[str] = Counter()
        for row in rows:
            found[row["name"]] += row["number"]
        news = found.pop("news", 0)
        found["attention"] += news
        found["ended"] -= news
        return {name: number for name, number in found.items() if number > 0}

    async def list_by_status(self, statuses: Collection[Status]) -> list[Backfill]:
        """All backfills that stand in one of `statuses`, oldest first."""
        return [backfill_of(row) for row in await self._pool.fetch(_sql.list_by_status, list(statuses))]

    async def count_active(self) -> list[ActiveBackfills]:
        """How many are active, and what they have before them, by status and reason code."""
        return [ActiveBackfills(*row) for row in await self._pool.fetch(_sql.count_active)]

    async def move(
        self,
        number: int,
        wanted: Status,
        *,
        reason: Reason | None,
        at: datetime,
        expected: Collection[Status] | None = None,
        fence: int | None = None,
        wake_at: datetime | None = None,
        planned_at: datetime | None = None,
        error: Any = None,
        sample_open: bool | None = None,
        cancel_in_flight: bool | None = None,
        approved_by: str | None = None,
        on: Connection | None = None,
    ) -> Backfill | None:
        """Give the backfill another status, if it stands in one of `expected` (default: `may_become(wanted)`).

        None if it does not, is deleted, or `fence` is given and the lease carries another. `reason` and `wake_at`
        are replaced; `planned_at`, `error` (a JSON value), `sample_open`, `cancel_in_flight` and `approved_by` are kept
        where None.
        """
        statuses = may_become(wanted) if expected is None else expected
        row = await (on or self._pool).fetchrow(
            _sql.move_backfill,
            number,
            wanted,
            list(statuses),
            at,
            fence,
            *reason_values(reason),
            wake_at,
            planned_at,
            None if error is None else json_text(error),
            sample_open,
            cancel_in_flight,
            facts_of(reason),
            _OUTAGES,
            approved_by,
        )
        return backfill_of(row) if row else None

    async def set_reason(
        self,
        number: int,
        status: Status,
        reason: Reason | None,
        *,
        at: datetime,
        fence: int | None = None,
        wake_at: datetime | None = None,
        on: Connection | None = None,
    ) -> Backfill | None:
        """Keep the status, which must be `status`, and say another reason for it. None as in `move`."""
        return await self.move(
            number, status, reason=reason, at=at, expected=(status,), fence=fence, wake_at=wake_at, on=on
        )

    async def lock(self, number: int, *, on: Connection) -> Backfill | None:
        """As it is now and stays until the transaction of `on` is over; None if there is none, or it was deleted."""
        row = await on.fetchrow(_sql.lock_backfill, number)
        return backfill_of(row) if row else None

    async def change(
        self,
        number: int,
        settings: BackfillSettings,
        *,
        override_until: datetime | None,
        at: datetime,
        on: Connection,
    ) -> Backfill:
        """Give one that is locked other settings (its type stays), and let its windows count as open until then."""
        row = await on.fetchrow(_sql.change_settings, number, at, override_until, *settings_values(settings))
        assert row is not None  # noqa: S101  # it is locked
        return backfill_of(row)

    async def ask_again(self, number: int, *, at: datetime, on: Connection) -> None:
        """Let its owner ask target and source at once."""
        await on.execute(_sql.ask_again, number, at)

    async def mark_deleted(self, number: int, *, at: datetime, on: Connection | None = None) -> bool:
        """Hide an ended backfill for good; False if it has not ended, or is hidden already."""
        return await (on or self._pool).fetchval(_sql.mark_deleted, number, at) is not None


class AlreadyActive(Conflict):
    """The workflow has an active backfill; `details` name it."""

    code = "backfill_already_active"

    def __init__(self, other: UUID | None, status: str | None) -> None:
        known = f" ({other}, {status})" if other else ""
        message = f"this workflow has an active backfill already{known}; wait for its end, or cancel it"
        super().__init__(message, details={"backfill": {"id": str(other), "status": status}} if other else None)


def _with_progress(row: asyncpg.Record) -> tuple[Backfill, Progress]:
    return backfill_of(row), progress_of(row)


def _read(row: asyncpg.Record, make: Callable[[asyncpg.Record], T]) -> T:
    try:
        return make(row)
    except Exception as problem:
        log.exception("backfill %s cannot be read", row["id"])
        raise CannotBeRead(f"backfill {row['id']}", problem) from problem
