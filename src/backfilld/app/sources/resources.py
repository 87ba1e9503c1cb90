"""What each type that an API lists is over there: from the file, and from the preset of its connection."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from backfilld.clock import Clock
from backfilld.config.presets import Preset, preset
from backfilld.config.sections.apis.connections import ConnectionSettings
from backfilld.config.sections.apis.http_types import HttpSettings, PagingSettings, PresetListing
from backfilld.config.sections.entity_types import EntityTypeSettings
from backfilld.domain.entities.pair_lists import parse_members
from backfilld.domain.filters import Tree, parse_path, read_filter, resolve
from backfilld.sources.http.shape import Counting, Paging, PairList, Parent, PushedField, Reading, Resource


class Resources:
    """The resources of all types. A parent of a preset need not be in the file."""

    def __init__(
        self, types: Mapping[str, EntityTypeSettings], connections: Mapping[str, ConnectionSettings], clock: Clock
    ) -> None:
        self._types = types
        self._connections = connections
        self._clock = clock

    def find(self, entity_type: str) -> Resource | None:
        """What is listed for a type of the file; None where the system of its connection has no such type."""
        known = self._types[entity_type]
        assert known.http is not None  # noqa: S101 - only those are asked for
        return self._of(entity_type, known, known.http.connection)

    def preset_of(self, entity_type: str) -> Preset | None:
        """The preset of the type's connection."""
        http = self._types[entity_type].http
        name = self._connections[http.connection].preset if http is not None else None
        return None if name is None else preset(name)

    def _of(self, entity_type: str, known: EntityTypeSettings | None, connection: str) -> Resource | None:
        name = self._connections[connection].preset
        own: dict[str, Any] = {}
        if known is not None and known.http is not None and known.http.connection == connection:
            own = known.http.model_dump(exclude_unset=True)
        system = None if name is None else preset(name)
        listing = own if system is None else system.listing_of(entity_type, own)
        if listing is None:
            return None
        http = PresetListing.model_validate(listing)
        resource = _resource(entity_type, http, known, system)
        where = self._filter(http.where, resource)
        resource = replace(resource, where=where)
        return resource if http.parent is None else self._under(resource, http, connection)

    def _under(self, resource: Resource, http: PresetListing, connection: str) -> Resource:
        assert http.parent is not None  # noqa: S101 - else nobody asks
        parent = self._of(http.parent.type, self._types.get(http.parent.type), connection)
        assert parent is not None  # noqa: S101 - seen to when the file was read
        return replace(resource, parent=Parent(parent, self._filter(http.parent.where, parent)))

    def _filter(self, spec: Mapping[str, Any] | None, resource: Resource) -> Tree | None:
        tree = None if spec is None else read_filter(dict(spec), "").tree
        if tree is None:
            return None
        return resolve(tree, now=self._clock.now(), zone=ZoneInfo("UTC"), known_fields=resource.fields).tree


def _resource(name: str, http: PresetListing, known: EntityTypeSettings | None, system: Preset | None) -> Resource:
    names = {} if system is None else system.list_names
    lists = {**({} if known is None else known.lists), **http.lists}
    return Resource(
        entity_type=name,
        path=http.path or "",
        paging=_paging(http.paging, size_is_kept=system is not None),
        method=http.method or "GET",
        parameters=http.parameters,
        records=_path(http.records),
        id=_path(http.id or "id"),
        updated_at=_path(http.updated_at) or None,
        count=None if http.count is None else Counting(http.count.path, _path(http.count.value)),
        read=_reading(http),
        fields={**http.fields, **({} if known is None else known.fields)},
        push={
            field: PushedField(
                it.operators, it.parameter, it.join, it.exact, it.format, it.widen_seconds if it.format else 0.0
            )
            for field, it in http.push.items()
        },
        lists=tuple(PairList(field, parse_members(word), names.get(field, field)) for field, word in lists.items()),
        freshness_seconds=http.freshness_seconds,
        plans_outside_windows=http.plan_outside_windows,
        entity=http.entity or "",
        parent_field=http.parent_field,
        can_search=http.can_search,
        longest_url=http.longest_url,
    )


def _paging(paging: PagingSettings | None, *, size_is_kept: bool) -> Paging:
    if paging is None:
        return Paging("none")
    return Paging(
        paging.type,
        paging.parameter,
        paging.size_parameter,
        paging.size,
        paging.order,
        paging.first,
        _path(paging.total) or None,
        _path(paging.cursor) or None,
        paging.cursor_header,
        _path(paging.url) or None,
        size_is_kept,
    )


def _reading(http: HttpSettings) -> Reading:
    if http.read is None or http.read == "none":
        return Reading("none")
    read = http.read
    return Reading(read.type, read.parameter or "", read.join, read.most, read.path or "")


def _path(text: str | None) -> tuple[str, ...]:
    return parse_path(text) if text else ()
