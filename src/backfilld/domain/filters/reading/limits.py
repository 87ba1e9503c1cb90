"""How large a filter may be, and which texts may stand in it.

Looked at before anything else reads the filter, so that the reader may recurse, and may put whatever it
finds into a message.
"""

import json
from typing import Any, Final

from backfilld.domain.errors import Fault, pointer

MOST_DEPTH: Final = 8  # groups within groups, the outermost counted
MOST_RULES: Final = 250
MOST_TEXT_BYTES: Final = 1024
MOST_SPEC_BYTES: Final = 32 * 1024
MOST_NESTING: Final = 2 * MOST_DEPTH + 8  # a group is an object and a list; some room, to say better what is wrong
TOO_LARGE: Final = "filter_too_large"
_REPLACED: Final = "\ufffd"


def oversize(spec: object, path: str, most_bytes: int | None) -> Fault | None:
    """What is wrong with the size of the whole, if anything is."""
    if _nested_deeper_than(MOST_NESTING, spec):
        return Fault(path, TOO_LARGE, f"is nested too deeply; groups may be {MOST_DEPTH} deep")
    if most_bytes is None:
        return None
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), default=str)
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > most_bytes:
        return Fault(path, TOO_LARGE, f"is {size:,} bytes as JSON; at most {most_bytes:,}")
    return None


def _nested_deeper_than(most: int, spec: object) -> bool:
    level: list[Any] = [spec]
    for _ in range(most + 1):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return True


def _children(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def cleaned(value: Any, path: str, faults: list[Fault]) -> Any:
    """The same value with nothing in its texts that cannot be stored or shown; `faults` grows by what was found.

    Needs a value that is not `oversize`.
    """
    if isinstance(value, str):
        return _cleaned_text(value, path, faults)
    if isinstance(value, list):
        return [cleaned(item, path + pointer(n), faults) for n, item in enumerate(value)]
    if isinstance(value, dict):
        return {
            (name := _cleaned_text(str(key), path, faults, "a key")): cleaned(item, path + pointer(name), faults)
            for key, item in value.items()
        }
    return value


def _cleaned_text(text: str, path: str, faults: list[Fault], what: str = "the text") -> str:
    clean = "".join(_REPLACED if letter == "\0" or "\ud800" <= letter <= "\udfff" else letter for letter in text)
    if clean != text:
        faults.append(Fault(path, "invalid_text", f"{what} holds a NUL or half of a surrogate pair: {excerpt(clean)}"))
    size = len(clean.encode())
    if size > MOST_TEXT_BYTES:
        message = f"{what} is {size:,} bytes in UTF-8; at most {MOST_TEXT_BYTES:,}: {excerpt(clean)}"
        faults.append(Fault(path, TOO_LARGE, message))
    return clean


def excerpt(text: str, most: int = 40) -> str:
    """A text in quotes, shortened for a message."""
    return f"'{text}'" if len(text) <= most else f"'{text[:most]}…'"
