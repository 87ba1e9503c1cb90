"""Reading a backfill's ledger: what is planned, under way, and done with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from backfilld.domain.backfills.records import Backfill, InFlight
from backfilld.domain.backfills.states import ENDED
from backfilld.domain.errors import NotFound
from backfilld.domain.unreadable import UnreadableRow
from backfilld.engine.control import Control
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.ledger.entries import LedgerEntry as LedgerEntry
from backfilld.store.ledger.pages import LedgerPages


class LedgerReading:
    """Pages and single entries, with what the owner in this process is working on right now."""

    def __init__(self, store: BackfillStore, pages: LedgerPages, control: Control) -> None:
        self._store = store
        self._pages = pages
        self._control = control

    async def list_page(
        self,
        id: UUID,
        *,
        statuses: Collection[str] = (),
        error_class: str | None = None,
        error_group: bytes | None = None,
        entity_id: str | None = None,
        behind: int = -1,
        limit: int,
    ) -> Sequence[LedgerEntry]:
        """At most `limit` entries behind position `behind`, in plan order. NotFound for the backfill."""
        backfill = await self._store.get(id)
        moving = await self._in_flight(backfill)
        if entity_id is None:
            found = await self._pages.list_page(
                backfill.number,
                statuses=statuses,
                error_class=error_class,
                error_group=error_group,
                behind=behind,
                limit=limit,
                in_flight=moving,
            )
            return [_as_of_now(entry, moving) for entry in found]
        entry = await self._pages.find(backfill.number, entity_id, in_flight=moving)
        if entry is None or entry.position <= behind or (statuses and entry.status not in statuses):
            return []
        entry = _as_of_now(entry, moving)
        return [entry] if error_class in (None, entry.error_class) else []

    async def get(self, id: UUID, entity_id: str) -> LedgerEntry:
        """One entry with its tries, and where else the entity is. NotFound for the backfill, and for an entity that
        is not in its plan."""
        backfill = await self._store.get(id)
        moving = await self._in_flight(backfill)
        entry = await self._pages.find(backfill.number, entity_id, in_flight=moving)
        if entry is None:
            raise NotFound(f"{entity_id!r} is not in the plan of backfill {id}")
        entry = await self._pages.with_tries(backfill.number, _as_of_now(entry, moving))
        if isinstance(entry, UnreadableRow):
            return entry
        return replace(entry, elsewhere=await self._pages.list_elsewhere(backfill.number, entity_id))

    async def _in_flight(self, backfill: Backfill) -> Mapping[int, InFlight]:
        return {} if backfill.status in ENDED else await self._control.in_flight(backfill.number)


def _as_of_now(entry: LedgerEntry, moving: Mapping[int, InFlight]) -> LedgerEntry:
    """With the try that is under way, of which nothing is written down yet."""
    item = moving.get(entry.position)
    if entry.status != "in_flight" or item is None:
        return entry
    return replace(entry, attempts=item.attempt, started_at=item.started_at)
