"""What came back from an API, and what it means.

Whatever goes wrong is one of few things: nobody is there now, we may not ask now, our credentials are taken for
nothing, or what we ask makes no sense there. Each has its exception, and each exception says where and what.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from backfilld.domain.texts import clean_text
from backfilld.sources.base import SourceBroken, SourceRefused, SourceUnreachable

QUOTED = 300
_MARKUP = re.compile(r"<[^<>]*>")
_BLANKS = re.compile(r"\s+")

Hide = Callable[[str], str]


class Unreachable(SourceUnreachable):
    """Nobody answers, or nobody who makes sense. `is_slow`: a smaller page may do."""

    def __init__(self, message: str, *, is_slow: bool = False) -> None:
        super().__init__(message)
        self.is_slow = is_slow


class Throttled(SourceUnreachable):
    """We asked too often (`endpoint_only`: too many at once of one endpoint)."""

    def __init__(self, message: str, *, seconds: float | None, endpoint_only: bool = False) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.endpoint_only = endpoint_only


class NotUnderstood(SourceBroken):
    """The API refuses what it was asked (400, 404 and their like): a filter of ours may be what it cannot read."""


class NotThere(NotUnderstood):
    """404."""


class TooLarge(SourceBroken):
    """The answer is longer than what is read of one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, read to its end. Header names are lower case; of several with one name all values, joined.

    `where`: as messages name what was asked.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    where: str = "the API"

    def document(self) -> Any:
        """Its JSON. Unreachable if it is none: a page of some proxy says nothing about records."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            kind = self.headers.get("content-type", "no content type").partition(";")[0]
            raise Unreachable(f"{self.where} answers {self.status} with what is not JSON ({kind})") from None

    def require_whole_numbers(self) -> None:
        """SourceBroken for one beyond 64 bits: it was read as a double, without a word."""
        json.loads(self.body, parse_int=self._require_exact)

    def _require_exact(self, digits: str) -> int:
        number = int(digits) if len(digits) < 30 else 1 << 65
        if not -(1 << 63) <= number < 1 << 64:
            raise SourceBroken(f"{self.where} gives {digits[:30]}, a whole number of more than 64 bits")
        return number


def quoted(answer: Answer, hide: Hide) -> str:
    """What an answer says, short, clean and without secrets; empty if it says nothing."""
    text = answer.body[: 64 * QUOTED].decode(errors="replace")
    text = _BLANKS.sub(" ", _MARKUP.sub(" ", text)).strip()
    said = clean_text(hide(text), QUOTED)
    return f": {said}" if said and said != "null" else ""


def meaning_of(answer: Answer, where: str, hide: Hide, retry_after: float | None) -> Exception | None:
    """By its status alone; None: it is well."""
    status = answer.status
    if 200 <= status < 300:
        return None
    told = f"{where} answers {status}{quoted(answer, hide)}"
    if status == 429:
        return Throttled(told, seconds=retry_after)
    if status in (401, 402, 403):
        return SourceRefused(told)
    if 300 <= status < 400:
        return SourceBroken(f"{where} answers {status}, a redirect, which is never followed; mend the address")
    if status == 404:
        return NotThere(told)
    if status >= 500 or status in (408, 425):
        return Unreachable(told)
    return NotUnderstood(told)


def inside(document: Any, path: tuple[str, ...]) -> Any:
    """What a path leads to; None if it leads nowhere."""
    for name in path:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document
