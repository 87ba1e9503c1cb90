"""What people may ask of the sources: how each is, and what a test of it finds and costs."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from backfilld.clock import Clock
from backfilld.domain.entities.ids import ENUMERABLE_TYPES
from backfilld.domain.entities.records import Entity, FieldType
from backfilld.domain.errors import NotFound, did_you_mean
from backfilld.sources.base import EntityQuery, SourceBroken, SourceUnreachable
from backfilld.sources.http.asking.budget import Usage
from backfilld.sources.http.asking.connection import Connection
from backfilld.sources.registry import BUILTIN, SourceRegistry

COUNT_SECONDS = 20.0
TEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source, and what is listed by it. `name`: of its connection, else of its type. `usage` None: nothing counts."""

    name: str
    kind: str
    entity_types: tuple[str, ...]
    problem: str | None
    usage: Usage | None = None


@dataclass(slots=True)
class Tested:
    """What a test of a type found. `requests`: what it cost, where that is counted."""

    entity_type: str
    source: str
    fields: Mapping[str, FieldType] = field(default_factory=dict)
    count: int | None = None
    record: Entity | None = None
    problem: str | None = None
    requests: int | None = None
    seconds: float = 0.0
    asked_at: datetime | None = None


class SourceOperations:
    """The verbs."""

    def __init__(self, sources: SourceRegistry, connections: Mapping[str, Connection], clock: Clock) -> None:
        self._sources = sources
        self._connections = connections
        self._clock = clock

    async def list(self) -> Sequence[KnownSource]:
        """Every source that is not the built-in one, by name."""
        foreign = [name for name in ENUMERABLE_TYPES if self._sources.name_of(name) != BUILTIN]
        looks = dict(zip(foreign, await asyncio.gather(*map(self._sources.look, foreign)), strict=True))
        found = []
        for name, connection in self._connections.items():
            types = tuple(each for each in foreign if self._sources.connection_of(each) == name)
            problem = next((looks[each].problem for each in types if looks[each].problem), connection.health.problem)
            found.append(KnownSource(name, "http", types, problem, connection.usage))
        others = [name for name in foreign if self._sources.connection_of(name) is None]
        found += [KnownSource(name, self._sources.name_of(name), (name,), looks[name].problem) for name in others]
        return sorted(found, key=lambda one: one.name)

    async def test(self, entity_type: str) -> Tested:
        """Ask for fields, the number and one record. NotFound for a type that cannot be listed."""
        source = self._sources.find(entity_type) if entity_type in ENUMERABLE_TYPES else None
        if source is None:
            near = did_you_mean(entity_type, ENUMERABLE_TYPES)
            raise NotFound(f"there is no entity type {entity_type[:100]!r} that can be listed{near}")
        tested = Tested(entity_type, self._sources.name_of(entity_type), asked_at=self._clock.now())
        connection = self._connections.get(self._sources.connection_of(entity_type) or "")
        began, before = self._clock.monotonic(), _asked(connection)
        try:
            async with asyncio.timeout(TEST_SECONDS):
                tested.fields = await self._sources.known_fields(entity_type)
                query = EntityQuery(entity_type)
                async with aclosing(source.pages(query, cursor=None, page_size=1)) as pages:
                    async for page in pages:
                        if page.entities:
                            tested.record = page.entities[0]
                            break
                tested.count = await source.count(query, within_seconds=COUNT_SECONDS)
        except (SourceBroken, SourceUnreachable) as problem:
            tested.problem = str(problem)
        except TimeoutError:
            tested.problem = f"no whole answer within {TEST_SECONDS:g} s"
        tested.seconds = self._clock.monotonic() - began
        tested.requests = None if connection is None else _asked(connection) - before
        return tested


def _asked(connection: Connection | None) -> int:
    return 0 if connection is None else connection.outcomes.total()
