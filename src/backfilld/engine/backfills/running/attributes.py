"""The attributes of planned items, read so that one which cannot be read does not hold up the others of its page."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from backfilld.domain.entities.records import Entity
from backfilld.sources.base import EntitySource, SourceBroken, SourceUnreachable
from backfilld.store.connection import transient_errors
from backfilld.store.ledger.entries import PlanRow


class Unreadable(dict[str, Any]):
    """Stands for attributes that could not be read: whoever is to hand them on, raises `problem`."""

    def __init__(self, problem: Exception) -> None:
        super().__init__()
        self.problem = problem


def planned(row: PlanRow) -> Entity:
    """The entity as the plan holds it."""
    try:
        return Entity(row.entity_id, orjson.loads(row.attributes or "{}"))
    except Exception as problem:
        return Entity(row.entity_id, Unreadable(problem))


async def read_each(source: EntitySource, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
    """What the source has of `ids`. If that raises what nobody foresaw, one by one. SourceUnreachable, SourceBroken."""
    found = await _unless_broken(lambda: source.read(entity_type, ids))
    if not isinstance(found, Exception):
        return found
    entities: dict[str, Entity] = {}
    for id in ids:
        one = await _unless_broken(lambda id=id: source.read(entity_type, [id]))  # type: ignore[misc]
        entities |= {id: Entity(id, Unreadable(one))} if isinstance(one, Exception) else one
    return entities


async def _unless_broken(read: Callable[[], Awaitable[dict[str, Entity]]]) -> dict[str, Entity] | Exception:
    try:
        return await read()
    except (SourceBroken, SourceUnreachable):
        raise
    except Exception as problem:
        if transient_errors.is_transient(problem):
            raise
        return problem
