"""How a list remembers where a page ended.

A cursor is opaque to callers and holds the key of the last row of a page (keyset), so that a list stays stable
while rows are added. It holds nothing secret, and whatever comes back is checked like any other input.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from backfilld.domain.instants import is_within_bounds

LONGEST_CURSOR = 4096  # an entity id of 512 characters may take 2,048 bytes


# What PostgreSQL calls the ends of time, and its driver so.
_ENDS = MappingProxyType({"infinity": datetime.max.replace(tzinfo=UTC), "-infinity": datetime.min.replace(tzinfo=UTC)})
# How the parts of a key that JSON does not know are read; the others are `int` and `str`.
_READERS: Mapping[type, Callable[[str], datetime | UUID]] = MappingProxyType(
    {datetime: datetime.fromisoformat, UUID: UUID}
)


def encode_cursor(*key: str | int | datetime | UUID) -> str:
    """The cursor of a page whose last row has that key."""
    parts = [_spelled(part) if isinstance(part, datetime) else _plain(part) for part in key]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _spelled(at: datetime) -> str:
    ends = (name for name, end in _ENDS.items() if at.replace(tzinfo=at.tzinfo or UTC) == end)  # read without a zone
    return next(ends, at.isoformat())


def _plain(part: str | int | UUID) -> str | int:
    return str(part) if isinstance(part, UUID) else part


def decode_cursor(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The key in a cursor, whose parts are of `kinds` (`int`, `str`, `datetime`, `UUID`); ValueError if it is not."""
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(key, list):
            raise ValueError
        return [_part(part, kind) for part, kind in zip(key, kinds, strict=True)]
    except (ValueError, RecursionError):
        raise ValueError("this cursor was not made by this list; start again without one") from None


def _part(part: Any, kind: type) -> Any:
    if type(part) is not (str if kind in _READERS else kind):
        raise ValueError
    if isinstance(part, int) and not -(2**63) <= part < 2**63:
        raise ValueError
    if isinstance(part, str) and ("\0" in part or any("\ud800" <= char <= "\udfff" for char in part)):
        raise ValueError
    if kind not in _READERS:
        return part
    if kind is datetime and (end := _ENDS.get(str(part))) is not None:
        return end
    read = _READERS[kind](str(part))
    if isinstance(read, datetime) and (read.utcoffset() is None or not is_within_bounds(read)):
        raise ValueError
    return read
