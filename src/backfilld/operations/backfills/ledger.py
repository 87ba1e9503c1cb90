"""Reading a backfill's ledger: what is planned, under way, and done with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from backfilld.clock import Clock
from backfilld.domain.backfills.records import Backfill, InFlight
from backfilld.domain.backfills.states import ENDED
from backfilld.domain.errors import NotFound
from backfilld.domain.unreadable import UnreadableRow
from backfilld.engine.control import Control
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.ledger.entries import LedgerEntry as LedgerEntry
from backfilld.store.ledger.pages import LedgerPages

UNUSUAL_FACTOR = 3.0  # times what 19 of 20 took


class LedgerReading:
    """Pages and single entries, with what the owner in this process is working on right now."""

    def __init__(self, store: BackfillStore, pages: LedgerPages, control: Control, clock: Clock) -> None:
        self._store = store
        self._pages = pages
        self._control = control
        self._clock = clock

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
            return await self._judged(backfill.number, [_as_of_now(entry, moving) for entry in found])
        entry = await self._pages.find(backfill.number, entity_id, in_flight=moving)
        if entry is None or entry.position <= behind or (statuses and entry.status not in statuses):
            return []
        (entry,) = await self._judged(backfill.number, [_as_of_now(entry, moving)])
        return [entry] if error_class in (None, entry.error_class) else []

    async def get(self, id: UUID, entity_id: str) -> LedgerEntry:
        """One entry with its tries, and where else the entity is. NotFound for the backfill, and for an entity that
        is not in its plan."""
        backfill = await self._store.get(id)
        moving = await self._in_flight(backfill)
        entry = await self._pages.find(backfill.number, entity_id, in_flight=moving)
        if entry is None:
            raise NotFound(f"{entity_id!r} is not in the plan of backfill {id}")
        (entry,) = await self._judged(backfill.number, [_as_of_now(entry, moving)])
        entry = await self._pages.with_tries(backfill.number, entry)
        if isinstance(entry, UnreadableRow):
            return entry
        return replace(entry, elsewhere=await self._pages.list_elsewhere(backfill.number, entity_id))

    async def _judged(self, backfill_number: int, entries: Sequence[LedgerEntry]) -> Sequence[LedgerEntry]:
        """With what is in flight marked where it takes much longer than is usual."""
        moving = [one for one in entries if one.status == "in_flight" and one.started_at is not None]
        if not moving:
            return entries
        before = max(one.position for one in moving)
        usual = await self._pages.find_usual_seconds(backfill_number, before)
        now = self._clock.now()
        return [_told_long(one, usual, now) for one in entries]

    async def _in_flight(self, backfill: Backfill) -> Mapping[int, InFlight]:
        return {} if backfill.status in ENDED else await self._control.in_flight(backfill.number)


def _as_of_now(entry: LedgerEntry, moving: Mapping[int, InFlight]) -> LedgerEntry:
    """With the try that is under way, of which nothing is written down yet."""
    item = moving.get(entry.position)
    if entry.status != "in_flight" or item is None:
        return entry
    return replace(entry, attempts=item.attempt, started_at=item.started_at)


def _told_long(entry: LedgerEntry, usual: float | None, now: datetime) -> LedgerEntry:
    if usual is None or entry.status != "in_flight" or entry.started_at is None:
        return entry
    seconds = (now - entry.started_at).total_seconds()
    return replace(entry, unusually_long=seconds > max(1.0, UNUSUAL_FACTOR * usual))
