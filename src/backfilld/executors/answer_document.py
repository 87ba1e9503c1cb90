"""What a target that was content says in its document, whichever way it says it.

A document is taken at its word if it is a JSON object whose `status` is one of our three words. Anything else is a
plain success: most targets were not made for us.
"""

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import orjson

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, RESULT_BYTES, bounded_json, clean_text, cut_text

MOST_CREDITS = 1e12
_WORDS = {
    "succeeded": VerdictKind.SUCCEEDED,
    "skipped": VerdictKind.SKIPPED,
    "failed": VerdictKind.FAILED,
}


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


def json_of(body: bytes | None) -> object:
    """The JSON object or list that a body is; None if it is anything else."""
    if not body or body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
