"""Rows of an SQL source as entities, or the reason why they cannot be any."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson

from backfilld.domain.entities.ids import is_fit, why_unfit
from backfilld.domain.entities.records import Entity
from backfilld.sources.base import LeftOut, SourceBroken
from backfilld.sources.sql_shape import Shape
from backfilld.sources.sql_statements import Behind

_MOST_DIGITS = 309  # of a whole number that a double can still hold
_LARGEST = 2**63
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Row:
    """Where a row stands in its order, and what it is."""

    place: Behind
    found: Entity | LeftOut


def rows_of(records: Sequence[Any], shape: Shape, as_of: datetime) -> list[Row]:
    """What records (id, updated_at, place, attributes as text or None) are."""
    parse = orjson.loads if shape.is_plain else _parsed
    floats = shape.floats
    rows = []
    for record in records:
        id, text = record["id"], record["attributes"]
        if id is None or not is_fit(id):
            rows.append(Row(Behind(id or "", record["place"]), LeftOut(None, _why_no_id(id, shape.key.name))))
            continue
        attributes = {} if text is None else parse(text)
        for name in floats:
            value = attributes.get(name)
            if isinstance(value, int) and abs(value) >= _LARGEST:  # a double, with all its digits spelled out
                attributes[name] = float(value)
        entity = Entity(id, attributes, record["updated_at"], as_of)
        rows.append(Row(Behind(id, record["place"]), entity))
    return rows


def refuse_doubles(ids: Sequence[str], key: str) -> None:
    """SourceBroken if two neighbours are the same."""
    for one, other in pairwise(ids):
        if one == other:
            message = f"the key '{key}' is not unique: more than one row has {one[:_SHOWN]!r}; make the query give one"
            raise SourceBroken(message)


def _why_no_id(id: str | None, key: str) -> str:
    if id is None:
        return f"the key '{key}' is null in some rows; leave them out of the query"
    return f"the key '{key}' of a row is {id[:_SHOWN]!r}, which cannot be an id: it {why_unfit(id)}"


def _parsed(text: str) -> Any:
    return json.loads(text, parse_int=_whole, parse_float=_fraction)


def _whole(text: str) -> int | None:
    return int(text) if len(text) <= _MOST_DIGITS + 1 else None


def _fraction(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
