"""Known fields that come along with an upload: as a query parameter, or among the entities.

A web address holds the types of some two hundred fields; exports of other systems have thousands. So they may also
stand in the body, as a line (or an element of the list) of their own: `{"field_types": {"priority": "integer"}}`.
"""

from typing import Any

from backfilld.api.framework.reading import strict_json
from backfilld.domain.entities.ids import LONGEST_ID
from backfilld.domain.entities.records import FieldType
from backfilld.domain.errors import Fault, did_you_mean, pointer
from backfilld.domain.filters import parse_path, spell
from backfilld.domain.imports import FIELD_TYPES

MEMBER = "field_types"
MOST_IN_QUERY = 500
MOST_IN_BODY = 20_000  # of all lines together; the table that keeps them has one row for a type


def says_types(record: Any) -> bool:
    """Whether a line or an element is one of field types, and no entity."""
    return isinstance(record, dict) and MEMBER in record and "id" not in record and "attributes" not in record


def types_of(record: dict[str, Any], place: str) -> dict[str, FieldType | None] | list[Fault]:
    """The types in such a record, or its faults; `place` is its JSON Pointer."""
    faults = [
        Fault(place + pointer(name), "unknown_field", f"beside {MEMBER!r} there may be nothing else", (MEMBER,))
        for name in record if name != MEMBER
    ]  # fmt: skip
    read = read_types(record[MEMBER])
    if isinstance(read, list):
        return faults + [fault.under(place + pointer(MEMBER)) for fault in read]
    return faults or read


def read_types(document: Any) -> dict[str, FieldType | None] | list[Fault]:
    """Known fields, keyed as filters spell them, or all that is wrong with them."""
    if not isinstance(document, dict):
        return [Fault("", "invalid_type", f"must be an object, not {strict_json.kind(document)}")]
    faults = [fault for name, type in document.items() for fault in _bad_field(name, type)]
    return faults or {spell(parse_path(name)): type for name, type in document.items()}


def _bad_field(name: str, type: Any) -> list[Fault]:
    faults = []
    if type is not None and type not in FIELD_TYPES:
        near = did_you_mean(type, FIELD_TYPES) if isinstance(type, str) else ""
        message = f"the type of {name[:100]!r} must be one of {', '.join(FIELD_TYPES)}, or null to forget it{near}"
        faults.append(Fault(pointer(name[:100]), "invalid_value", message, FIELD_TYPES))
    try:
        parse_path(name)
    except ValueError as problem:
        faults.append(Fault(pointer(name[:100]), "invalid_path", str(problem)))
    if len(name) > LONGEST_ID or not strict_json.text_is_clean(name):
        message = f"a field has at most {LONGEST_ID} characters, without NUL or lone surrogates"
        faults.append(Fault("", "invalid_path", message))
    return faults
