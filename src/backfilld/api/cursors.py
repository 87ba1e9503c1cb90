"""How a list remembers where a page ended.

A cursor is opaque to callers and holds the key of the last row of a page (keyset), so that a list stays stable
while rows are added. It holds nothing secret, and whatever comes back is checked like any other input.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from backfilld.domain.errors import Fault, Invalid

LONGEST_CURSOR = 4096  # an entity id of 512 characters may take 2,048 bytes


def encode_cursor(*key: str | int) -> str:
    """The cursor of a page whose last row has that key."""
    return (
        base64.urlsafe_b64encode(json.dumps(list(key), ensure_ascii=False, separators=(",", ":")).encode())
        .rstrip(b"=")
        .decode()
    )


def decode_cursor(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The key in a cursor, whose parts are of `kinds` (`int`, `str`); `Invalid` at `/query/cursor` if it is not one."""
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _bad() from None
    if not isinstance(key, list) or [type(part) for part in key] != list(kinds):
        raise _bad()
    for part in key:
        if isinstance(part, int) and not -(2**63) <= part < 2**63:
            raise _bad()
        if isinstance(part, str) and not _clean(part):
            raise _bad()
    return key


def _clean(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _bad() -> Invalid:
    message = "this cursor was not made by this list; start again without one"
    return Invalid([Fault("/query/cursor", "invalid_cursor", message)])
