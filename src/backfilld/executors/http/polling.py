"""Waiting for a target that answers "accepted" and does the work later.

The slot stays taken until the target says that it is done, or the try's time is over. Asking is not starting: it needs
no permit, goes on while the gate is closed, and a question that fails is simply asked again. What the target was given
to do is not lost by that: the next try comes under the same key.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from http import HTTPStatus
from urllib.parse import quote, urljoin

from yarl import URL

from backfilld.clock import Clock
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.executors.answers.answer_document import BAD_ANSWER, bad_answer
from backfilld.executors.answers.documents import Document
from backfilld.executors.answers.hiding import Hiding
from backfilld.executors.base import Work
from backfilld.executors.definitions.http import Poll
from backfilld.executors.http.bodies import document_of
from backfilld.executors.http.client import Answer
from backfilld.executors.http.failures import TargetFailure, failed
from backfilld.executors.http.poll_words import PollWords
from backfilld.executors.http.verdicts import asked_wait, failure_of, is_success, quoted, told
from backfilld.executors.http.wire.request_writer import url_of

# A target may need a moment until it knows what it has accepted. After that its "unknown" means that it forgot.
UNKNOWN_TIMES = 3
JITTER = 0.2

_ASK_AGAIN = (VerdictKind.UNREACHABLE, VerdictKind.THROTTLED, VerdictKind.TRY_AGAIN, VerdictKind.NO_ROOM)
# Where the answer says that one may ask, in the order in which it is believed.
_WHERE = ("Operation-Location", "Azure-AsyncOperation", "Location")


class Found(Enum):
    """How a run stands that has not ended."""

    NOTHING = "there is no run of that name"
    RUNNING = "it is at it"


@dataclass
class Progress:
    """What the last question came to, for the case that time runs out."""

    last: str = "the target has not said that it is done"


@dataclass(frozen=True)
class Poller:
    """Asks one target about its items."""

    poll: Poll
    started_at: URL
    clock: Clock
    ask: Callable[[URL, Work], Awaitable[Answer]]
    hide: Hiding

    async def verdict(self, started: Answer, work: Work, progress: Progress) -> Verdict:
        """What became of the item that `started` accepted. Whoever calls bounds the time."""
        words = PollWords(self.poll, self.hide)
        document = document_of(started)
        where = self._named_url(started, document)
        ended = words.end_of_start(started, document, may_ask=where is not None or self.poll.url is not None)
        if ended is not None:
            return ended
        url = self._where_to_ask(where, started, document, work)
        if isinstance(url, Verdict):
            return url
        progress.last = self._told(started)
        wait = max(self.poll.interval_seconds, asked_wait(started.headers, self.clock.now()))
        return await self.end_of(url, work, progress, words, wait=wait)

    async def find(self, url: URL, work: Work, words: PollWords) -> "Verdict | Found":
        """How a run stands that may be at `url`. TargetFailure where nobody can tell now: that is no try of its own."""
        try:
            answer = await self.ask(url, work)
        except TargetFailure as failure:
            raise TargetFailure(_postponed(failure.verdict)) from failure
        if _goes_on(answer.status):
            return words.end_of_question(answer, document_of(answer)) or Found.RUNNING
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return Found.NOTHING
        raise TargetFailure(_postponed(_given_up(failure_of(answer, self.clock.now(), self.hide))))

    async def end_of(self, url: URL, work: Work, progress: Progress, words: PollWords, *, wait: float = 0.0) -> Verdict:
        """What becomes of a run that is at `url`; asked for after `wait` seconds, and then as the definition says."""
        unknown = 0
        while True:
            await self.clock.sleep(wait * random.uniform(1 - JITTER, 1 + JITTER))
            wait = self.poll.interval_seconds
            try:
                answer = await self.ask(url, work)
            except TargetFailure as failure:
                if failure.verdict.kind not in _ASK_AGAIN:
                    raise
                progress.last = failure.verdict.error or progress.last
                continue
            if _goes_on(answer.status):
                document = document_of(answer)
                if (ended := words.end_of_question(answer, document)) is not None:
                    return ended
                unknown = 0
                progress.last = self._told(answer)
                url = self._moved_to(answer, document) or url
            else:
                problem = failure_of(answer, self.clock.now(), self.hide)
                unknown += answer.status == HTTPStatus.NOT_FOUND
                progress.last = problem.error or progress.last
                if _is_final(answer.status, problem.kind, unknown):
                    return _given_up(problem)
            wait = max(wait, asked_wait(answer.headers, self.clock.now()))

    def _told(self, answer: Answer) -> str:
        return f"the target has not said that it is done; its last answer was {told(answer, self.hide)}"

    def _where_to_ask(self, named: str | None, started: Answer, document: Document, work: Work) -> URL | Verdict:
        """The answer's `poll_url`, else the configured URL, else what its headers name."""
        by_document = isinstance(document.value, dict) and isinstance(document.value.get("poll_url"), str)
        if self.poll.url is not None and not by_document:
            return filled_in(self.poll.url, work)
        if named is not None:
            return self._same_origin(named)
        if document.is_broken:
            said = quoted(started, self.hide)
            return bad_answer(f"the answer claims to be JSON and cannot be read: {said}", started.status)
        text = "the target named neither a final status nor a poll_url, and the workflow has no poll.url"
        raise failed(VerdictKind.FAILED, BAD_ANSWER, f"{text}; it answered {told(started, self.hide)}", started.status)

    def _moved_to(self, answer: Answer, document: Document) -> URL | None:
        """Where to ask from now on, if a target that is still at it names another place of its own."""
        if answer.status != HTTPStatus.ACCEPTED or self.poll.url is not None:
            return None
        named = self._named_url(answer, document)
        return None if named is None else self._within_origin(named)

    def _named_url(self, answer: Answer, document: Document) -> str | None:
        named = document.value.get("poll_url") if isinstance(document.value, dict) else None
        if isinstance(named, str):
            return named
        return next((answer.headers[name] for name in _WHERE if name in answer.headers), None)

    def _same_origin(self, named: str) -> URL:
        url = self._within_origin(named)
        if url is None:
            message = f"the target's poll_url leads away from {self.started_at.origin()}; such a URL is not followed"
            raise failed(VerdictKind.FAILED, BAD_ANSWER, message)
        return url

    def _within_origin(self, named: str) -> URL | None:
        """A URL that came over the wire may lead only to where we were already: it is asked with our secrets."""
        try:
            url = URL(urljoin(str(self.started_at), named)).with_fragment(None)
            fits = url.origin() == self.started_at.origin() and url.user is None
        except ValueError:
            return None
        return url if fits else None


