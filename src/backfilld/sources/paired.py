"""A source whose records hold lists of pairs, seen as if these were objects.

The source itself knows nothing of it, so it is never asked about a field that a list stands in the way of: it lists
what may match, and whoever asked tests each record as it is seen here.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace

from backfilld.domain.entities.pair_lists import PairLists
from backfilld.domain.entities.records import Entity
from backfilld.domain.filters import Rule, compile_predicate, forgiving
from backfilld.domain.filters.tree import Group, Node, rules_of
from backfilld.sources.base import EntityQuery, Page
from backfilld.sources.registry import Fields, ForeignSource

_COUNT_PAGE = 5_000


class PairedSource:
    """`ForeignSource` over another one."""

    def __init__(self, inner: ForeignSource, lists: PairLists) -> None:
        self._inner = inner
        self._lists = lists

    @property
    def can_be_read_again(self) -> bool:
        return self._inner.can_be_read_again

    @property
    def plans_outside_windows(self) -> bool:
        return self._inner.plans_outside_windows

    @property
    def plans_early(self) -> bool:
        return self._inner.plans_early

    @property
    def freshness_seconds(self) -> float | None:
        return self._inner.freshness_seconds

    async def count(self, query: EntityQuery, *, within_seconds: float) -> int | None:
        """How many match; where a rule asks for what stands in a list, every record that may match is looked at."""
        if not self._concerns(query):
            return await self._inner.count(query, within_seconds=within_seconds)
        matches = forgiving(compile_predicate(query.tree), otherwise=True)  # as the plan counts
        found = 0
        try:
            async with asyncio.timeout(within_seconds) as deadline:
                async with aclosing(self.pages(query, cursor=None, page_size=_COUNT_PAGE)) as pages:
                    async for page in pages:
                        found += sum(matches(entity.attributes) for entity in page.entities)
                        found += sum(one.id is not None for one in page.left_out)
        except TimeoutError:
            if deadline.expired():
                return None
            raise
        return found

    async def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int) -> AsyncGenerator[Page, None]:
        """Pages of the source; inexact where a rule asks for what stands in a list."""
        concerned = self._concerns(query)
        if concerned:
            query = replace(query, tree=self._bearable(query.tree), with_attributes=True)
        async with aclosing(self._inner.pages(query, cursor=cursor, page_size=page_size)) as pages:
            async for page in pages:
                self._shape(page.entities)
                yield replace(page, exact=False) if concerned else page

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
        """The present entities among `ids`."""
        found = await self._inner.read(entity_type, ids)
        self._shape(found.values())
        return found

    async def known_fields(self) -> Fields:
        return await self._inner.known_fields()

    async def look(self) -> Fields:
        return await self._inner.look()

    async def remarks(self) -> list[str]:
        return await self._inner.remarks()

    async def close(self) -> None:
        await self._inner.close()

    def _shape(self, entities: Iterable[Entity]) -> None:
        for entity in entities:
            self._lists.apply(entity.attributes, _stays)

    def _concerns(self, query: EntityQuery) -> bool:
        return query.tree is not None and any(self._is_within(rule) for rule in rules_of(query.tree))

    def _is_within(self, node: Node) -> bool:
        return any(self._lists.leads_into(rule.field) for rule in rules_of(node))

    def _bearable(self, tree: Node) -> Group | None:
        """What of a filter the source can be asked, so that it lists all that may match; None: everything."""
        if isinstance(tree, Rule) or tree.negated or (tree.combinator == "or" and len(tree.rules) > 1):
            return None
        kept = tuple(node for node in tree.rules if not self._is_within(node))
        return replace(tree, rules=kept) if kept else None


def _stays(_: str) -> None:
    """A list that is none of pairs stays a list, and shows as one wherever the record does."""
