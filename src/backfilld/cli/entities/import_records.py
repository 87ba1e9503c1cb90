"""What a file of records is made of: records as cells, and how they are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from backfilld.domain.entities.pair_lists import PairMembers
from backfilld.domain.errors import Fault

FieldPath: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A record as cells: the path of each field, and its text (CSV; None for empty) or JSON value.

    `entity` is set if the line was an entity in the API's own form. With a `fault` there is nothing else.
    """

    line: int
    cells: Sequence[tuple[FieldPath, Any]] = ()
    is_json: bool = False
    entity: Mapping[str, Any] | None = None
    fault: Fault | None = None


@dataclass(frozen=True)
class Layout:
    """How the records of a file are written.

    `format` is csv, tsv or jsonl; None: by the file's name, or what it begins with if it has none. `delimiter` is that
    of a CSV; None: found out from its first lines. Cells and JSON texts in `nulls` are missing. With
    `repeats_as_lists`, columns of the same name are one list. With `flat`, a dot in the name of a column is just a dot.
    `lists` are fields that hold lists of pairs.
    """

    id_column: str = "id"
    format: str | None = None
    delimiter: str | None = None
    nulls: frozenset[str] = frozenset()
    repeats_as_lists: bool = False
    flat: bool = False
    lists: Mapping[FieldPath, PairMembers] = field(default_factory=dict)
