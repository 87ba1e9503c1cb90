"""What fields some records have: their kinds, how many records have them, and the values that are common."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backfilld.domain.filters.dates import is_date, parse_timestamp
from backfilld.domain.filters.paths import spell

DEEPEST = 3  # of the objects whose fields are told
MOST_FIELDS = 500
MOST_DISTINCT = 40  # a field with more values is none to choose from
MOST_VALUES = 12
LONGEST_VALUE = 100


@dataclass(frozen=True, slots=True)
class SampledField:
    """`name` is a path as filters take it. `values`: the commonest, empty where there are too many different ones.

    `labels`: of a pick list, what its values stand for; then `values` are all of these.
    """

    name: str
    kinds: tuple[str, ...]
    share: float
    values: tuple[Any, ...]
    labels: Mapping[Any, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Seen:
    records: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    values: Counter[tuple[str, Any]] = field(default_factory=Counter)
    too_many: bool = False

    def take(self, value: Any) -> None:
        self.records += 1
        kind = kind_of(value)
        self.kinds[kind] += 1
        if kind in ("list", "object") or (isinstance(value, str) and len(value) > LONGEST_VALUE):
            self.too_many = True
        elif not self.too_many:
            self.values[type(value).__name__, value] += 1
            self.too_many = len(self.values) > MOST_DISTINCT


def fields_of(records: Iterable[Mapping[str, Any]]) -> list[SampledField]:
    """The fields of all of them, those that most have first."""
    total, seen = 0, dict[str, _Seen]()
    for record in records:
        total += 1
        for path, value in _flat(record, "", 1):
            if value is not None and (path in seen or len(seen) < MOST_FIELDS):
                seen.setdefault(path, _Seen()).take(value)
    return [
        SampledField(
            name,
            tuple(kind for kind, _ in one.kinds.most_common()),
            round(one.records / total, 4),
            () if one.too_many else tuple(value for (_, value), _ in one.values.most_common(MOST_VALUES)),
        )
        for name, one in sorted(seen.items(), key=lambda pair: (-pair[1].records, pair[0]))
    ]


def kind_of(value: Any) -> str:
    """`text`, `date`, `integer`, `number`, `boolean`, `list` or `object`."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "date" if is_date(value) or _is_timestamp(value) else "text"
    return "list" if isinstance(value, list | tuple) else "object"


def _is_timestamp(text: str) -> bool:
    try:
        return parse_timestamp(text) is not None
    except ValueError:
        return False


def _flat(record: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        path = before + spell((str(key),))
        if isinstance(value, Mapping) and value and depth < DEEPEST:
            yield from _flat(value, f"{path}.", depth + 1)
        else:
            yield path, value
