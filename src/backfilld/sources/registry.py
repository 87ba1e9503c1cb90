"""Where the entities of each type are listed, and what is known of their fields.

The configuration says which source a type has, and may say the types of fields; for the built-in source imports tell
of fields, too, and a foreign one knows its own. Whoever plans, counts or reads a filter asks here and need not know
which it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backfilld.domain.entities.pair_lists import PairLists
from backfilld.domain.entities.records import NOT_ENUMERABLE, FieldType
from backfilld.sources.base import EntitySource, Labelled, SourceBroken, SourceUnreachable
from backfilld.sources.http.asking.budget import Usage

Fields = Mapping[str, FieldType]
LearnedFields = Callable[[str], Awaitable[Fields]]  # entity type → fields that imports told of

BUILTIN = "builtin"
LOOK_SECONDS = 5.0


class ForeignSource(EntitySource, Protocol):
    """The source of one entity type, whose entities are somewhere else."""

    async def known_fields(self) -> Fields:
        """The types of its fields, as far as it knows them without being asked for a record."""

    async def look(self) -> Fields:
        """As `known_fields`, from what is there at this moment."""

    async def remarks(self) -> list[str]:
        """Sentences that whoever makes a plan of it should read."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Look:
    """A source as it is at this moment. `problem` says why nothing can be listed; None: all is well."""

    fields: Fields = field(default_factory=dict)
    problem: str | None = None


class SourceRegistry:
    """The sources by name, and the name of each entity type's source (those not named: the built-in one).

    `foreign` are the sources of single types, by the type. `configured` are the known fields from the configuration;
    they win over learned ones. Keys are fields as filters spell them. `connections`: of which connection to an
    API a type is.
    """

    def __init__(
        self,
        sources: Mapping[str, EntitySource],
        *,
        source_of: Mapping[str, str] | None = None,
        configured: Mapping[str, Fields] | None = None,
        learned: LearnedFields,
        foreign: Mapping[str, ForeignSource] | None = None,
        lists: Mapping[str, PairLists] | None = None,
        connections: Mapping[str, str] | None = None,
        usages: Mapping[str, Callable[[], Usage]] | None = None,
    ) -> None:
        self._sources = dict(sources)
        self._source_of = dict(source_of or {})
        self._configured = {name: dict(fields) for name, fields in (configured or {}).items()}
        self._learned = learned
        self._foreign = dict(foreign or {})
        self._lists = dict(lists or {})
        self._connections = dict(connections or {})
        self._usages = dict(usages or {})

    def name_of(self, entity_type: str) -> str:
        """The name of the type's source."""
        return self._source_of.get(entity_type, BUILTIN)

    def find(self, entity_type: str) -> EntitySource | None:
        """The source of a type; None for the one type that cannot be listed."""
        if entity_type == NOT_ENUMERABLE:
            return None
        return self._foreign.get(entity_type) or self._sources[self.name_of(entity_type)]

    def connection_of(self, entity_type: str) -> str | None:
        """The connection that a type is listed by; None where its source is no API."""
        return self._connections.get(entity_type)

    def reads_again(self, entity_type: str) -> bool:
        """True if an entity can be read as it is right before its start; else the plan holds its attributes."""
        source = self.find(entity_type)
        return source is not None and source.can_be_read_again

    def rechecks(self, entity_type: str) -> bool:
        """Whether the filter is asked again before a start, where nobody chose: a plan of an API grows old."""
        return self.connection_of(entity_type) is not None and self.reads_again(entity_type)

    def usage_of(self, entity_type: str) -> Usage | None:
        """What is used of the budget of the type's connection; None where its source is no API."""
        usage = self._usages.get(self._connections.get(entity_type, ""))
        return None if usage is None else usage()

    def configured_fields(self, entity_type: str) -> Fields:
        """What the configuration says about the fields of a type."""
        return self._configured.get(entity_type, {})

    def lists_of(self, entity_type: str) -> PairLists:
        """The fields of a type that hold lists of pairs, to be made objects when its records are uploaded."""
        return self._lists.get(entity_type) or PairLists({})

    def labels(self, entity_type: str) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Of fields whose numbers stand for words each value with its label, as far as that is known by now."""
        foreign = self._foreign.get(entity_type)
        return foreign.labels() if isinstance(foreign, Labelled) else {}

    async def known_fields(self, entity_type: str) -> Fields:
        """The known types of fields, from imports or the source, and from the configuration, which wins.

        Raises SourceUnreachable or SourceBroken.
        """
        foreign = self._foreign.get(entity_type)
        learned = await self._learned(entity_type) if foreign is None else await _in_time(foreign.known_fields())
        return {**learned, **self.configured_fields(entity_type)}

    async def look(self, entity_type: str) -> Look:
        """How a foreign source is at this moment; of others nothing is to be told."""
        foreign = self._foreign.get(entity_type)
        if foreign is None:
            return Look()
        try:
            return Look(await _in_time(foreign.look()))
        except (SourceUnreachable, SourceBroken) as problem:
            return Look(problem=str(problem))

    async def remarks(self, entity_type: str) -> list[str]:
        """What should be known of a source before a plan is made of it; nothing where it does not answer in time."""
        foreign = self._foreign.get(entity_type)
        if foreign is None:
            return []
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await foreign.remarks()
        except (TimeoutError, SourceUnreachable, SourceBroken):
            return []

    async def close(self) -> None:
        """Let go of what foreign sources keep open."""
        await asyncio.gather(*(source.close() for source in self._foreign.values()))


async def _in_time(asked: Awaitable[Fields]) -> Fields:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await asked
    except TimeoutError:
        raise SourceUnreachable(f"no answer within {LOOK_SECONDS:g} s") from None
