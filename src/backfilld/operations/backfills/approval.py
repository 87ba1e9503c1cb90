"""Who may approve what waits for approval: for `when_approved_by_another`, anybody but the person who asked for it."""

from datetime import UTC
from uuid import UUID

from backfilld.domain.access.callers import Actor
from backfilld.domain.backfills.rechecking import filter_note
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.errors import Forbidden
from backfilld.store.admin.audit_pages import AuditPages
from backfilld.store.admin.keys import KeyStore
from backfilld.store.connection.pool import Pool

_KEY = "key:"
_PERSON = "entra:"


class NeedsAnotherPerson(Forbidden):
    """Whoever asked for it may not approve it as well."""

    code = "needs_another_person"


def awaits_approval(backfill: Backfill) -> bool:
    """True if to resume it is to approve it."""
    reason = backfill.reason
    is_held = backfill.status is Status.PAUSED and reason is not None and reason.code is ReasonCode.AWAITING_APPROVAL
    return is_held and backfill.approved_at is None


class Approval:
    """Compares persons: a key counts as whoever made it, a key made by the command line as itself."""

    def __init__(self, pool: Pool) -> None:
        self._keys = KeyStore(pool)
        self._audit = AuditPages(pool)

    async def check(self, actor: Actor, backfill: Backfill) -> None:
        """NeedsAnotherPerson."""
        if backfill.settings.start != "when_approved_by_another" or not awaits_approval(backfill):
            return
        if await self._person(actor.identity) == await self._person(backfill.created_by):
            raise NeedsAnotherPerson(f"backfill {backfill.id} has to be approved by somebody else than who created it")

    async def warnings(self, backfill: Backfill) -> list[str]:
        """What whoever looks at it should know: of its plan, of approving it, of changes since it was approved."""
        return [*backfill.plan_remarks, *await self._of_approval(backfill)]

    async def _of_approval(self, backfill: Backfill) -> list[str]:
        if awaits_approval(backfill) and backfill.settings.recheck and (note := filter_note(backfill.settings)):
            return [note]
        by, at = backfill.approved_by, backfill.approved_at
        if by is None or at is None:
            return []
        found = await self._audit.find_changes_since_approval(backfill.number, approved_at=at, approved_by=by)
        if found is None:
            return []
        who, when = found.approver_name or by, found.at.astimezone(UTC).isoformat(timespec="seconds")
        what = ", ".join(found.settings)
        return [f"changed since it was approved by {who}: {what} (last at {when.replace('+00:00', 'Z')})"]

    async def _person(self, identity: str) -> str:
        if not identity.startswith(_KEY):
            return identity
        maker = await self._keys.find_maker(UUID(identity.removeprefix(_KEY)))
        return maker if maker is not None and maker.startswith(_PERSON) else identity
