"""Reading the audit log: who did what, and what became of one backfill by whose doing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from backfilld.domain.unreadable import each
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

_sql = load("admin.audit_pages")

# Of which asyncpg makes -infinity and infinity.
BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
_LAST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing that was done. `actor_name` is the name of an API key; None for everybody else.

    `old` and `new` are JSON values of what changed, None where there is nothing to show. What came and went
    (`backfill.outage`) has a beginning, an end (None: it lasts), and how often it was looked at.
    """

    id: int
    at: datetime
    actor: str
    actor_name: str | None
    action: str
    subject: str
    backfill_id: UUID | None
    reason: str | None
    old: Any
    new: Any
    request_id: UUID | None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    probes: int | None = None


@dataclass(frozen=True, slots=True)
class ChangesSinceApproval:
    """Which settings somebody changed after the approval, and when last. `approver_name`: of the key that approved."""

    at: datetime
    settings: tuple[str, ...]
    approver_name: str | None


@dataclass(frozen=True, slots=True)
class LastChange:
    """Who changed a setting last. `actor_name` is the name of an API key; None for everybody else."""

    at: datetime
    actor: str
    actor_name: str | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events a list shows; None: all. `action` is a whole one, or what it begins with up to a dot.

    `actor` may also be the name of an API key. `with_keys` False leaves out what was done to API keys.
    """

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None  # at or after
    until: datetime | None = None  # before
    with_keys: bool = True


EVERYTHING = AuditFilter()


class AuditPages:
    """The table `audit_log`, as people read it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_page(
        self, wanted: AuditFilter, *, before: tuple[datetime, int] | None = None, limit: int
    ) -> list[AuditEvent]:
        """The newest `limit` that `wanted` lets through and that come before (at, id), newest first."""
        at, id = before or ((wanted.until, 0) if wanted.until else (END, _LAST_ID))
        query = _sql.list_events if wanted.subject is None else _sql.list_events_of
        rows = await self._pool.fetch(
            query, at, id, wanted.since or BEGINNING, wanted.actor, wanted.action, wanted.subject,
            wanted.with_keys, limit,
        )  # fmt: skip
        return _events(rows)

    async def find_deleted(self, id: UUID) -> int | None:
        """The number of a backfill that was deleted; None if there never was one of that id."""
        number: int | None = await self._pool.fetchval(_sql.find_deleted, f"backfill/{id}")
        return number

    async def find_changes_since_approval(
        self, backfill_number: int, *, approved_at: datetime, approved_by: str
    ) -> ChangesSinceApproval | None:
        """None: it runs with the settings that were approved."""
        row = await self._pool.fetchrow(_sql.find_changes_since_approval, backfill_number, approved_at, approved_by)
        if row is None or row["at"] is None:
            return None
        return ChangesSinceApproval(row["at"], tuple(row["settings"]), row["approver_name"])

    async def list_last_changes(self, backfill_number: int) -> dict[str, LastChange]:
        """Of each setting of a backfill that was changed on its way, who did so last."""
        rows = await self._pool.fetch(_sql.list_last_changes, backfill_number)
        return {row["setting"]: LastChange(row["at"], row["actor"], row["actor_name"]) for row in rows}

    async def list_timeline(
        self, backfill_number: int, wanted: AuditFilter = EVERYTHING, *, behind: int = 0, limit: int
    ) -> list[AuditEvent]:
        """The first `limit` events of a backfill behind an id, oldest first, the engine's own doings among them."""
        rows = await self._pool.fetch(
            _sql.list_timeline, backfill_number, behind, limit, wanted.actor, wanted.action, wanted.subject,
            wanted.since or BEGINNING, wanted.until or END,
        )  # fmt: skip
        return _events(rows)

    async def list_timeline_back(
        self, backfill_number: int, *, before: int | None = None, limit: int
    ) -> list[AuditEvent]:
        """The newest `limit` events of a backfill with an id below `before`, newest first."""
        return _events(await self._pool.fetch(_sql.list_timeline_back, backfill_number, before, limit))


def _events(rows: Iterable[asyncpg.Record]) -> list[AuditEvent]:
    return each(rows, _event)


def _event(row: asyncpg.Record) -> AuditEvent:
    return AuditEvent(**{**row, "old": _value(row["old"]), "new": _value(row["new"])})


def _value(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)
