"""JSON as we accept it: strictly, and before anybody believes it.

Python's reader is generous: it takes NaN, keeps the last of two equal keys, and lets through NUL and lone surrogates,
which PostgreSQL refuses. What cannot be read unambiguously raises `Unreadable` (400); of equal keys the last is kept
only where a caller asks for that. What can be read but not kept is a fault with its place (422), collected here, so
that the rest of a document can still be checked.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from backfilld.domain.errors import FAULTS_SHOWN, Fault, Unreadable, pointer

DEEPEST = 64
_MOST_DIGITS = 1_000
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1  # what JSON numbers can be in most places, ours included
_SUSPICIOUS = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|[0-9]{19}")
_MARK = "\ufeff"  # some editors begin UTF-8 files with it; RFC 8259 lets a reader ignore it


def parse(raw: bytes, *, last_wins: bool = False) -> Any:
    """The document in `raw`; `Unreadable` says what is wrong and, where known, where.

    `last_wins`: of a key that is given twice the last value counts, as digdag's clients may rely on.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as problem:
        raise Unreadable(f"the body is not UTF-8: byte {problem.start} cannot be decoded") from None
    try:
        document = (_LAST_WINS if last_wins else _DECODER).decode(text.removeprefix(_MARK))
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        raise Unreadable(f"the body is not JSON: {problem.msg} ({where})") from None
    except RecursionError:
        raise _too_deep() from None
    if deeper_than(document, DEEPEST):
        raise _too_deep()
    return document


def deeper_than(document: Any, limit: int) -> bool:
    """Whether lists and objects are nested more than `limit` levels deep."""
    level: list[Any] = [document]
    for _ in range(limit + 1):
        level = [value for value in level if isinstance(value, dict | list)]
        if not level:
            return False
        level = [part for value in level for part in _parts(value)]
    return True


def _parts(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def clean(document: Any) -> tuple[Any, list[Fault]]:
    """What cannot be kept, as faults, and the document (the same object if there are none) without it."""
    faults: list[Fault] = []
    cleaned = _clean(document, (), faults)
    return (cleaned if faults else document), faults


def may_be_unclean(raw: bytes) -> bool:
    """False if `clean` would surely find nothing in the document of `raw`: what it looks for can only be escaped."""
    return _SUSPICIOUS.search(raw) is not None


def _clean(value: Any, place: tuple[str | int, ...], faults: list[Fault]) -> Any:
    if isinstance(value, str):
        return _clean_text(value, place, faults)
    if isinstance(value, dict):
        return {
            _clean_text(key, (*place, key), faults): _clean(part, (*place, key), faults) for key, part in value.items()
        }
    if isinstance(value, list):
        return [_clean(part, (*place, index), faults) for index, part in enumerate(value)]
    if isinstance(value, int) and not _SMALLEST <= value <= _LARGEST:
        _note(faults, place, "out_of_range", "is a whole number of more than 64 bits; send it as text")
        return 0
    return value


def _clean_text(text: str, place: tuple[str | int, ...], faults: list[Fault]) -> str:
    if text.isascii() and "\0" not in text:  # nearly always, and quick
        return text
    cleaned = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")
    if cleaned != text:
        _note(faults, place, "invalid_text", "contains NUL or half of a surrogate pair, which cannot be stored")
    return cleaned


def text_is_clean(text: str) -> bool:
    """Whether `text` can be stored: no NUL, no lone surrogates."""
    return not clean(text)[1]


def dump(document: Any) -> bytes:
    """The document as compact JSON text."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def kind(value: Any) -> str:
    """What a JSON value is, in the words of a message."""
    for python, word in _KINDS:
        if isinstance(value, python):
            return word
    return "null"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a boolean"),
    ((int, float), "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "an object"),
)


def _note(faults: list[Fault], place: tuple[str | int, ...], code: str, message: str) -> None:
    if len(faults) < FAULTS_SHOWN:
        path = pointer(*place).encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        faults.append(Fault(path, code, message))


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                shown = key[:100].encode("utf-8", "replace").decode()
                raise Unreadable(f"the key {shown!r} occurs twice in one object", code="duplicate_key")
            seen.add(key)
    return result


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise Unreadable(f"a number of {len(digits)} digits is more than can be meant")
    return int(digits)


def _fraction(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise Unreadable(f"the number {digits[:40]} is beyond what a double can hold")
    return value


def _constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON; leave the field out, or send null")


def _too_deep() -> Unreadable:
    return Unreadable(f"the body is nested more than {DEEPEST} levels deep")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_whole, parse_float=_fraction, parse_constant=_constant)
_LAST_WINS = json.JSONDecoder(parse_int=_whole, parse_float=_fraction, parse_constant=_constant)
