"""Rows of an SQL source as entities, or the reason why they cannot be any."""

import json
import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson

from backfilld.domain.entities.ids import is_fit, why_unfit
from backfilld.domain.entities.records import Entity
from backfilld.sources.base import SourceBroken

_MOST_DIGITS = 309  # of a whole number that a double can still hold
_SHOWN = 60


def entities_of(records: Sequence[Any], *, plain: bool, key: str, as_of: datetime) -> list[Entity]:
    """Records (id, updated_at, attributes as text or None) as entities; SourceBroken if one cannot be.

    `plain`: no number in them needs more than a quick reader keeps. The slow one keeps whole numbers of any length
    as they are, as SQL does.
    """
    parse = orjson.loads if plain else _parsed
    entities = []
    for record in records:
        id, text = record["id"], record["attributes"]
        if id is None:
            raise SourceBroken(f"the key '{key}' is null in some rows; leave them out of the query")
        if not is_fit(id):
            raise SourceBroken(f"the key {id[:_SHOWN]!r} cannot be an id: it {why_unfit(id)}")
        entities.append(Entity(id, {} if text is None else parse(text), record["updated_at"], as_of))
    return entities


def refuse_doubles(ids: Sequence[str], key: str) -> None:
    """SourceBroken if two neighbours are the same."""
    for one, other in pairwise(ids):
        if one == other:
            message = f"the key '{key}' is not unique: more than one row has {one[:_SHOWN]!r}; make the query give one"
            raise SourceBroken(message)


def _parsed(text: str) -> Any:
    return json.loads(text, parse_int=_whole, parse_float=_fraction)


def _whole(text: str) -> int | None:
    return int(text) if len(text) <= _MOST_DIGITS + 1 else None


def _fraction(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
