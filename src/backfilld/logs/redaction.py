"""Keeps secrets out of log lines: by the name of the key, and by the look of the value."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

GONE = "[redacted]"
SECRET_KEY = re.compile(r"secret|token|password|passwd|authorization|cookie|dsn|api_?key|credential", re.IGNORECASE)
_LOOKS = (
    (re.compile(r"\b(neo_sk_[a-z0-9]+_)[\w\-]+"), rf"\1{GONE}"),
    (re.compile(r"\b(Bearer|Basic|TD1) +[\w\-.~+/=]+", re.IGNORECASE), rf"\1 {GONE}"),
    (re.compile(r"\beyJ[\w\-]+\.[\w\-]+\.[\w\-]*"), GONE),  # a JWT
    (
        re.compile(r"((?:password|passwd|secret|api_?key)['\"]?\s*[:=]\s*['\"]?)[^\s'\",}]+", re.IGNORECASE),
        rf"\1{GONE}",
    ),
    (re.compile(r"(\w+://[^\s/:@]*):[^\s/@]+@"), rf"\1:{GONE}@"),  # the password in a URL
)
DEEPEST = 8


def redact(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor. Keys that begin with `_` belong to the machinery and pass."""
    return {key: value if key.startswith("_") else _clean(key, value, 0) for key, value in line.items()}


def without_secrets(text: str) -> str:
    """`text` with everything that looks like a secret blotted out."""
    for look, instead in _LOOKS:
        text = look.sub(instead, text)
    return text


def _clean(key: str, value: Any, depth: int) -> Any:
    if isinstance(value, bool | int | float | None):
        return value
    if SECRET_KEY.search(key):
        return GONE
    if isinstance(value, str):
        return without_secrets(value)
    if depth >= DEEPEST:
        return GONE
    if isinstance(value, Mapping):
        return {str(inner): _clean(str(inner), content, depth + 1) for inner, content in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", content, depth + 1) for content in value]
    return without_secrets(str(value))
