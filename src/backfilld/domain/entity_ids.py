"""What may be the id of an entity.

Ids are the user's own: they travel through URLs, logs, ledgers and idempotency keys, so whatever would be unreadable
or unstorable there is refused where an id comes in.
"""

import re

from backfilld.domain.entities import ENTITY_TYPES, NOT_ENUMERABLE

LONGEST_ID = 512  # characters; in UTF-8 still well below the 2,700 bytes that fit into an index of PostgreSQL

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
ENUMERABLE_TYPES: tuple[str, ...] = tuple(name for name in ENTITY_TYPES if name != NOT_ENUMERABLE)


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