def _postponed(problem: Verdict) -> Verdict:
    """Nothing was started, so that costs no try."""
    again = problem.kind is VerdictKind.TRY_AGAIN
    return replace(problem, kind=VerdictKind.UNREACHABLE) if again else problem


def filled_in(template: str, work: Work) -> URL:
    """The configured poll URL for one item."""
    filled = template.replace("{idempotency_key}", quote(work.idempotency_key, safe=""))
    return url_of(filled.replace("{entity_id}", quote(work.entity_id, safe="")))


def _goes_on(status: int) -> bool:
    """An answer to the question itself: how it stands, that nothing has changed, or where the result is."""
    return is_success(status) or status in (HTTPStatus.SEE_OTHER, HTTPStatus.NOT_MODIFIED)


def _is_final(status: int, kind: VerdictKind, unknown: int) -> bool:
    if status == HTTPStatus.NOT_FOUND:
        return unknown >= UNKNOWN_TIMES
    return kind not in _ASK_AGAIN


def _given_up(problem: Verdict) -> Verdict:
    """A target that refuses us is held; otherwise what became of the item is not known, and it is tried again."""
    if problem.kind is VerdictKind.REFUSED:
        return problem
    return Verdict(
        VerdictKind.TRY_AGAIN,
        error_class=f"poll_{problem.error_class}",
        error=f"asking whether it is done: {problem.error}",
        http_status=problem.http_status,
    )
