"""Where the entities of each type are listed, and what is known of their fields.

The configuration says which source a type has, and may say the types of fields; for the built-in source imports tell
of fields, too. Whoever plans, counts or reads a filter asks here and need not know which it is.
"""

from collections.abc import Awaitable, Callable, Mapping

from backfilld.domain.entities import NOT_ENUMERABLE, FieldType
from backfilld.sources.base import EntitySource

Fields = Mapping[str, FieldType]
LearnedFields = Callable[[str], Awaitable[Fields]]  # entity type → fields that imports told of

BUILTIN = "builtin"


class SourceRegistry:
    """The sources by name, and the source of each entity type (those not named: the built-in one).

    `configured` are the known fields from the configuration; they win over learned ones. Keys are fields as filters
    spell them.
    """

    def __init__(
        self,
        sources: Mapping[str, EntitySource],
        *,
        source_of: Mapping[str, str] | None = None,
        configured: Mapping[str, Fields] | None = None,
        learned: LearnedFields,
    ) -> None:
        self._sources = dict(sources)
        self._source_of = dict(source_of or {})
        self._configured = {name: dict(fields) for name, fields in (configured or {}).items()}
        self._learned = learned

    def name_of(self, entity_type: str) -> str:
        """The name of the type's source."""
        return self._source_of.get(entity_type, BUILTIN)

    def find(self, entity_type: str) -> EntitySource | None:
        """The source of a type; None for the one type that cannot be listed."""
        return None if entity_type == NOT_ENUMERABLE else self._sources[self.name_of(entity_type)]

    def configured_fields(self, entity_type: str) -> Fields:
        """What the configuration says about the fields of a type."""
        return self._configured.get(entity_type, {})

    async def known_fields(self, entity_type: str) -> Fields:
        """The known types of fields, from imports and from the configuration, which wins."""
        learned = await self._learned(entity_type) if self.name_of(entity_type) == BUILTIN else {}
        return {**learned, **self.configured_fields(entity_type)}
