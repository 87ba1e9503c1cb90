"""Waiting for a target that answers "accepted" and does the work later.

The slot stays taken until the target names a final status, or the try's time is over. Asking is not starting: it
needs no permit, goes on while the gate is closed, and a question that fails is simply asked again. What the target
was given to do is not lost by that: the next try comes under the same key.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, urljoin

from yarl import URL

from backfilld.clock import Clock
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.executors.answer_document import said_status, said_verdict
from backfilld.executors.base import Work
from backfilld.executors.definition import Poll
from backfilld.executors.http.client import Answer
from backfilld.executors.http.failures import TargetFailure, failed
from backfilld.executors.http.request_writer import url_of
from backfilld.executors.http.verdicts import document_of, failure_of, retry_after_seconds

# A target may need a moment until it knows what it has accepted. After that its "unknown" means that it forgot.
UNKNOWN_TIMES = 3
JITTER = 0.2

_ASK_AGAIN = (VerdictKind.UNREACHABLE, VerdictKind.THROTTLED, VerdictKind.TRY_AGAIN)


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
    hide: Callable[[str], str]

    async def verdict(self, started: Answer, work: Work, progress: Progress) -> Verdict:
        """What became of the item that `started` accepted. Whoever calls bounds the time."""
        document = document_of(started)
        if said_status(document) is not None:
            assert isinstance(document, dict)  # noqa: S101 - only an object has a status
            return said_verdict(document, started.status, self.hide)
        url = self._where_to_ask(started, document, work)
        pause, unknown = self.poll.interval_seconds, 0
        while True:
            await self.clock.sleep(pause * random.uniform(1 - JITTER, 1 + JITTER))
            pause = self.poll.interval_seconds
            try:
                answer = await self.ask(url, work)
            except TargetFailure as failure:
                if failure.verdict.kind not in _ASK_AGAIN:
                    raise
                progress.last = failure.verdict.error or progress.last
                continue
            document = document_of(answer)
            if _is_success(answer):
                if said_status(document) is not None:
                    assert isinstance(document, dict)  # noqa: S101 - only an object has a status
                    return said_verdict(document, answer.status, self.hide)
                unknown = 0
                progress.last = "the target has not said that it is done"
            else:
                problem = failure_of(answer, self.clock.now(), self.hide)
                unknown += answer.status == HTTPStatus.NOT_FOUND
                progress.last = problem.error or progress.last
                if _is_final(answer.status, problem.kind, unknown):
                    return _given_up(problem)
            pause = max(pause, retry_after_seconds(answer.headers, self.clock.now()) or 0.0)

    def _where_to_ask(self, started: Answer, document: object, work: Work) -> URL:
        """The answer's `poll_url`, else the configured URL, else the answer's Location."""
        named = document.get("poll_url") if isinstance(document, dict) else None
        if isinstance(named, str):
            return self._same_origin(named)
        if self.poll.url is not None:
            return filled_in(self.poll.url, work)
        location = started.headers.get("Location")
        if location is not None:
            return self._same_origin(location)
        raise failed(
            VerdictKind.FAILED,
            "bad_answer",
            "the target named neither a final status nor a poll_url, and the workflow has no poll.url",
            started.status,
        )

    def _same_origin(self, named: str) -> URL:
        """A URL that came over the wire may lead only to where we were already: it is asked with our secrets."""
        try:
            url = URL(urljoin(str(self.started_at), named)).with_fragment(None)
            fits = url.origin() == self.started_at.origin() and url.user is None
        except ValueError:
            fits = False
        if not fits:
            message = f"the target's poll_url leads away from {self.started_at.origin()}; such a URL is not followed"
            raise failed(VerdictKind.FAILED, "bad_answer", message)
        return url


def filled_in(template: str, work: Work) -> URL:
    """The configured poll URL for one item."""
    filled = template.replace("{idempotency_key}", quote(work.idempotency_key, safe=""))
    return url_of(filled.replace("{entity_id}", quote(work.entity_id, safe="")))


def _is_success(answer: Answer) -> bool:
    return HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES


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
