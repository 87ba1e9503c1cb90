"""What an answer of a target means for the item.

The status code decides; only a 2xx is read for more. A body is taken at its word if it is a JSON object whose
`status` is one of our three words, whatever its content type says. Anything else with a 2xx is a plain success: most
targets were not made for us.
"""

import math
import re
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, clean_text, cut_text
from backfilld.executors.answer_document import json_of, meaning_of, noted_success, plain_success
from backfilld.executors.http.client import Answer

LONGEST_RETRY_AFTER_SECONDS = 86_400.0
SHOWN_OF_AN_ERROR_BYTES = 500
MOST_DECOMPRESSED_BYTES = 1 << 20

_UNREACHABLE = frozenset({502, 503, 504})
_REFUSED = frozenset({401, 402, 403, 405, 407})
_TRY_AGAIN = frozenset({408, 425})  # "send it again", says the target
_ERROR_KEYS = ("message", "error", "detail", "title", "error_description")
_BLANKS = re.compile(r"\s+")


def failure_of(answer: Answer, now: datetime, hide: Callable[[str], str] = str) -> Verdict:
    """What any answer but a 2xx means. `hide` takes our secrets out of texts that a target sent back."""
    kind, error_class = _class_of(answer.status)
    error = clean_text(hide(_error_text(answer)), MESSAGE_BYTES)
    retry_after = None if kind is VerdictKind.FAILED else retry_after_seconds(answer.headers, now)
    return Verdict(
        kind, error_class=error_class, error=error, http_status=answer.status, retry_after_seconds=retry_after
    )


def _class_of(status: int) -> tuple[VerdictKind, str]:
    """DESIGN §3.3, failures of a target."""
    error_class = f"http_{status}"
    if status in _UNREACHABLE:
        return VerdictKind.UNREACHABLE, error_class
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return VerdictKind.THROTTLED, error_class
    if status in _REFUSED:
        return VerdictKind.REFUSED, error_class
    if status in _TRY_AGAIN or 500 <= status < 600:
        return VerdictKind.TRY_AGAIN, error_class
    if 300 <= status < 400:
        return VerdictKind.FAILED, "redirect_not_followed"
    if 400 <= status < 500:
        return VerdictKind.FAILED, error_class
    return VerdictKind.TRY_AGAIN, "bad_answer"


def _error_text(answer: Answer) -> str:
    try:
        phrase = f"HTTP {answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        phrase = f"HTTP {answer.status}"
    if 300 <= answer.status < 400 and (location := answer.headers.get("Location")):
        return f"{phrase}: the target redirects to {location}; put that URL into the workflow"
    body = decoded_body(answer)
    document = json_of(body)
    said = _said(document) if isinstance(document, dict) else None
    if said is None and body is not None:
        said = body[: SHOWN_OF_AN_ERROR_BYTES * 4].decode(errors="replace")
    said = cut_text(_BLANKS.sub(" ", said or "").strip(), SHOWN_OF_AN_ERROR_BYTES)
    return f"{phrase}: {said}" if said else phrase


def _said(document: Mapping[str, Any]) -> str | None:
    """The sentence in an error document of the usual kinds (`{"error": {"message"}}`, problem+json, …)."""
    for key in _ERROR_KEYS:
        value = document.get(key)
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value:
            return value
    return None


def success_of(answer: Answer, hide: Callable[[str], str] = str) -> Verdict:
    """What a 2xx means: what its body says, else a plain success."""
    if not answer.complete:
        return noted_success("the answer is too long to be read", answer.status)
    if not answer.body:
        return plain_success(answer.status)
    return meaning_of(document_of(answer), answer.status, hide)


def document_of(answer: Answer) -> object:
    """The JSON in the body; None if it is none, or was too long to be read."""
    return json_of(decoded_body(answer)) if answer.complete else None


def decoded_body(answer: Answer) -> bytes | None:
    """The body without its content encoding; None if that is unknown. We ask for none, but some compress anyway."""
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return answer.body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return None
    try:
        decompressor = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either header
        body = decompressor.decompress(answer.body, MOST_DECOMPRESSED_BYTES)
    except zlib.error:
        return None
    return body if decompressor.eof else None


def text_of(answer: Answer) -> str:
    """The body as people read it, as far as it was read."""
    body = decoded_body(answer)
    if body is None:
        return "(the answer is compressed, and was not read to its end)"
    return body.decode(errors="replace") + ("" if answer.complete else "\n… the rest was not read")


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """What `Retry-After` asks for, as seconds from `now`, at most a day; None if it is absent or makes no sense."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]) if len(text) <= 10 else math.inf, LONGEST_RETRY_AFTER_SECONDS)
    if not text:
        return None
    try:
        until = parsedate_to_datetime(text)
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        seconds = (until - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
