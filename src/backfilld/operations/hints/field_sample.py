"""Which fields the records of a type have: a look at some of them, bounded in number and in time."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.entities.records import ENTITY_TYPES, NOT_ENUMERABLE, FieldType
from backfilld.domain.errors import NotFound
from backfilld.domain.filters.field_sample import SampledField, fields_of
from backfilld.sources.base import EntityQuery, SourceBroken, SourceUnreachable
from backfilld.sources.registry import SourceRegistry

SAMPLED = 1_000
AT_ONCE = 100  # records may be wide
DEAR = 100  # records of a source where each page is a request
SECONDS = 0.3
DEAR_SECONDS = 3.0
DEAR_KEPT_SECONDS = 300.0

Labels = Mapping[str, Mapping[Any, str]]


@dataclass(frozen=True, slots=True)
class FieldSample:
    """What was seen in so many records, and the types that are known without them; `warnings` say what was not."""

    fields: Sequence[SampledField]
    configured: Mapping[str, FieldType]
    records: int
    warnings: tuple[str, ...]


class FieldSampler:
    """Takes samples."""

    def __init__(self, sources: SourceRegistry, clock: Clock) -> None:
        self._sources = sources
        self._clock = clock
        self._kept: dict[str, tuple[float, FieldSample]] = {}

    async def labels(self, entity_type: str) -> Labels:
        """Field → of each value of a pick list what it stands for; empty where the source knows of none."""
        source = self._sources.find(entity_type) if entity_type in ENTITY_TYPES else None
        if source is None or source.freshness_seconds is None:
            return {}
        return {one.name: one.labels for one in (await self.sample(entity_type)).fields if one.labels}

    async def sample(self, entity_type: str) -> FieldSample:
        """The fields of some records, and those that are only known by name. NotFound for a type that is none.

        Where a page is a request, what was found is kept for five minutes.
        """
        kept = self._kept.get(entity_type)
        if kept is not None and self._clock.monotonic() - kept[0] < DEAR_KEPT_SECONDS:
            return kept[1]
        found = await self._looked(entity_type)
        source = self._sources.find(entity_type)
        if source is not None and source.freshness_seconds is not None and not found.warnings:
            self._kept[entity_type] = (self._clock.monotonic(), found)
        return found

    async def _looked(self, entity_type: str) -> FieldSample:
        if entity_type not in ENTITY_TYPES or entity_type == NOT_ENUMERABLE:
            raise NotFound(f"there is no entity type {entity_type!r} whose records can be listed")
        records: list[Mapping[str, Any]] = []
        known: Mapping[str, FieldType] = {}
        warnings: list[str] = []
        source = self._sources.find(entity_type)
        is_dear = source is not None and source.freshness_seconds is not None
        try:
            async with asyncio.timeout(DEAR_SECONDS if is_dear else SECONDS):
                known = await self._sources.known_fields(entity_type)
                if source is not None:
                    query = EntityQuery(entity_type)
                    async with aclosing(source.pages(query, cursor=None, page_size=AT_ONCE)) as pages:
                        async for page in pages:
                            records += [entity.attributes for entity in page.entities]
                            if len(records) >= (DEAR if is_dear else SAMPLED):
                                break
        except TimeoutError:
            warnings.append(f"looking at records took too long; {len(records):,} of them were seen")
        except (SourceBroken, SourceUnreachable) as problem:
            warnings.append(f"the source of type {entity_type} does not answer, or is broken: {problem}")
        found = await asyncio.to_thread(fields_of, records)
        named = {one.name for one in found}
        unseen = [SampledField(name, (), 0.0, ()) for name in sorted(known.keys() - named)]
        labels = self._sources.labels(entity_type)
        fields = [_labelled(one, labels.get(one.name, ()), known.get(one.name)) for one in (*found, *unseen)]
        return FieldSample(fields, known, len(records), tuple(warnings))


def _labelled(found: SampledField, labels: Sequence[tuple[str, str]], known: FieldType | None) -> SampledField:
    if not labels:
        return found
    named = {_value(text, known): label for text, label in labels}
    return replace(found, values=tuple(named), labels=named)


def _value(text: str, known: FieldType | None) -> Any:
    """A value of a pick list as records hold it."""
    is_number = known in ("integer", "number") and text.removeprefix("-").isdecimal() and text.isascii()
    return int(text) if is_number else text
