"""By what a target that is asked says that it is done.

Whoever was made for us names one of our three words in `status`. Others have words and places of their own, say it by
the status code alone, or by leading to the result; the usual ways of the field are understood without a setting.
"""

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.filters.paths import parse_path
from backfilld.domain.texts import MESSAGE_BYTES
from backfilld.executors.answers.answer_document import NO_REASON, WORDS, kept_text, said_status, said_verdict
from backfilld.executors.answers.documents import Document
from backfilld.executors.answers.hiding import Hiding
from backfilld.executors.definitions.http import Poll
from backfilld.executors.http.verdicts import is_success, told
from backfilld.executors.http.wire.response_parser import Answer

USUAL = {
    VerdictKind.SUCCEEDED: ("succeeded", "success", "completed", "complete", "done"),
    VerdictKind.FAILED: ("failed", "failure", "error", "canceled", "cancelled"),
    VerdictKind.SKIPPED: ("skipped",),
}
USUAL_PATH = "status"


class PollWords:
    """Reads the answers of one target."""

    def __init__(self, poll: Poll, hide: Hiding) -> None:
        self._hide = hide
        self._done_on = poll.done_on
        self._knows_ours = poll.status is None
        self._status = parse_path(poll.status or USUAL_PATH)
        self._message = None if poll.message is None else parse_path(poll.message)
        own = {
            VerdictKind.SUCCEEDED: poll.succeeded,
            VerdictKind.FAILED: poll.failed,
            VerdictKind.SKIPPED: poll.skipped,
            VerdictKind.TRY_AGAIN: poll.try_again,
        }
        self._own = {word.casefold(): kind for kind, words in own.items() for word in words or ()}
        usual = {word: kind for kind, words in USUAL.items() if own[kind] is None for word in words}
        usual = {word: kind for word, kind in usual.items() if word not in self._own}
        self._words = (WORDS if self._knows_ours else {}) | usual | self._own

    def end_of_start(self, answer: Answer, document: Document, *, may_ask: bool) -> Verdict | None:
        """The end, if a target says that it was done at once. A mere "success" with a place to ask may mean that it
        has accepted the item."""
        if self._knows_ours and said_status(document) is not None:
            return said_verdict(document, answer.status, self._hide)
        words = self._own if may_ask or answer.status == HTTPStatus.ACCEPTED else self._words
        return self._by_word(answer, document, words)

    def end_of_question(self, answer: Answer, document: Document) -> Verdict | None:
        """The end, if the answer to a question says so; None: still at it."""
        if answer.status == HTTPStatus.SEE_OTHER:
            return self._quoted(answer, f"the result is at {answer.headers.get('Location', 'another place')}")
        if not is_success(answer.status):
            return None
        ended = self._by_word(answer, document, self._words)
        if ended is not None or document.is_broken:
            return ended
        if answer.status == HTTPStatus.NO_CONTENT and self._done_on != "status":
            return self._quoted(answer)
        if self._done_on == "not_202" and answer.status != HTTPStatus.ACCEPTED:
            return self._quoted(answer)
        return None

    def _by_word(self, answer: Answer, document: Document, words: dict[str, VerdictKind]) -> Verdict | None:
        value = document.value
        if not isinstance(value, dict):
            return None
        said = (words.get(_text(one).casefold()) for one in _found(value, self._status))
        kind = next((kind for kind in said if kind is not None), None)
        if kind is None:
            return None
        again = kind is VerdictKind.TRY_AGAIN
        found = self._told(answer, document, VerdictKind.FAILED if again else kind)
        return replace(found, kind=kind) if again else found

    def _told(self, answer: Answer, document: Document, kind: VerdictKind) -> Verdict:
        found = said_verdict(document, answer.status, self._hide, kind=kind)
        told_why = () if self._message is None else _found(document.value, self._message)
        message = next((one for one in told_why if one is not None), None)
        if message is not None:
            return _saying(found, kept_text(_text(message), MESSAGE_BYTES, self._hide))
        is_ours = self._knows_ours and said_status(document) is not None
        if found.message is None and (not is_ours or found.error == NO_REASON):
            return _saying(found, told(answer, self._hide))
        return found

    def _quoted(self, answer: Answer, what: str = "") -> Verdict:
        """A success that says no word of its own: what was answered stands in its message."""
        said = f"{told(answer, self._hide)}{'; ' if what else ''}{what}"
        message = kept_text(said, MESSAGE_BYTES, self._hide)
        return Verdict(VerdictKind.SUCCEEDED, message=message, http_status=answer.status)


def _saying(verdict: Verdict, text: str) -> Verdict:
    """The same end, told in the target's words."""
    if verdict.kind is not VerdictKind.FAILED:
        return replace(verdict, message=text)
    told = verdict.message is not None or verdict.error == NO_REASON
    return replace(verdict, message=text, error=text if told else verdict.error)


def _found(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """What stands at the end of a path; through a list it leads to all of its members."""
    if isinstance(value, list):
        for member in value:
            yield from _found(member, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        yield from _found(value.get(path[0]), path[1:])


def _text(value: Any) -> str:
    """A value as it is compared with words: text as it is, `true`, `17`."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
