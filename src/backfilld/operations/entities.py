"""What people may ask of the entities that we keep for them.

Only types whose source is the built-in store can be filled and emptied here; of the others the source is told.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from backfilld.clock import Clock
from backfilld.domain.access.callers import Actor
from backfilld.domain.entities.ids import ENUMERABLE_TYPES
from backfilld.domain.entities.pair_lists import PairLists
from backfilld.domain.entities.records import ENTITY_TYPES, NOT_ENUMERABLE, Entity, FieldType
from backfilld.domain.entities.upload_remarks import IdRemarks, older_warning, replaced_warning
from backfilld.domain.errors import Conflict, Fault, Invalid, NotFound, did_you_mean
from backfilld.engine.entity_indexes import IndexState
from backfilld.sources.http.asking.budget import Usage
from backfilld.sources.registry import BUILTIN, Look, SourceRegistry
from backfilld.store.entities.entities import EntityStore, StoredType
from backfilld.store.entities.uploads import EntityRow, EntityUploads, UploadOutcome, UploadTerms, UpsertCounts

IndexStates = Callable[[], Awaitable[Mapping[str, Sequence[IndexState]]]]  # by type


@dataclass(frozen=True, slots=True)
class KnownType:
    """An entity type: where it comes from and what is known. `fields` are those in force: the configuration wins.

    `problem` says why its source can list nothing at this moment; None: it can. `usage`: of its connection's budget.
    `indexes`: those that the configuration wants.
    """

    name: str
    source: str
    entities: int | None
    loaded_at: datetime | None
    fields: Mapping[str, FieldType]
    fields_configured: Mapping[str, FieldType]
    fields_imported: Mapping[str, FieldType]
    problem: str | None = None
    usage: Usage | None = None
    indexes: Sequence[IndexState] = ()


@dataclass(frozen=True, slots=True)
class Upload:
    """What an upload is to do besides storing entities; see `UploadTerms`.

    Whoever makes the batches shows every id to `ids`, and may add to `fields` until all have come.
    """

    replace: bool = False
    fields: dict[str, FieldType | None] = field(default_factory=dict)
    ids: IdRemarks = field(default_factory=IdRemarks)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What an upload did, and sentences about whatever of it was replaced, left out or may be misunderstood."""

    counts: UpsertCounts
    warnings: Sequence[str]


class Entities:
    """The verbs. Every method raises NotFound for an entity type that does not exist."""

    def __init__(
        self,
        store: EntityStore,
        uploads: EntityUploads,
        sources: SourceRegistry,
        clock: Clock,
        indexes: IndexStates | None = None,
    ) -> None:
        self._indexes = indexes
        self._store = store
        self._uploads = uploads
        self._sources = sources
        self._clock = clock

    async def upload(
        self,
        entity_type: str,
        batches: AsyncIterator[Sequence[EntityRow]],
        upload: Upload,
        *,
        actor: Actor,
    ) -> Uploaded:
        """Store what `batches` bring, all of it or (if they raise) nothing."""
        self._require_kept_here(entity_type)
        terms = UploadTerms(entity_type, self._clock.now(), upload.replace, upload.fields, actor)
        lists = self._sources.lists_of(entity_type)
        left: Counter[str] = Counter()
        if lists:
            batches = _shaped(batches, lists, left)
        return _told(await self._uploads.store(batches, terms), upload.ids, left)

    async def get(self, entity_type: str, id: str) -> Entity:
        """The entity; NotFound if there is none."""
        self._require_kept_here(entity_type)
        entity = await self._store.find(entity_type, id)
        if entity is None:
            raise NotFound(f"there is no {entity_type} with this id")
        return entity

    async def list(self, entity_type: str, *, after: str, limit: int) -> Sequence[Entity]:
        """Up to `limit` entities by id, behind the id `after` ("": from the first)."""
        self._require_kept_here(entity_type)
        return await self._store.page_by_id(entity_type, after=after, limit=limit)

    async def delete(self, entity_type: str, id: str, *, actor: Actor, why: str | None = None) -> None:
        """Remove it; NotFound if there is none."""
        self._require_kept_here(entity_type)
        at = self._clock.now()
        if not await self._store.delete(entity_type, id, at=at, actor=actor, why=why):
            raise NotFound(f"there is no {entity_type} with this id")

    async def list_types(self) -> Sequence[KnownType]:
        """All types that can hold entities, loaded or not."""
        stored = await self._store.list_types()
        looks = await asyncio.gather(*(self._sources.look(name) for name in ENUMERABLE_TYPES))
        types = zip(ENUMERABLE_TYPES, looks, strict=True)
        indexes = await self._indexes() if self._indexes else {}
        return [self._known(stored.get(name) or StoredType(name), look, indexes.get(name, ())) for name, look in types]

    def _known(self, stored: StoredType, look: Look, indexes: Sequence[IndexState]) -> KnownType:
        source = self._sources.name_of(stored.name)
        kept_here = source == BUILTIN
        configured = self._sources.configured_fields(stored.name)
        imported = stored.fields if kept_here else {}
        return KnownType(
            stored.name,
            source,
            stored.entities if kept_here else None,
            stored.loaded_at if kept_here else None,
            {**imported, **look.fields, **configured},
            configured,
            imported,
            look.problem,
            self._sources.usage_of(stored.name),
            indexes,
        )

    def _require_kept_here(self, entity_type: str) -> None:
        if entity_type == NOT_ENUMERABLE:
            message = (
                f"entities of type '{NOT_ENUMERABLE}' cannot be kept or listed; a backfill names them by entity_ids"
            )
            raise Invalid([Fault("/entity_type", "entity_type_not_enumerable", message, ENUMERABLE_TYPES)])
        if entity_type not in ENTITY_TYPES:
            raise NotFound(f"there is no entity type {entity_type[:100]!r}{did_you_mean(entity_type, ENTITY_TYPES)}")
        source = self._sources.name_of(entity_type)
        if source != BUILTIN:
            message = f"entities of type '{entity_type}' come from the source '{source}' and are not kept here"
            raise Conflict(message, code="entity_type_not_kept_here")


async def _shaped(
    batches: AsyncIterator[Sequence[EntityRow]], lists: PairLists, left: Counter[str]
) -> AsyncIterator[Sequence[EntityRow]]:
    """The batches with objects where the configuration says that there are lists of pairs."""

    def shaped(row: EntityRow) -> EntityRow:
        place, id, text, updated_at = row
        attributes = orjson.loads(text)
        lists.apply(attributes, lambda what: left.update([what]))
        return place, id, orjson.dumps(attributes).decode(), updated_at

    async for batch in batches:
        yield [shaped(row) for row in batch]


def _told(outcome: UploadOutcome, ids: IdRemarks, left: Counter[str]) -> Uploaded:
    warnings = [*ids.warnings(), *(f"{what}: {count:,}" for what, count in left.items())]
    if outcome.replaced:
        warnings.append(replaced_warning(outcome.replaced, outcome.first_replaced))
    if outcome.older:
        warnings.append(older_warning(outcome.older))
    return Uploaded(outcome.counts, warnings)
