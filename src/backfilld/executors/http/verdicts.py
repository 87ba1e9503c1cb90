"""What an answer of a target means for the item.

The status code decides; only a 2xx is read for more.
"""

import re
from datetime import datetime
from http import HTTPStatus

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, cut_text, without_controls
from backfilld.executors.answers.answer_document import BAD_ANSWER, error_in, kept_text, meaning_of, plain_success
from backfilld.executors.answers.hiding import NOTHING_HIDDEN, Hiding
from backfilld.executors.http.bodies import document_of, text_of
from backfilld.executors.http.retry_after import retry_after_seconds
from backfilld.executors.http.wire.response_parser import Answer, Headers

SHOWN_OF_AN_ERROR_BYTES = 500

_UNREACHABLE = frozenset({502, 503, 504})
_REFUSED = frozenset({401, 402, 403, 405, 407})
_ABOUT_KEY = frozenset({409, 423, 425})  # also while another request under the same key is under way
_TRY_AGAIN = frozenset({408, 425})  # "send it again", says the target
_REDIRECTS = frozenset({300, 301, 302, 303, 307, 308})  # the others of 3xx lead nowhere
_BLANKS = re.compile(r"\s+")


def failure_of(answer: Answer, now: datetime, hide: Hiding = NOTHING_HIDDEN) -> Verdict:
    """What any answer but a 2xx means. `hide` takes our secrets out of texts that a target sent back."""
    kind, error_class = _class_of(answer.status)
    is_about_key = answer.status in _ABOUT_KEY
    asks_wait = kind is not VerdictKind.FAILED or is_about_key
    retry_after = retry_after_seconds(answer.headers, now) if asks_wait else None
    return Verdict(
        kind,
        error_class=error_class,
        error=_error_text(answer, hide),
        http_status=answer.status,
        retry_after_seconds=retry_after,
        is_about_key=is_about_key,
    )


def _class_of(status: int) -> tuple[VerdictKind, str]:
    """What a status says, of the target or of the item, and its error class (docs/executors.md)."""
    error_class = f"http_{status}"
    if status in _UNREACHABLE:
        return VerdictKind.UNREACHABLE, error_class
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return VerdictKind.THROTTLED, error_class
    if status in _REFUSED:
        return VerdictKind.REFUSED, error_class
    if status in _TRY_AGAIN or 500 <= status < 600:
        return VerdictKind.TRY_AGAIN, error_class
    if status in _REDIRECTS:
        return VerdictKind.FAILED, "redirect_not_followed"
    if 300 <= status < 500:
        return VerdictKind.FAILED, error_class
    return VerdictKind.TRY_AGAIN, BAD_ANSWER


def _error_text(answer: Answer, hide: Hiding) -> str:
    phrase = _phrase_of(answer.status)
    if answer.status in _REDIRECTS and (location := answer.headers.get("Location")):
        text = f"{phrase}: the target redirects to {location}; put that URL into the workflow"
        return kept_text(text, MESSAGE_BYTES, hide)
    return told(answer, hide)


def told(answer: Answer, hide: Hiding = NOTHING_HIDDEN) -> str:
    """`HTTP 404 Not Found: no such ticket`."""
    phrase, said = _phrase_of(answer.status), quoted(answer, hide)
    return f"{phrase}: {said}" if said else phrase


def _phrase_of(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def quoted(answer: Answer, hide: Hiding = NOTHING_HIDDEN) -> str:
    """What an answer says, in one short line: its sentence if it is an error document, else its beginning."""
    if not answer.body:
        return ""
    said = error_in(document_of(answer).value)
    if said is None:
        said = text_of(answer, hide)
    line = _BLANKS.sub(" ", without_controls(said)).strip()
    return cut_text(hide(line), SHOWN_OF_AN_ERROR_BYTES)


def success_of(answer: Answer, hide: Hiding = NOTHING_HIDDEN) -> Verdict:
    """What a 2xx means: what its body says, else a plain success."""
    if not answer.body:
        return plain_success(answer.status)
    return meaning_of(document_of(answer), answer.status, hide)


def is_success(status: int) -> bool:
    """2xx."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def asked_wait(headers: Headers, now: datetime) -> float:
    """For how long an answer asks us to wait; 0 if it does not."""
    return retry_after_seconds(headers, now) or 0.0
