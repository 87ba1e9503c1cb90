"""Records of an API as entities, or the reason why a page of them cannot be any."""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain, compress
from typing import Any

from backfilld.domain.entities.ids import is_fit, why_unfit
from backfilld.domain.entities.pair_lists import PairLists
from backfilld.domain.entities.records import Entity
from backfilld.domain.filters.dates import parse_timestamp
from backfilld.domain.filters.paths import getter
from backfilld.sources.base import SourceBroken
from backfilld.sources.http.answers import Answer, Unreachable, inside
from backfilld.sources.http.shape import Resource

_SHOWN = 60
DEEPEST = 32  # levels of lists and objects, the record itself being the first
_LARGE = 2.0**63
_NESTED = frozenset({dict, list})
NUL, REPLACED = "\x00", "\ufffd"  # no database of ours keeps the one


class RecordReader:
    """Reads the records of one resource."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._id_of = getter(resource.id)
        self._time_of = getter(resource.updated_at) if resource.updated_at else None
        self._is_kept = resource.read.kind == "none"
        self._lists = [(each, PairLists({(each.at,): each.members})) for each in resource.lists]

    def listed(self, document: Any, where: str) -> list[dict[str, Any]]:
        """The records in a body. Unreachable where there is no list of them: that is never an empty page."""
        found = inside(document, self._resource.records)
        if not isinstance(found, list):
            path = ".".join(self._resource.records)
            raise Unreachable(f"{where} answers without a list of records{f' under {path!r}' if path else ''}")
        return found

    def raw_ids(self, records: Sequence[Any], where: str) -> list[str | int]:
        """The ids as the API gives them. SourceBroken for a record without one, or one that is there twice."""
        ids = [self._raw_id(record, place, where) for place, record in enumerate(records)]
        if len(set(map(str, ids))) < len(ids):
            seen: set[str] = set()
            double = next(id for id in map(str, ids) if id in seen or seen.add(id))  # type: ignore[func-returns-value]
            raise SourceBroken(f"{where} gives the id {double[:_SHOWN]!r} twice on one page")
        return ids

    def _raw_id(self, record: Any, place: int, where: str) -> str | int:
        id = self._id_of(record) if isinstance(record, dict) else None
        if type(id) is int:
            return id
        if type(id) is not str:
            name = ".".join(self._resource.id)
            raise SourceBroken(f"record {place} of {where} has no id under {name!r} that is a text or a whole number")
        if not is_fit(id):
            raise SourceBroken(f"the id of record {place} of {where} is {id[:_SHOWN]!r}: it {why_unfit(id)}")
        return id

    def entities(
        self,
        answer: Answer,
        records: Sequence[dict[str, Any]],
        ids: Sequence[str | int],
        as_of: datetime,
        parent: str | int | None,
    ) -> list[Entity]:
        """Entities of records, whose lists of pairs become objects and whose links about themselves are dropped.

        Where a plan keeps them, a NUL in a text becomes U+FFFD. SourceBroken for what cannot be handed on as it is: a
        whole number beyond 64 bits, too many levels.
        """
        self._require_fit(records, ids, answer)
        may_hold_nul = self._is_kept and b"\\u0000" in answer.body
        time_of = self._time_of
        made: list[Entity] = []
        for record, id in zip(records, ids, strict=True):
            changed_at = time_of(record) if time_of is not None else None
            if self._lists:
                self._shape(record)
            if "_info" in record:
                _drop_links(record)
            if parent is not None:
                record["parent_id"] = parent
            kept = without_nul(record) if may_hold_nul else record
            name = str(id) if parent is None else f"{parent}/{id}"
            made.append(Entity(name, kept, parse_timestamp(changed_at) if type(changed_at) is str else None, as_of))
        return made

    def _require_fit(self, records: Sequence[Any], ids: Sequence[str | int], answer: Answer) -> None:
        is_large, is_deep = _look_at(records)
        if is_deep:
            id = next(id for record, id in zip(records, ids, strict=True) if _look_at([record])[1])
            name = f"{self._resource.entity_type} {str(id)[:_SHOWN]!r}"
            raise SourceBroken(f"{answer.where}: {name} has more than {DEEPEST} levels of lists and objects")
        if is_large:
            answer.require_whole_numbers()

    def _shape(self, record: dict[str, Any]) -> None:
        for each, lists in self._lists:
            if each.at in record:
                lists.apply(record, _stays)
                if each.name != each.at:
                    record[each.name] = record.pop(each.at)


def without_nul(value: Any) -> Any:
    """The same, fit to be kept."""
    if isinstance(value, str):
        return value.replace(NUL, REPLACED)
    if isinstance(value, list):
        return [without_nul(inner) for inner in value]
    if isinstance(value, dict):
        return {without_nul(key): without_nul(inner) for key, inner in value.items()}
    return value


def _look_at(records: Sequence[Any]) -> tuple[bool, bool]:
    """Whether some number may have been a whole one beyond 64 bits, and whether there are too many levels."""
    level, is_large = records, False
    for _ in range(DEEPEST):  # all records at once: one by one takes twice as long
        values = list(chain.from_iterable([one.values() if type(one) is dict else one for one in level]))
        kinds = list(map(type, values))
        known = set(kinds)
        if float in known:
            is_large = is_large or any(abs(value) >= _LARGE for value in values if type(value) is float)
        if known.isdisjoint(_NESTED):
            return is_large, False
        level = list(compress(values, map(_NESTED.__contains__, kinds)))
    return is_large, True


def _drop_links(record: dict[str, Any]) -> None:
    """Of what a record says about itself, and about what it refers to, no links."""
    for name, value in list(record.items()):
        if name == "_info" and isinstance(value, dict):
            record[name] = {key: inner for key, inner in value.items() if not key.endswith("_href")}
        elif isinstance(value, dict) and "_info" in value:
            del value["_info"]


def _stays(_: str) -> None:
    """A list that is none of pairs stays a list, and shows as one wherever the record does."""
