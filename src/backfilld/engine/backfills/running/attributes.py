"""The attributes of planned items, read so that one which cannot be read does not hold up the others of its page.

And what they say: of an entity that is gone, or that matches no more, nothing is started.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from backfilld.domain.backfills.records import Backfill, Item
from backfilld.domain.entities.attributes_text import AttributesText, Content
from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import MatchAll, compile_predicate, forgiving
from backfilld.domain.filters.resolve import from_json
from backfilld.sources.base import EntitySource, HandsOn, SourceBroken, SourceUnreachable
from backfilld.store.connection import transient_errors
from backfilld.store.ledger.entries import PlanRow

ENTITY_GONE = "entity_gone"
NO_LONGER_MATCHES = "no_longer_matches"
GONE = Entity("", {})  # stands for one that the source has no more

Matches = Callable[[Any], bool]  # of attributes


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


async def read_content(source: EntitySource, entity_type: str, ids: Sequence[str]) -> Mapping[str, Content]:
    """What is to be sent of `ids`, as far as the source has them. SourceUnreachable, SourceBroken."""
    return await (source.read_unparsed if isinstance(source, HandsOn) else source.read)(entity_type, ids)


async def read_each(source: EntitySource, entity_type: str, ids: Sequence[str]) -> Mapping[str, Content]:
    """The same. If that raises what nobody foresaw, one by one."""
    found = await _unless_broken(source, entity_type, ids)
    if not isinstance(found, Exception):
        return found
    contents: dict[str, Content] = {}
    for id in ids:
        one = await _unless_broken(source, entity_type, [id])
        contents |= {id: Entity(id, Unreadable(one))} if isinstance(one, Exception) else one
    return contents


async def _unless_broken(
    source: EntitySource, entity_type: str, ids: Sequence[str]
) -> Mapping[str, Content] | Exception:
    try:
        return await read_content(source, entity_type, ids)
    except (SourceBroken, SourceUnreachable):
        raise
    except Exception as problem:
        if transient_errors.is_transient(problem):
            raise
        return problem


def still_matching(backfill: Backfill) -> Matches | None:
    """Whether attributes match its filter still; None: that is not asked. What cannot be told, or read, matches."""
    resolved = backfill.filter_resolved
    if not backfill.settings.recheck or resolved is None or backfill.parent_number is not None:
        return None
    tree = from_json(resolved)
    if isinstance(tree, MatchAll):
        return None
    predicate = compile_predicate(tree)

    def matches(attributes: Any) -> bool:
        return predicate(attributes.parsed() if type(attributes) is AttributesText else attributes)

    still = forgiving(matches, otherwise=True)
    return lambda attributes: type(attributes) is Unreadable or still(attributes)


def items_of(
    number: int,
    rows: Sequence[PlanRow],
    entities: Iterable[Content],
    read_at: float,
    *,
    is_retry: bool,
    matches: Matches | None,
) -> list[Item]:
    """The items of the rows of backfill `number` with the entities read for them."""
    return [
        Item(
            number,
            row.position,
            row.entity_id,
            entity.attributes,
            entity.as_of,
            read_at,
            ENTITY_GONE
            if entity is GONE
            else None
            if matches is None or matches(entity.attributes)
            else NO_LONGER_MATCHES,
            row.tries,
            row.counted,
            row.interruptions,
            row.first_started_at,
            row.last_failed_at,
            is_retry,
            row.in_doubt,
            row.unknown_since,
        )
        for row, entity in zip(rows, entities, strict=True)
    ]


def renewed(item: Item, found: Content | None, read_at: float, matches: Matches | None) -> Item:
    """The item as its source has it now."""
    if found is None:
        return replace(item, skip_reason=ENTITY_GONE, read_at=read_at)
    fresh = replace(item, attributes=found.attributes, as_of=found.as_of, read_at=read_at, skip_reason=None)
    return judged(fresh, matches)


def judged(item: Item, matches: Matches | None) -> Item:
    """The item, marked if it has never been started and matches no more."""
    if item.skip_reason == ENTITY_GONE:
        return item
    is_first = not (item.is_retry or item.in_doubt)
    why = None if not is_first or matches is None or matches(item.attributes) else NO_LONGER_MATCHES
    return item if why == item.skip_reason else replace(item, skip_reason=why)


def repeated(item: Item) -> Item:
    """The item, of which a dead owner may have started a try: its target may be at it, so it is not tested again."""
    return judged(replace(item, in_doubt=True), None)
