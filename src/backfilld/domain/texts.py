"""Text and JSON from strangers, made fit for the ledger.

What a target answers may hold NUL, half a surrogate pair, terminal escapes or a megabyte. PostgreSQL refuses the
first two and a terminal obeys the third, so whatever lands in the ledger passes through here, and nobody further on
has to be careful.
"""

import re
from typing import Any

import orjson

MESSAGE_BYTES = 1024
RESULT_BYTES = 4096

_ELLIPSIS = "…"
# C0 without tab and newline, DEL, C1, lone surrogates, and the controls that turn the direction of a line around.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_MOST_BYTES_OF_A_CHARACTER = 4


def many(count: int, one: str, several: str) -> str:
    """`1 entity`, `2,000 entities`."""
    return f"{count:,} {one if count == 1 else several}"


def clean_text(text: str, most_bytes: int) -> str:
    """`text` without controls and surrogates, in at most `most_bytes` of UTF-8; a cut shows as an ellipsis."""
    if len(text) > most_bytes * 2:  # no need to clean a megabyte for the sake of its first kilobyte
        text = text[: most_bytes * 2]
    return cut_text(without_controls(text), most_bytes)


def without_controls(text: str) -> str:
    """`text` without controls and surrogates, in its whole length."""
    return text if text.isprintable() else _UNFIT.sub("", text)


def cut_text(text: str, most_bytes: int) -> str:
    """`text` in at most `most_bytes` of UTF-8 (≥ 3), never with half a character. It must be free of surrogates."""
    if len(text) * _MOST_BYTES_OF_A_CHARACTER <= most_bytes:
        return text
    encoded = text.encode()
    if len(encoded) <= most_bytes:
        return text
    return encoded[: most_bytes - len(_ELLIPSIS.encode())].decode(errors="ignore") + _ELLIPSIS


def bounded_json(value: Any, most_bytes: int) -> str | None:
    """`value` as JSON text that PostgreSQL stores; None if it is longer than `most_bytes`, or no JSON at all."""
    try:
        encoded = orjson.dumps(value)
        if len(encoded) > most_bytes:
            return None
        if b"\\u00" in encoded:
            encoded = orjson.dumps(_cleaned(value))
    except (TypeError, RecursionError):
        try:
            encoded = orjson.dumps(_cleaned(value))
        except (TypeError, RecursionError):
            return None
    return encoded.decode() if len(encoded) <= most_bytes else None


def exact_numbers(value: Any) -> Any:
    """A copy of JSON data in which whole numbers of more than 64 bits are text, which no reader of JSON rounds."""
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, dict):
        return {key: exact_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [exact_numbers(inner) for inner in value]
    return value


def _cleaned(value: Any) -> Any:
    """A copy of plain JSON data whose texts are free of controls and lone surrogates."""
    if isinstance(value, str):
        return _UNFIT.sub("", value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner) for inner in value]
    return value
