"""Asking a source, and filters to ask with."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.clock import NOON

from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import Tree, read_filter, resolve
from backfilld.sources.base import EntityQuery, EntitySource
from backfilld.sources.sql import SqlSource

Making = Callable[..., SqlSource]
Foreign = Any  # asyncpg's connection


def tree_of(spec: Any, **known: Any) -> Tree:
    read = read_filter(spec, "")
    assert read.tree is not None, read.faults
    resolved = resolve(read.tree, now=NOON, zone=ZoneInfo("Europe/Berlin"), known_fields=known)
    assert not resolved.faults, resolved.faults
    return resolved.tree


def rule(field: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if value is None else {"value": value}
    return {"combinator": "and", "rules": [{"field": field, "operator": operator, **given, **more}]}


async def listed(
    source: EntitySource, tree: Tree | None = None, *, page_size: int = 1000, cursor: str | None = None, **more: Any
) -> list[Entity]:
    pages = source.pages(EntityQuery("ticket", tree, **more), cursor=cursor, page_size=page_size)
    return [entity async for page in pages for entity in page.entities]


async def ids(source: EntitySource, tree: Tree | None = None, **more: Any) -> list[str]:
    return [entity.id for entity in await listed(source, tree, **more)]
