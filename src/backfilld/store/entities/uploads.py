"""How entities get into the built-in store: all of an upload, or nothing.

An upload may be a million records that arrive over minutes. They are copied into a temporary table while they come,
by a transaction that holds no lock meanwhile, and merged by a few set-based statements at the end. So memory stays
flat, a client that breaks off leaves nothing behind, and a slow one keeps nobody waiting.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TypeAlias

import orjson

from backfilld.domain.access.callers import OURSELVES, Actor
from backfilld.domain.entities.records import FieldType
from backfilld.domain.entities.upload_remarks import PLACES_SHOWN, Replaced
from backfilld.domain.errors import Fault, Invalid
from backfilld.store.admin import audit
from backfilld.store.connection.deadlines import allow
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.entities.entities import SQL, affected, lock_type

# Its place in the upload (the number of its line, or its index in a list), id, attributes as JSON text, updated_at
EntityRow: TypeAlias = tuple[int, str, str, datetime | None]
# A big one takes longer than any other statement of ours. Whoever feeds it must give up on a client that stalls: during
# a COPY no other timeout does.
TIMEOUT_SECONDS = 1_800
_WORTH_STATISTICS = 1_000  # rows; below, the planner's guess is as good


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    """What an upload did, in different ids. `unchanged` are equal ones, and those whose stored time was later."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class UploadOutcome:
    """What an upload did, and what of it did nothing.

    `replaced` entities had a later one of the same id behind them, `first_replaced` says which. `older` ones changed
    nothing, because the stored one has a later `updated_at`.
    """

    counts: UpsertCounts
    replaced: int = 0
    first_replaced: Sequence[Replaced] = ()
    older: int = 0


@dataclass(frozen=True, slots=True)
class UploadTerms:
    """How an upload is meant.

    With `replace`, the type holds afterwards what was uploaded and nothing else: others are removed, and older
    records count as well. `fields` are added to the known fields of the type; None forgets one. They are read when all
    batches have come, so whoever makes the batches may fill them in meanwhile.
    `actor` goes into the audit log, which notes replacements only: a feed that keeps records fresh
    would drown everything else in it.
    """

    entity_type: str
    at: datetime
    replace: bool = False
    fields: Mapping[str, FieldType | None] = field(default_factory=dict)
    actor: Actor = OURSELVES


class EntityUploads:
    """Fills the tables that `EntityStore` reads."""

    def __init__(self, pool: Pool, *, at_once: int = 2) -> None:
        self._pool = pool
        self._turns = asyncio.Semaphore(at_once)  # a connection is held while a client sends: never all of them

    async def store(self, batches: AsyncIterator[Sequence[EntityRow]], terms: UploadTerms) -> UploadOutcome:
        """Store what `batches` bring, the last of equal ids; if they raise, nothing is stored.

        Without `replace` a record that is older than the stored one changes nothing. Nothing is asked of `batches`
        before it is this upload's turn, so those that wait hold nothing in memory. A connection is taken when the
        first batch is there, not before. Invalid for a replacement by nothing.
        """
        async with self._turns:
            first = await anext(batches, None) or ()  # CPython 3.11 stumbles over an anext whose default is a tuple
            if terms.replace and not first:
                message = "the upload is empty: replacing would remove everything, which is hardly meant"
                raise Invalid([Fault("/query/replace", "nothing_to_replace_with", message)])
            async with self._pool.acquire() as connection, connection.transaction():
                await allow(connection, TIMEOUT_SECONDS)
                await connection.execute(SQL.make_room_for_upload)
                await connection.execute(SQL.create_upload)
                rows = await _copy(connection, first, batches)
                return await _merge(connection, rows, terms)


async def _copy(connection: Connection, first: Sequence[EntityRow], batches: AsyncIterator[Sequence[EntityRow]]) -> int:
    count = 0

    async def rows() -> AsyncIterator[EntityRow]:
        nonlocal count
        batch: Sequence[EntityRow] | None = first
        while batch is not None:
            count += len(batch)
            for row in batch:
                yield row
            batch = None  # or it stays in memory until the next one is there
            batch = await anext(batches, None)

    await connection.copy_records_to_table(
        "entity_upload", records=rows(), columns=("line", "id", "attributes", "updated_at")
    )
    return count


async def _merge(connection: Connection, rows: int, terms: UploadTerms) -> UploadOutcome:
    if rows >= _WORTH_STATISTICS:
        await connection.execute(SQL.analyze_upload)
    replaced, first_replaced = await _drop_replaced(connection)
    known = await lock_type(connection, terms.entity_type)
    removed = 0
    if terms.replace:
        removed = affected(await connection.execute(SQL.delete_others, terms.entity_type))
    updated = affected(await connection.execute(SQL.update_changed, terms.entity_type, terms.at, terms.replace))
    inserted = affected(await connection.execute(SQL.insert_new, terms.entity_type, terms.at))
    fields = orjson.dumps(_merged(known, terms.fields)).decode()
    await connection.execute(SQL.finish_upload, terms.entity_type, terms.at, inserted - removed, fields)
    counts = UpsertCounts(inserted, updated, rows - replaced - inserted - updated, removed)
    older = 0
    if terms.replace:
        await _note(connection, terms, counts)
    elif counts.unchanged:
        older = await connection.fetchval(SQL.count_older, terms.entity_type)
    return UploadOutcome(counts, replaced, first_replaced, older)


async def _drop_replaced(connection: Connection) -> tuple[int, Sequence[Replaced]]:
    rows = await connection.fetch(SQL.drop_replaced, PLACES_SHOWN)
    first = tuple(Replaced(row["id"], row["line"], row["by_line"]) for row in rows)
    return (rows[0]["replaced"] if rows else 0), first


async def _note(connection: Connection, terms: UploadTerms, counts: UpsertCounts) -> None:
    await audit.record(
        connection, terms.actor, "entities.replace", f"entity_type:{terms.entity_type}", at=terms.at, new=asdict(counts)
    )


def _merged(known: Mapping[str, FieldType], told: Mapping[str, FieldType | None]) -> dict[str, FieldType]:
    merged = {**known, **told}
    return {name: type for name, type in merged.items() if type is not None}
