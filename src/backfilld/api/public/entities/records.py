"""One uploaded entity: from JSON to a row, or to all that is wrong with it.

Most of an upload is clean, and a million records must not take minutes; a record that is not clean deserves a
careful answer. So there are two readers. The quick one (orjson, a handful of counts over the bytes) either vouches for
a line or passes it on; the careful one decides. They agree on every line that the quick one lets through.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import orjson

from backfilld.api.framework.reading import strict_json
from backfilld.api.framework.reading.fields import parse_instant
from backfilld.domain.entities.ids import is_fit, why_unfit
from backfilld.domain.errors import Fault, Unreadable, did_you_mean, nearest, pointer
from backfilld.domain.instants import is_within_bounds

# The id, the attributes as JSON text, updated_at
CleanEntity: TypeAlias = tuple[str, str, datetime | None]

FIELDS = ("id", "attributes", "updated_at")
DEEPEST = 32  # levels of lists and objects, the attributes themselves being the first

_BARE, _TIMED = {"id", "attributes"}, set(FIELDS)
_TO_ZERO = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else byte for byte in range(256))
_LONG_NUMBER = b"0" * 19  # orjson makes a double of a whole number beyond 64 bits, without a word
_JOINED = re.compile(rb"\}\s*\{")
_SEND_LIST = "a list is sent as application/json, or as one entity a line"
_EXAMPLE = '{"id": "1", "attributes": {}}'


def quick_row(line: bytes) -> CleanEntity | None:
    """The row of a line that is valid beyond doubt, else None: then `careful_row` must look at it.

    What orjson lets through and we do not: NUL, whole numbers beyond 64 bits, deep nesting, equal keys. The last show
    by their colons: the line and what was read from it have the same number of them, unless a key got lost.
    """
    if b"\\u00" in line and (b"\\u0000" in line or b"\\u003" in line):  # an escaped NUL; an escaped colon
        return None
    if line.count(b"{") + line.count(b"[") > DEEPEST or _LONG_NUMBER in line.translate(_TO_ZERO):
        return None
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if type(record) is not dict or not (record.keys() == _TIMED or record.keys() == _BARE):
        return None
    id, attributes, updated_at = record["id"], record["attributes"], record.get("updated_at")
    if type(id) is not str or not is_fit(id) or type(attributes) is not dict:
        return None
    text = orjson.dumps(attributes)
    colons = text.count(b":") + id.count(":") + len(record)
    at = None
    if updated_at is not None:
        at = _quick_instant(updated_at)
        if at is None:
            return None
        colons += updated_at.count(":")
    return (id, text.decode(), at) if line.count(b":") == colons else None


def careful_row(line: bytes, place: str) -> CleanEntity | list[Fault]:
    """The row of any line, or its faults; `place` is the JSON Pointer of the line."""
    record = record_of(line, place)
    return record if isinstance(record, list) else row_of(record, place)


def record_of(line: bytes, place: str) -> dict[str, Any] | list[Fault]:
    """The object in any line, or the faults of whatever else it holds."""
    try:
        document = strict_json.parse(line)
    except Unreadable as problem:
        return [Fault(place, problem.code, _of_line(problem.message) + _why_unreadable(line))]
    document, faults = strict_json.clean(document)
    if faults:
        row = row_of(document, place)
        return [fault.under(place) for fault in faults] + (row if isinstance(row, list) else [])
    return document if isinstance(document, dict) else [_no_object(document, place)]


def row_of(record: Any, place: str) -> CleanEntity | list[Fault]:
    """The row of a parsed and clean record, or its faults."""
    if not isinstance(record, dict):
        return [_no_object(record, place)]
    faults = [*_unknown(record, place), *_bad_id(record, place), *_bad_attributes(record, place)]
    updated_at = record.get("updated_at")
    at = None if updated_at is None else _instant(updated_at, place + "/updated_at")
    if isinstance(at, Fault):
        return [*faults, at]
    return faults or (record["id"], orjson.dumps(record["attributes"]).decode(), at)


def _no_object(document: Any, place: str) -> Fault:
    message = f"must be an object such as {_EXAMPLE}, not {strict_json.kind(document)}"
    if isinstance(document, list) and document and isinstance(document[0], dict):
        message += f"; {_SEND_LIST}"
    return Fault(place, "invalid_type", message)


def _why_unreadable(line: bytes) -> str:
    """What somebody may have meant by a line that is not JSON."""
    text = line.lstrip()
    if _JOINED.search(text):
        return "; there are several entities in the line: keep the line ends (curl: --data-binary, not -d)"
    if text[:1] == b"[":
        return f"; if a JSON list begins here: {_SEND_LIST}"
    if text[:1] == b"{":
        return "; an entity must be one line (jq -c makes it so)"
    return "; CSV is read by `backfilld entities import`" if re.search(rb"[,;\t|]", text) else ""


def _unknown(record: dict[str, Any], place: str) -> Iterable[Fault]:
    for name in record:
        if name not in FIELDS:
            message = (
                f"there is no field {name[:100]!r} here{did_you_mean(name, FIELDS)}; your own belong in `attributes`"
            )
            yield Fault(place + pointer(name), "unknown_field", message, nearest(name, FIELDS) or FIELDS)


def _bad_id(record: dict[str, Any], place: str) -> Iterable[Fault]:
    if "id" not in record:
        yield Fault(place + "/id", "missing", "is required")
    elif not isinstance(record["id"], str):
        yield Fault(place + "/id", "invalid_type", f"must be text, not {strict_json.kind(record['id'])}")
    elif not is_fit(record["id"]):
        yield Fault(place + "/id", "invalid_value", why_unfit(record["id"]))


def _bad_attributes(record: dict[str, Any], place: str) -> Iterable[Fault]:
    if "attributes" not in record:
        yield Fault(place + "/attributes", "missing", "is required; {} if there are none")
    elif not isinstance(record["attributes"], dict):
        kind = strict_json.kind(record["attributes"])
        yield Fault(place + "/attributes", "invalid_type", f"must be an object, not {kind}")
    elif strict_json.deeper_than(record["attributes"], DEEPEST):
        yield Fault(place + "/attributes", "too_deep", f"must be at most {DEEPEST} levels deep")


def _instant(value: Any, place: str) -> datetime | Fault:
    if type(value) is not str:
        return Fault(place, "invalid_instant", "must be an instant as text, such as '2027-03-14T07:00:00Z', or null")
    return parse_instant(value, place)


def _quick_instant(value: Any) -> datetime | None:
    if type(value) is not str:
        return None
    # The usual spelling, in a tenth of the time that a pattern takes. What else fromisoformat knows has other
    # characters at these places.
    usual = len(value) == 20 and value[10] == "T" and value[19] == "Z" and value[7] == "-" and value[13] == ":"
    if usual:
        try:
            at = datetime.fromisoformat(value).astimezone(UTC)
        except ValueError:
            return None
        return at if is_within_bounds(at) else None
    found = parse_instant(value)
    return None if isinstance(found, Fault) else found


def _of_line(message: str) -> str:
    return message.replace("the body", "the line", 1).replace("(line 1, ", "(")
