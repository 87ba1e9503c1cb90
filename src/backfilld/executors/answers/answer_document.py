"""What it means for an item what a target, or a program, says of it in a document.

It is taken at its word if the document is a JSON object whose `status` is one of our three words. Anything else from
somebody who was content is a plain success: most targets were not made for us.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import orjson

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, RESULT_BYTES, bounded_json, cut_text, without_controls
from backfilld.executors.answers.documents import Document
from backfilld.executors.answers.hiding import NOTHING_HIDDEN, Hiding
from backfilld.executors.definitions.parts import MOST_CREDITS

BAD_ANSWER = "bad_answer"
NO_REASON = "the target says that it failed"

WORDS = {
    "succeeded": VerdictKind.SUCCEEDED,
    "skipped": VerdictKind.SKIPPED,
    "failed": VerdictKind.FAILED,
}
_ERROR_KEYS = ("message", "error", "detail", "title", "error_description")
_SHOWN_OF_A_STATUS = 100


def kept_text(text: str, most_bytes: int, hide: Hiding = NOTHING_HIDDEN) -> str:
    """A stranger's text as the ledger keeps it: cleaned, without secrets, and cut; in this order."""
    return cut_text(hide(without_controls(text)), most_bytes)


def meaning_of(document: Document, http_status: int | None, hide: Hiding = NOTHING_HIDDEN) -> Verdict:
    """What a target that was content says in its document, if it says anything: else a plain success."""
    value = document.value
    if document.is_broken:
        return bad_answer("the answer claims to be JSON and cannot be read", http_status)
    if document.oddity is not None:
        return noted_success(hide(document.oddity), http_status)
    if not isinstance(value, dict):
        return plain_success(http_status)
    status = value.get("status")
    if not isinstance(status, str):
        return plain_success(http_status)
    if status not in WORDS:
        shown = kept_text(status, _SHOWN_OF_A_STATUS, hide)
        return noted_success(f"the target's status is '{shown}'", http_status)
    return said_verdict(document, http_status, hide)


@cache  # the usual end of a try: one object per status
def plain_success(http_status: int | None) -> Verdict:
    """Nothing to add to it."""
    return Verdict(VerdictKind.SUCCEEDED, http_status=http_status)


def noted_success(oddity: str, http_status: int | None) -> Verdict:
    """So that nobody has to wonder later why it was counted as a success."""
    note = kept_text(f"{oddity}; counted as a success", MESSAGE_BYTES)
    return Verdict(VerdictKind.SUCCEEDED, message=note, http_status=http_status)


def bad_answer(error: str, http_status: int | None = None) -> Verdict:
    """Something was said, and cannot be understood: nobody knows what became of the item."""
    return Verdict(VerdictKind.TRY_AGAIN, error_class=BAD_ANSWER, error=error, http_status=http_status)


def said_status(document: Document) -> VerdictKind | None:
    """The end that a document names in our own words, if it does."""
    status = document.value.get("status") if isinstance(document.value, dict) else None
    return WORDS.get(status) if isinstance(status, str) else None


def said_verdict(
    document: Document, http_status: int | None, hide: Hiding = NOTHING_HIDDEN, *, kind: VerdictKind | None = None
) -> Verdict:
    """The verdict that a document spells out; fields that are of no use are left out and noted.

    `kind`: the end that it names, where that is not said in our own words.
    """
    value: Mapping[str, Any] = document.value
    ends_as = kind or WORDS[value["status"]]
    notes = list(document.left_out)
    message = _message(value.get("message"), hide, notes)
    result = _result(value.get("result"), hide, notes)
    amount = _credits(value.get("credits"), notes)
    text = _with_notes(message, notes, document.replaced)
    found = Verdict(ends_as, message=text, result=result, credits=amount, http_status=http_status)
    if ends_as is not VerdictKind.FAILED:
        return found
    error = text if message else _with_notes(_reason(value, hide), notes, document.replaced)
    return replace(found, error_class="target_failed", error=error or NO_REASON)


def error_in(document: object) -> str | None:
    """The sentence in an error document of the usual kinds (`{"error": {"message"}}`, problem+json, …)."""
    for key in _ERROR_KEYS:
        value = document.get(key) if isinstance(document, dict) else None
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value:
            return value
    return None


def _reason(value: Mapping[str, Any], hide: Hiding) -> str:
    return kept_text(error_in(value) or "", MESSAGE_BYTES, hide)


def _message(value: object, hide: Hiding, notes: list[str]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        notes.append("message is not text")
        return ""
    return kept_text(value, MESSAGE_BYTES, hide)


def _result(value: object, hide: Hiding, notes: list[str]) -> str | None:
    if value is None:
        return None
    text = bounded_json(value, RESULT_BYTES)
    if text is None:
        notes.append(f"result is longer than {RESULT_BYTES} bytes")
    return hide.in_json(text, lambda hidden: orjson.dumps(hidden).decode())


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


def _with_notes(message: str, left_out: list[str], replaced: tuple[str, ...]) -> str | None:
    told = [f"left out: {', '.join(left_out)}"] if left_out else []
    told += [f"replaced: {', '.join(replaced)}"] if replaced else []
    if not told:
        return message or None
    note = f"[{'; '.join(told)}]"
    if not message:
        return note
    return f"{cut_text(message, MESSAGE_BYTES - len(note) - 1)} {note}"
