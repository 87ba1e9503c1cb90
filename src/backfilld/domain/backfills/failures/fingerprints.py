"""Which failures are the same: their class, and their message without what differs from one to the next.

Ids, numbers, times and quoted values are gaps. What is longer than anybody reads is not looked at. A fingerprint begins
with the version of these rules, so that better ones do not reshuffle what was grouped before.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from itertools import zip_longest

VERSION = 1
BYTES = 8
LOOKED_AT = 600  # characters of a message
GAP = "‹…›"
_NULL = "\0"

# The order matters: what is a whole of its own first, then any word that holds a digit. A rule each for hex and for
# numbers would tell ids apart by their length.
_VARYING = re.compile(
    r"""
      (?P<kept>\bHTTP\ \d{3}\b)
    | \b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b
    | (?<![\w.+-])[a-zA-Z][a-zA-Z0-9+.-]{1,15}://[^\s"'<>]+
    | (?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}
    | \b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?
    | "[^"\n]{1,80}" | (?<!\w)'[^'\n]{1,80}'(?!\w) | `[^`\n]{1,80}` | “[^”\n]{1,80}” | ‘[^’\n]{1,80}’ | «[^»\n]{1,80}»
    | (?<![\w.:/-])(?=[\w.:/-]*\d)[\w.:/-]+
    """,
    re.VERBOSE,
)


def fingerprint(error_class: str | None, message: str | None) -> bytes:
    """The same for failures of one group: a byte of version, and eight more."""
    text = f"{error_class or ''}{_NULL}{normalised(message or '')}"
    return bytes([VERSION]) + blake2b(text.encode(errors="replace"), digest_size=BYTES).digest()


def normalised(message: str) -> str:
    """`message` with a gap for each part that varies."""
    return GAP.join(_pieces(message)[0])


def common_text(messages: Sequence[str]) -> str:
    """The first of some messages of a group, with gaps only where they differ from each other."""
    if not messages:
        return ""
    texts, values = _pieces(messages[0])
    others = [_pieces(message)[1] for message in messages[1:]]
    told = [
        value if all(place < len(other) and other[place] == value for other in others) else GAP
        for place, value in enumerate(values)
    ]
    return "".join(text + gap for text, gap in zip_longest(texts, told, fillvalue=""))


def _pieces(message: str) -> tuple[list[str], list[str]]:
    """What stays, and what stands between: the first are one more than the second. White space is folded."""
    text = " ".join(message[: LOOKED_AT * 2].split())[:LOOKED_AT]
    stays, varies, since = [""], [], 0
    for found in _VARYING.finditer(text):
        stays[-1] += text[since : found.start()]
        since = found.end()
        if found["kept"]:
            stays[-1] += found[0]
        else:
            varies.append(found[0])
            stays.append("")
    stays[-1] += text[since:]
    return stays, varies
