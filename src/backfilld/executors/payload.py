"""What a target receives: one item as JSON."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from backfilld.domain.entities.attributes_text import AttributesText
from backfilld.domain.texts import exact_numbers
from backfilld.executors.base import Work


def item_body(work: Work) -> bytes:
    """The item as JSON (API §3.4)."""
    item: dict[str, Any] = {
        "workflow": {"id": work.workflow_id, "name": work.workflow_name},
        "backfill": None if work.backfill_id is None else {"id": work.backfill_id, "name": work.backfill_name},
    }
    if work.session is not None:
        item["session"] = work.session
    else:
        attributes: Any = work.attributes
        if type(attributes) is AttributesText:
            attributes = orjson.Fragment(attributes.as_json())
        item["entity"] = {
            "id": work.entity_id,
            "type": work.entity_type,
            "attributes": attributes,
            "as_of": work.as_of,
        }
    item["params"] = work.params
    item["rehearsal"] = work.rehearsal
    item["attempt"] = work.attempt
    item["idempotency_key"] = work.idempotency_key
    try:
        return orjson.dumps(item, default=_plain)
    except TypeError:  # an integer beyond 64 bits, which goes as text, or half a surrogate pair
        if "entity" in item:
            item["entity"]["attributes"] = dict(work.attributes)
        return json.dumps(exact_numbers(item), default=_plainer).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))  # a number, to the last digit
    return str(value)


def _plainer(value: Any) -> Any:
    return exact_numbers(dict(value)) if isinstance(value, Mapping) else str(value)
