"""What failed, as groups with something in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backfilld.operations.watching.errors import ErrorGroup


@dataclass(frozen=True, slots=True)
class GroupShown:
    """One kind of failure. `address`: those of the ledger that are of it; `key` names it.

    `key` is "" for those that are of no group."""

    message: str
    error_class: str
    count: int
    last_at: datetime | None
    entity_ids: Sequence[str]
    address: str
    key: str


def groups_of(groups: Sequence[ErrorGroup], id_: UUID) -> Sequence[GroupShown]:
    """The most frequent first."""
    base = f"/backfills/{id_}/entities?status=failed"
    return [
        GroupShown(
            message=one.message or one.error_class or "no message",
            error_class=one.error_class or "",
            count=one.count,
            last_at=one.last_at,
            entity_ids=one.entity_ids[:3],
            address=f"{base}&error_group={one.fingerprint.hex()}" if one.fingerprint else base,
            key=one.fingerprint.hex() if one.fingerprint else "",
        )
        for one in groups
    ]
