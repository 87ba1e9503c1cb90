"""JSON from strangers: whatever can be read of it is read.

A target that says "failed" in a way that is not quite JSON has said it all the same. So byte order marks, other
encodings, broken characters, raw control characters, NaN and the like keep nobody from being understood; and what
claims to be JSON and cannot be read is told apart from what never did.
"""

import codecs
import json
import math
import re
from typing import Any

import orjson

from backfilld.domain.records import plain_record

_STARTS = (b"{", b"[")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Where the zeros stand in the first characters of JSON, which are ASCII (RFC 4627, section 3).
_ZEROS = {(0, 0, 0, 1): "utf-32-be", (1, 0, 0, 0): "utf-32-le", (0, 1): "utf-16-be", (1, 0): "utf-16-le"}
# Not encodings of text on the wire, or ones that take long to decode.
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7"})
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:+-]+)""", re.IGNORECASE)
_JSON_TYPE = re.compile(r"\s*[\w.+-]+/([\w.+-]+\+)?(json|jsonl|x-ndjson|json-seq|x-json)\s*(;|$)", re.IGNORECASE)
_MARKUP_TYPE = re.compile(r"\s*(text/html|[\w.-]+/([\w.-]+\+)?xml)\s*(;|$)", re.IGNORECASE)
_BLANK = " \t\r\n\0\x1e\ufeff"  # 0x1e begins each document of a JSON text sequence
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_DIGITS = 400
_BIGGEST = 2**64

NUMBERS = "numbers that are none, or beyond all bounds, are null"
CHARACTERS = "broken characters"
FOLLOWING = "what follows the JSON"


@plain_record
class Document:
    """What a body says. `value` is None if it holds no JSON.

    `is_broken`: it claims to be JSON, and cannot be read. `oddity` is what else was not to be read; `left_out` and
    `replaced` name what had to be left out, or replaced, for it to be read.
    """

    value: Any = None
    is_broken: bool = False
    oddity: str | None = None
    left_out: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()


NOTHING = Document()
BROKEN = Document(is_broken=True)


def document_in(body: bytes, content_type: str = "") -> Document:
    """The JSON that a whole body holds."""
    if not body:
        return NOTHING
    return well_formed(body) or _read(*decoded_text(body, content_type), content_type)


def well_formed(body: bytes) -> Document | None:
    """The JSON object or list that a body holds if it is strict JSON, as nearly all are; None: look more closely."""
    if not body.startswith(_STARTS):
        return None
    try:
        return Document(orjson.loads(body))
    except orjson.JSONDecodeError:
        return None


def claims_json(content_type: str) -> bool:
    """Whether a media type is one of JSON."""
    return _JSON_TYPE.match(content_type) is not None


def decoded_text(body: bytes, content_type: str = "") -> tuple[str, bool]:
    """A body as text, and whether all of its characters could be read.

    Its own marks decide, then whether it is UTF-8, then the charset that `content_type` declares.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return _decoded(body[len(mark) :], name)
    for width in (4, 2):
        name = _ZEROS.get(tuple(int(byte != 0) for byte in body[:width]), "")
        if name and body[:width].isascii():
            return _decoded(body, name)
    declared = _declared(content_type)
    names = (declared, "utf-8") if body.isascii() else ("utf-8", declared)
    for name in names:
        text, is_whole = _decoded(body, name)
        if is_whole:
            return text, True
    return _decoded(body, declared)


def _declared(content_type: str) -> str:
    named = _CHARSET.search(content_type)
    if named is None:
        return "utf-8"
    try:
        found = codecs.lookup(named.group(1))
    except (LookupError, ValueError):
        return "utf-8"
    fits = getattr(found, "_is_text_encoding", True) and found.name.replace("-", "_") not in _NO_CHARSETS
    return found.name if fits else "utf-8"


def _decoded(body: bytes, name: str) -> tuple[str, bool]:
    try:
        return body.decode(name), True
    except (UnicodeError, ValueError):
        return body.decode(name, errors="replace"), False


def _read(text: str, is_whole: bool, content_type: str) -> Document:
    text = text.strip(_BLANK)
    is_json = claims_json(content_type)
    if not is_json and not text.startswith(("{", "[")):
        return _unread(text, is_whole, content_type)
    reader = _Reader()
    found, rest = reader.last_of(text)
    if found is _NO_VALUE:
        return BROKEN if (is_json and text) or text.startswith("{") else NOTHING
    if rest.startswith("{"):
        return BROKEN  # what counts is the last of several, and that cannot be read
    replaced = [NUMBERS] if reader.has_odd_numbers else []
    if not is_whole or _LONE_SURROGATE.search(text) or "\\u" in text:
        try:
            found, mended = _mended(found)
        except RecursionError:
            return BROKEN
        replaced += [CHARACTERS] if mended or not is_whole else []
    return Document(found, left_out=(FOLLOWING,) if rest else (), replaced=tuple(replaced))


def _unread(text: str, is_whole: bool, content_type: str) -> Document:
    if text.startswith("<") or _MARKUP_TYPE.match(content_type):
        kind = content_type.partition(";")[0].strip().lower() if _MARKUP_TYPE.match(content_type) else "markup"
        return Document(oddity=f"the answer is a page ({kind}) and not JSON")
    return NOTHING if is_whole else Document(oddity="the answer is neither text nor JSON")


_NO_VALUE = object()


class _Reader:
    """Reads JSON that takes liberties, and remembers which."""

    def __init__(self) -> None:
        self.has_odd_numbers = False
        self._decoder = json.JSONDecoder(
            strict=False, parse_float=self._float, parse_int=self._int, parse_constant=self._constant
        )

    def last_of(self, text: str) -> tuple[Any, str]:
        """The last of the documents that follow each other in `text`, and what follows that and is none."""
        found: Any = _NO_VALUE
        while text:
            try:
                found, end = self._decoder.raw_decode(text)
            except (ValueError, RecursionError):
                break
            text = text[end:].lstrip(_BLANK)
        return found, text

    def _float(self, digits: str) -> float | None:
        number = float(digits)
        if math.isfinite(number):
            return number
        self.has_odd_numbers = True
        return None

    def _int(self, digits: str) -> int | float | None:
        if len(digits) > _MOST_DIGITS:
            return self._float(digits)
        number = int(digits)
        return number if -_BIGGEST // 2 <= number < _BIGGEST else self._float(digits)

    def _constant(self, _: str) -> Any:
        self.has_odd_numbers = True
        return None


def _mended(value: Any) -> tuple[Any, bool]:
    """The value with half surrogate pairs replaced, and whether there was any."""
    if isinstance(value, str):
        return (value, False) if value.isascii() else _joined(value)
    if isinstance(value, dict):
        pairs = [(_mended(key), _mended(inner)) for key, inner in value.items()]
        return {key: inner for (key, _), (inner, _) in pairs}, any(one or other for (_, one), (_, other) in pairs)
    if isinstance(value, list):
        items = [_mended(inner) for inner in value]
        return [inner for inner, _ in items], any(mended for _, mended in items)
    return value, False


def _joined(text: str) -> tuple[str, bool]:
    if not _LONE_SURROGATE.search(text):
        return text, False
    return _LONE_SURROGATE.sub("\ufffd", text), True
