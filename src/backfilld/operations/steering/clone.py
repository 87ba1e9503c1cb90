"""What has to be asked for to make a backfill like another one: everything that was chosen, and nothing hidden."""

from dataclasses import dataclass
from uuid import UUID

from backfilld.domain.backfill_settings import MOST_ENTITY_IDS, BackfillSettings
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.errors import Conflict
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.ids import list_ids
from backfilld.store.connection.pool import Pool


class NotClonable(Conflict):
    """No body could ask for the same."""

    code = "not_clonable"


@dataclass(frozen=True, slots=True)
class Clone:
    """What was chosen of `backfill`; `entity_ids` None: whatever matches. The filter of a rerun was not looked at."""

    backfill: Backfill
    settings: BackfillSettings
    entity_ids: list[str] | None


class Cloner:
    """Reads what was asked for."""

    def __init__(self, pool: Pool, store: BackfillStore) -> None:
        self._pool = pool
        self._store = store

    async def clone(self, id: UUID) -> Clone:
        """NotFound; NotClonable for one over sessions, and for one with more ids than a body may name."""
        backfill = await self._store.get(id)
        if backfill.is_schedule:
            path = f"/api/schedules/{backfill.schedule_id}/backfill"
            raise NotClonable(f"backfill {id} is one over sessions; ask for another one by POST {path}")
        ids = backfill.named_ids
        if ids is None:
            return Clone(backfill, backfill.settings, None)
        if ids.count > MOST_ENTITY_IDS:
            raise NotClonable(
                f"backfill {id} was given {ids.count:,} ids, and a body may name {MOST_ENTITY_IDS:,};"
                f" POST /public-api/backfills/{id}/rerun covers them again, by what became of them"
            )
        return Clone(backfill, backfill.settings, await list_ids(self._pool, backfill.number, since=0, most=ids.count))
