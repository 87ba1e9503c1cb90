"""Stands for a type that the system behind a connection does not have."""

from collections.abc import AsyncGenerator, Mapping, Sequence

from backfilld.domain.entities.records import Entity, FieldType
from backfilld.sources.base import EntityQuery, Page, TypeNotOffered


class NotOffered:
    """`ForeignSource` of such a type: whatever it is asked, it says which types there are."""

    can_be_read_again = False
    plans_outside_windows = True
    plans_early = False
    freshness_seconds = None

    def __init__(self, entity_type: str, system: str, offered: Sequence[str]) -> None:
        self._message = f"{system} has no entities of type '{entity_type}'; it has {', '.join(offered)}"
        self._offered = offered

    async def known_fields(self) -> Mapping[str, FieldType]:
        raise self._problem()

    async def look(self) -> Mapping[str, FieldType]:
        raise self._problem()

    async def remarks(self) -> list[str]:
        return []

    async def count(self, query: EntityQuery, *, within_seconds: float) -> int | None:
        raise self._problem()

    async def pages(self, query: EntityQuery, *, cursor: str | None, page_size: int) -> AsyncGenerator[Page, None]:
        raise self._problem()
        yield

    async def read(self, entity_type: str, ids: Sequence[str]) -> dict[str, Entity]:
        raise self._problem()

    async def close(self) -> None:
        """Nothing is open."""

    def _problem(self) -> TypeNotOffered:
        return TypeNotOffered(self._message, self._offered)
