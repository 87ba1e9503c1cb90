"""Asking why nothing, or not more, is starting: how a backfill stands, and what only a look elsewhere tells."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any
from uuid import UUID

from backfilld.domain.backfills.explaining import Explanation
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.calendars import shown_zone
from backfilld.operations.backfills.view import BackfillView, Viewer
from backfilld.store.admin.audit_pages import AuditEvent, AuditFilter, AuditPages
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.ledger.pages import LedgerPages

EVENTS_LOOKED_AT = 50
CLASSES_NAMED = 3


class Explainer:
    """Answers in any daemon, be it the owner or not: what only the owner knows is written down within a second."""

    def __init__(self, store: BackfillStore, viewer: Viewer, ledger: LedgerPages, audit: AuditPages) -> None:
        self._store = store
        self._viewer = viewer
        self._ledger = ledger
        self._audit = audit

    async def explain(self, id: UUID) -> tuple[Explanation, tzinfo]:
        """What there is to say, and the zone in which to say it. NotFound."""
        view, explanation = await self.look(id)
        return explanation, shown_zone(view.backfill)

    async def look(self, id: UUID) -> tuple[BackfillView, Explanation]:
        """How a backfill stands, and what there is to say of it, of one moment. NotFound."""
        backfill, progress = await self._store.get_with_progress(id)
        view = await self._viewer.see(backfill, progress)
        known = await self._known(view.backfill, {reason.code for reason in view.reasons})
        return view, self._viewer.explain(view, known)

    async def _known(self, backfill: Backfill, codes: set[ReasonCode]) -> Mapping[str, Any]:
        known: dict[str, Any] = {}
        if ReasonCode.WAITING_FOR_RETRY in codes:
            known |= await self._about_retries(backfill)
        if ReasonCode.WORKFLOW_DISABLED in codes and (event := await self._who_disabled(backfill.workflow_id)):
            by = event.actor_name or event.actor
            known |= {"disabled_at": event.at, "disabled_by": by, "disabled_why": event.reason}
        return known

    async def _about_retries(self, backfill: Backfill) -> Mapping[str, Any]:
        """How they failed, and how many tries they have left; nothing of these where one has none and ends when due."""
        classes = await self._ledger.list_retry_classes(backfill.number, limit=CLASSES_NAMED)
        if not classes:
            return {}
        allowed = backfill.settings.max_attempts
        left = [allowed - max(one.most for one in classes), allowed - min(one.fewest for one in classes)]
        return {
            "classes": ", ".join(one.error_class for one in classes),
            "tries_left": left[1] if left[0] > 0 else None,
            "tries": "try" if left[1] == 1 else "tries",
            "at_most": "at most" if left[0] != left[1] else None,
        }

    async def _who_disabled(self, workflow_id: int) -> AuditEvent | None:
        wanted = AuditFilter(subject=f"workflow/{workflow_id}")
        events = await self._audit.list_page(wanted, before=None, limit=EVENTS_LOOKED_AT)
        return next(filter(_disables, events), None)


def _disables(event: AuditEvent) -> bool:
    if event.action in ("workflow.disable", "workflow.delete"):
        return True
    return isinstance(event.new, Mapping) and event.new.get("enabled") is False
