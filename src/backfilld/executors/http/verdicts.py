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
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import Any

import orjson

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, RESULT_BYTES, bounded_json, clean_text, cut_text
from backfilld.executors.http.client import Answer

LONGEST_RETRY_AFTER_SECONDS = 86_400.0
MOST_CREDITS = 1e12
SHOWN_OF_AN_ERROR_BYTES = 500
MOST_DECOMPRESSED_BYTES = 1 << 20

_UNREACHABLE = frozenset({502, 503, 504})
_REFUSED = frozenset({401, 402, 403, 405, 407})
_TRY_AGAIN = frozenset({408, 425})  # "send it again", says the target
_WORDS = {
    "succeeded": VerdictKind.SUCCEEDED,
    "skipped": VerdictKind.SKIPPED,
    "failed": VerdictKind.FAILED,
}
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


def meaning_of(document: object, http_status: int | None, hide: Callable[[str], str] = str) -> Verdict:
    """What a target that was content says in its document, if it says anything: else a plain success."""
    if not isinstance(document, dict):
        return plain_success(http_status)
    status = document.get("status")
    if not isinstance(status, str):
        return plain_success(http_status)
    if status not in _WORDS:
        return noted_success(hide(f"the target's status is '{status[:100]}'"), http_status)
    return said_verdict(document, http_status, hide)


@cache  # the usual end of a try: one object per status
def plain_success(http_status: int | None) -> Verdict:
    """Nothing to add to it."""
    return Verdict(VerdictKind.SUCCEEDED, http_status=http_status)


def noted_success(oddity: str, http_status: int | None) -> Verdict:
    """So that nobody has to wonder later why it was counted as a success."""
    note = clean_text(f"{oddity}; counted as a success", MESSAGE_BYTES)
    return Verdict(VerdictKind.SUCCEEDED, message=note, http_status=http_status)


def said_status(document: object) -> str | None:
    """The final status that a JSON document names, if it does."""
    status = document.get("status") if isinstance(document, dict) else None
    return status if isinstance(status, str) and status in _WORDS else None


def said_verdict(document: Mapping[str, Any], http_status: int | None, hide: Callable[[str], str] = str) -> Verdict:
    """The verdict that a document with a final status spells out; fields that are of no use are left out and noted."""
    kind = _WORDS[document["status"]]
    notes: list[str] = []
    message = _message(document.get("message"), hide, notes)
    result = _result(document.get("result"), notes)
    amount = _credits(document.get("credits"), notes)
    text = _with_notes(message, notes)
    result = hide(result) if result is not None else None
    if kind is not VerdictKind.FAILED:
        return Verdict(kind, message=text, result=result, credits=amount, http_status=http_status)
    return Verdict(
        kind,
        message=text,
        result=result,
        credits=amount,
        error_class="target_failed",
        error=text or "the target says that it failed",
        http_status=http_status,
    )


def _message(value: object, hide: Callable[[str], str], notes: list[str]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        notes.append("message is not text")
        return ""
    return clean_text(hide(value), MESSAGE_BYTES)


def _result(value: object, notes: list[str]) -> str | None:
    if value is None:
        return None
    text = bounded_json(value, RESULT_BYTES)
    if text is None:
        notes.append(f"result is longer than {RESULT_BYTES} bytes")
    return text


def _credits(value: object, notes: list[str]) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        notes.append("credits is not a number")
        return None
    if not 0 <= value <= MOST_CREDITS:
        notes.append("credits is out of range")
        return None
    return Decimal(str(value))


def _with_notes(message: str, notes: list[str]) -> str | None:
    if not notes:
        return message or None
    note = f"[left out: {', '.join(notes)}]"
    if not message:
        return note
    return f"{cut_text(message, MESSAGE_BYTES - len(note) - 1)} {note}"


def document_of(answer: Answer) -> object:
    """The JSON in the body; None if it is none, or was too long to be read."""
    return json_of(decoded_body(answer)) if answer.complete else None


def json_of(body: bytes | None) -> object:
    """The JSON object or list that a body is; None if it is anything else."""
    if not body or body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


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
