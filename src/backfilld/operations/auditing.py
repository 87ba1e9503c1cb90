"""Looking back: who did what, and how a backfill came to be where it is."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from backfilld.domain.access.callers import Caller
from backfilld.domain.errors import NotFound
from backfilld.store.admin.audit_pages import AuditEvent as AuditEvent
from backfilld.store.admin.audit_pages import AuditFilter as AuditFilter
from backfilld.store.admin.audit_pages import AuditPages
from backfilld.store.admin.audit_pages import LastChange as LastChange
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.connection.pool import Pool


class AuditReading:
    """What stands in the audit log, for whoever may see it."""

    def __init__(self, pool: Pool) -> None:
        self._pages = AuditPages(pool)
        self._backfills = BackfillStore(pool)

    async def list_page(
        self, caller: Caller, wanted: AuditFilter, *, before: tuple[datetime, int] | None = None, limit: int
    ) -> list[AuditEvent]:
        """The newest `limit` before (at, id). What was done to API keys is shown to those who may list them."""
        wanted = replace(wanted, with_keys=caller.may("admin"))
        return await self._pages.list_page(wanted, before=before, limit=limit)

    async def latest(self, number: int, *, before: int | None = None, limit: int) -> list[AuditEvent]:
        """The newest `limit` events of a backfill with an id below `before`, newest first."""
        return await self._pages.list_timeline_back(number, before=before, limit=limit)

    async def last_changes(self, number: int) -> dict[str, LastChange]:
        """Of each setting of a backfill that was changed on its way, who did so last."""
        return await self._pages.list_last_changes(number)

    async def timeline(self, id: UUID, wanted: AuditFilter, *, behind: int = 0, limit: int) -> list[AuditEvent]:
        """The first `limit` of a backfill that `wanted` lets through behind an event's id, oldest first. NotFound.

        Of a deleted one it is what the audit log has kept.
        """
        backfill = await self._backfills.find(id)
        number = backfill.number if backfill is not None else await self._pages.find_deleted(id)
        if number is None:
            raise NotFound(f"there is no backfill {id}")
        return await self._pages.list_timeline(number, wanted, behind=behind, limit=limit)
