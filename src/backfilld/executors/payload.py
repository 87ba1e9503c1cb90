"""What a target receives: one item as JSON."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from backfilld.domain.entities.attributes_text import AttributesText
from backfilld.domain.texts import exact_numbers
from backfilld.executors.base import Work


class BodyWriter:
    """An executor's items as JSON (docs/executors.md). What one shares with the one before is not written again."""

    def __init__(self) -> None:
        self._common: tuple[object, ...] = ()
        self._params: Mapping[str, Any] | None = None
        self._head = self._type = self._tail = b""
        self._as_of: str | None = None
        self._as_of_json = b"null"

    def body(self, work: Work) -> bytes:
        """What the target of `work` receives."""
        common = (
            work.workflow_id, work.workflow_name, work.backfill_id, work.backfill_name, work.entity_type, work.rehearsal
        )  # fmt: skip
        if work.params is not self._params or common != self._common:
            self._common, self._params = common, work.params
            backfill = None if work.backfill_id is None else {"id": work.backfill_id, "name": work.backfill_name}
            workflow = {"id": work.workflow_id, "name": work.workflow_name}
            self._head = b'{"workflow":%b,"backfill":%b,' % (_json(workflow), _json(backfill))
            self._type = _json(work.entity_type)
            self._tail = b',"params":%b,"rehearsal":%b,"attempt":' % (_json(work.params), _json(work.rehearsal))
        what = self._entity(work) if work.session is None else b'"session":%b' % _json(work.session)
        return b'%b%b%b%d,"idempotency_key":%b}' % (
            self._head, what, self._tail, work.attempt, _json(work.idempotency_key),
        )  # fmt: skip

    def _entity(self, work: Work) -> bytes:
        attributes = work.attributes
        if work.as_of is not self._as_of:  # what was loaded together is equally old
            self._as_of, self._as_of_json = work.as_of, _json(work.as_of)
        return b'"entity":{"id":%b,"type":%b,"attributes":%b,"as_of":%b}' % (
            _json(work.entity_id),
            self._type,
            attributes.as_json() if type(attributes) is AttributesText else _json(attributes),
            self._as_of_json,
        )


def item_body(work: Work) -> bytes:
    """A single item as JSON."""
    return BodyWriter().body(work)


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_plain)
    except TypeError:  # an integer beyond 64 bits, which goes as text, or half a surrogate pair
        return json.dumps(exact_numbers(value), default=_plainer).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))  # a number, to the last digit
    return str(value)


def _plainer(value: Any) -> Any:
    return exact_numbers(dict(value)) if isinstance(value, Mapping) else str(value)
