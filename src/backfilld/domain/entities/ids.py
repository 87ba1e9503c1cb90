"""What may be the id of an entity.

Ids are the user's own: they travel through URLs, logs, ledgers and idempotency keys, so whatever would be unreadable
or unstorable there is refused where an id comes in.
"""

import hashlib
import re
from dataclasses import dataclass

from backfilld.domain.entities.records import ENTITY_TYPES, NOT_ENUMERABLE

LONGEST_ID = 512  # characters; in UTF-8 still well below the 2,700 bytes that fit into an index of PostgreSQL

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# What nobody sees at the ends of a text: blanks of every kind, and characters without a width.
_INVISIBLE = r"[\s\u0085\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0]+"
_INVISIBLE_ENDS = re.compile(rf"\A{_INVISIBLE}|{_INVISIBLE}\Z")
_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]+", re.ASCII)
_DIGITS_OF_A_SPREADSHEET = 15  # it turns the digits behind them into zeros
ENUMERABLE_TYPES: tuple[str, ...] = tuple(name for name in ENTITY_TYPES if name != NOT_ENUMERABLE)


@dataclass(frozen=True, slots=True)
class NamedIds:
    """What can be told of a list of ids without reading it: how many, the digest of them all, and the first few."""

    count: int
    digest: str
    first: tuple[str, ...]


class IdsDigest:
    """SHA-256, in hex, of ids in their order, a line each: what `sha256sum` says of a file of them."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, lines: str) -> None:
        """The next of them, each with the end of its line."""
        self._digest.update(lines.encode())

    def text(self) -> str:
        """Of all that were added."""
        return self._digest.hexdigest()


def is_fit(text: str) -> bool:
    """True if `text` can be an id: 1 to LONGEST_ID characters, no control characters, no lone surrogates."""
    return 0 < len(text) <= LONGEST_ID and (text.isprintable() or not _UNFIT.search(text))


def why_unfit(text: str) -> str:
    """What is wrong with an id that is not fit, as the end of a sentence that begins with its field."""
    if not text:
        return "must not be empty"
    if len(text) > LONGEST_ID:
        return f"must have at most {LONGEST_ID} characters, not {len(text)}"
    return "must not contain control characters or lone surrogates"


def trimmed(text: str) -> str:
    """`text` without the blanks and the characters without a width at its ends."""
    if text.isascii():
        return text.strip()
    return _INVISIBLE_ENDS.sub("", text)


def looks_rounded(id: str) -> bool:
    """Whether an id reads as a spreadsheet writes a long number that it has rounded: `9.06E+17`."""
    return "E+" in id and _ROUNDED.fullmatch(id) is not None


def may_be_rounded(id: str) -> bool:
    """The same, or all digits behind the fifteenth are zeros; that alone may be chance."""
    if looks_rounded(id):
        return True
    return id.isdecimal() and len(id) > _DIGITS_OF_A_SPREADSHEET and not id[_DIGITS_OF_A_SPREADSHEET:].strip("0")
