"""What targets are told of the entities of a plan, page by page.

A plan is mostly in the order of ids, and mostly it covers all that lies between two of them. Then a page is read as the
range that it is, which is three times as cheap as looking for each id; and what was not wanted of the range is little.
Whether it is so is found out by a small part of a page.
"""

from collections.abc import Sequence
from itertools import repeat

import orjson

from backfilld.domain.entities.attributes_text import AttributesText, Unparsed
from backfilld.store.connection.pool import Pool
from backfilld.store.connection.queries import load

_sql = load("entities.unparsed")

FEW = 20  # are looked for one by one
PROBED = 100  # of a page, as long as nobody knows what else lies between
MOST_UNWANTED = 0.05  # of what a range holds, or it is none
LOOKED_FOR = 50  # pages, before somebody tries again


class UnparsedReader:
    """Reads the content of entities by their ids."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._standing: dict[str, int] = {}  # of a type: 1: pages are ranges; -n: the next n are none; 0: who knows

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Unparsed]:
        """Those of `ids` that there are."""
        near = self._probably_near(entity_type, list(ids))
        if not near:
            return await self._read_by_key(entity_type, ids)
        between = await self._read(_sql.read_range, entity_type, near[0], near[-1], len(near))
        if list(between) == ids:
            self._standing[entity_type] = 1
            return between
        wanted = set(near)
        found = {id: content for id, content in between.items() if id in wanted}
        is_near = len(between) - len(found) <= MOST_UNWANTED * len(between)
        self._standing[entity_type] = 1 if is_near else -LOOKED_FOR
        is_whole = len(between) < len(near)  # what was not found in it, is not there
        rest = [*([] if is_whole else [id for id in near if id not in found]), *ids[len(near) :]]
        return found | await self._read_by_key(entity_type, rest) if rest else found

    def _probably_near(self, entity_type: str, ids: list[str]) -> list[str]:
        """The first of `ids`, as many as shall be read as a range; none if they are to be looked for."""
        if len(ids) < FEW:
            return []
        standing = self._standing.get(entity_type, 0)
        if standing < 0:
            self._standing[entity_type] = standing + 1
            return []
        near = ids if standing > 0 else ids[:PROBED]
        return near if near == sorted(near) else []

    async def _read_by_key(self, entity_type: str, ids: Sequence[str]) -> dict[str, Unparsed]:
        return await self._read(_sql.read_by_key, entity_type, orjson.dumps(ids).decode())

    async def _read(self, statement: str, *values: str | int) -> dict[str, Unparsed]:
        row = await self._pool.fetchrow(statement, *values)
        assert row is not None  # noqa: S101 - an aggregate always has a row
        found, lines, loaded_at, each_loaded_at = row
        if found is None:
            return {}
        texts = map(AttributesText, lines.split("\n"))
        return dict(zip(found, map(Unparsed, texts, each_loaded_at or repeat(loaded_at)), strict=True))
