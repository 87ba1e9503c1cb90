"""The built-in entity store, as it is read.

Whoever has no database of records to point at keeps them here. Listing is by keyset, so that a page costs the same
wherever it is, and a filter goes into the statement, so that what cannot match never leaves the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import asyncpg
import orjson

from backfilld.domain.access.callers import Actor
from backfilld.domain.entities.attributes_text import Unparsed
from backfilld.domain.entities.records import Entity, FieldType
from backfilld.store.admin import audit
from backfilld.store.connection.pool import Connection, Pool
from backfilld.store.connection.queries import load
from backfilld.store.entities.unparsed import UnparsedReader

SQL = load("entities.entities")
_FILTER = "/* filter */ true"
# Where a list by time starts. asyncpg makes `infinity` of the first two; no id is as long as the second's.
_BEFORE_NEWEST = (datetime.max.replace(tzinfo=UTC), "\U0010ffff" * 513)
_BEFORE_OLDEST = (datetime.min.replace(tzinfo=UTC), "")


class Condition(Protocol):
    """A filter as SQL on `e.attributes`, as `store.filters.to_sql` makes it."""

    @property
    def sql(self) -> str: ...

    @property
    def parameters(self) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class StoredType:
    """What is kept about a type. `fields` are the types of its fields that imports told of."""

    name: str
    entities: int = 0
    fields: Mapping[str, FieldType] = field(default_factory=dict)
    loaded_at: datetime | None = None


class EntityStore:
    """The tables `entities` and `entity_types`; `EntityUpload` fills them.

    Ids are compared by code point. A `condition` must be made for `first_parameter` = the method's FIRST_… number.
    """

    FIRST_BY_ID = 5
    FIRST_BY_TIME = 6
    FIRST_IN_COUNT = 2

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._unparsed = UnparsedReader(pool)

    async def find(self, entity_type: str, id: str) -> Entity | None:
        """The entity, or None."""
        row = await self._pool.fetchrow(SQL.get_entity, entity_type, id)
        return entity_of(row) if row else None

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
        """Those of `ids` that there are."""
        rows = await self._pool.fetch(SQL.read_entities, entity_type, list(ids))
        return {entity.id: entity for entity in map(entity_of, rows)}

    async def read_unparsed(self, entity_type: str, ids: Sequence[str]) -> dict[str, Unparsed]:
        """The same for whoever hands them on."""
        return await self._unparsed.read(entity_type, ids)

    async def page_by_id(
        self, entity_type: str, *, after: str, limit: int, condition: Condition | None = None, attributes: bool = True
    ) -> list[Entity]:
        """Up to `limit` entities with an id above `after` ("": from the start), by id.

        Without `attributes` they come empty, which is about half the work.
        """
        sql, parameters = with_condition(SQL.page_by_id, condition)
        rows = await self._pool.fetch(sql, entity_type, after, limit, attributes, *parameters)
        return [entity_of(row) for row in rows]

    async def page_by_time(
        self,
        entity_type: str,
        *,
        newest_first: bool,
        after: tuple[datetime, str] | None,
        limit: int,
        condition: Condition | None = None,
        attributes: bool = True,
    ) -> list[Entity]:
        """Up to `limit` entities that have a time, in the order of (time, id) behind `after`."""
        statement = SQL.page_newest_first if newest_first else SQL.page_oldest_first
        sql, parameters = with_condition(statement, condition)
        at, id = after or (_BEFORE_NEWEST if newest_first else _BEFORE_OLDEST)
        rows = await self._pool.fetch(sql, entity_type, id, at, limit, attributes, *parameters)
        return [entity_of(row) for row in rows]

    async def page_without_time(
        self, entity_type: str, *, after: str, limit: int, condition: Condition | None = None, attributes: bool = True
    ) -> list[Entity]:
        """As `page_by_id`, of the entities that have no time."""
        sql, parameters = with_condition(SQL.page_without_time, condition)
        rows = await self._pool.fetch(sql, entity_type, after, limit, attributes, *parameters)
        return [entity_of(row) for row in rows]

    async def count(self, entity_type: str, condition: Condition | None = None) -> int:
        """How many there are; without a condition that is known, with one they are looked at."""
        if condition is None:
            return (await self.get_type(entity_type)).entities
        sql, parameters = with_condition(SQL.count_entities, condition)
        return int(await self._pool.fetchval(sql, entity_type, *parameters))

    async def delete(self, entity_type: str, id: str, *, at: datetime, actor: Actor, why: str | None = None) -> bool:
        """Remove one and note it in the audit log; False if there was none."""
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_type(connection, entity_type)
            if not affected(await connection.execute(SQL.delete_entity, entity_type, id)):
                return False
            await connection.execute(SQL.count_deleted, entity_type, 1)
            subject = f"entity:{entity_type}/{id}"
            await audit.record(connection, actor, "entity.delete", subject, at=at, reason=why)
        return True

    async def get_type(self, entity_type: str) -> StoredType:
        """What is kept about a type; nothing was ever loaded: zero, and no fields."""
        row = await self._pool.fetchrow(SQL.get_entity_type, entity_type)
        return _type_of(row) if row else StoredType(entity_type)

    async def list_types(self) -> dict[str, StoredType]:
        """By name, those that anything was ever loaded of."""
        rows = await self._pool.fetch(SQL.list_entity_types)
        return {row["name"]: _type_of(row) for row in rows}


async def lock_type(connection: Connection, entity_type: str) -> dict[str, FieldType]:
    """Keep everybody else from changing entities of this type until the transaction ends; its known fields."""
    fields: dict[str, FieldType] = orjson.loads(await connection.fetchval(SQL.lock_entity_type, entity_type))
    return fields


def entity_of(row: asyncpg.Record) -> Entity:
    """A row of the statements that list entities; they all name these columns in this order."""
    id, attributes, updated_at, loaded_at = row
    return Entity(id, orjson.loads(attributes) if attributes else {}, updated_at, loaded_at)


def affected(status: str) -> int:
    """The number of rows in a command's completion tag."""
    return int(status.rpartition(" ")[2])


def _type_of(row: asyncpg.Record) -> StoredType:
    return StoredType(row["name"], row["entities"], orjson.loads(row["fields"]), row["loaded_at"])


def with_condition(statement: str, condition: Condition | None) -> tuple[str, Sequence[Any]]:
    """`statement` with a condition where it has room for one, and the parameters that come with it."""
    if condition is None:
        return statement, ()
    return statement.replace(_FILTER, condition.sql), condition.parameters
