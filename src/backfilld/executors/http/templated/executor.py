"""Items as requests that a definition spells out, so that an API that was not made for us can be a target.

Such an API starts runs by name. The name is made of the item's key, so whatever asks for it twice gets the same run:
one whose answer was lost, or that a killed daemon started, is found again (`attach_on`) and waited for. A later try
first looks for the runs of earlier ones: one that is at it still is waited for, one that has succeeded is read, and
only behind those that failed is another one started.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from yarl import URL

from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.placeholders import texts_in
from backfilld.executors.base import Work
from backfilld.executors.definitions.http import CancelTemplate, Poll, RequestTemplate
from backfilld.executors.http.client import Answer, Client
from backfilld.executors.http.executor import HttpExecutor, ThisTry, logged
from backfilld.executors.http.failures import TargetFailure
from backfilld.executors.http.poll_words import PollWords
from backfilld.executors.http.polling import Found, Poller, Progress
from backfilld.executors.http.templated.request_filling import (
    filled_body,
    filled_url,
    names_a_run,
    run_name,
    variables_of,
)
from backfilld.executors.http.verdicts import failure_of, is_success, success_of, told
from backfilld.executors.http.wire.request_writer import RequestWriter, url_of

ASKS_AGAIN_AFTER = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds, where nobody knows whether a start has come through
MOST_REMEMBERED = 10_000
_GONE = frozenset({404, 409, 410})  # to a cancel: it has ended


class NotStopped(Exception):
    """A run may go on that nobody wants any more."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """What is needed to ask for the runs of one item."""

    work: Work
    this: ThisTry
    writer: RequestWriter
    wire: Client


class TemplatedExecutor(HttpExecutor):
    """`Executor` by templates. Shared by all that run its revision."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        definition = self._definition
        self._request = definition.request or RequestTemplate()
        self._poll = definition.poll or Poll()
        self._attach_on = frozenset(definition.attach_on or ())
        self._names_runs = names_a_run([definition.url, *texts_in(self._request.body)])
        self._can_be_found = bool(self._attach_on) and names_a_run([self._poll.url or ""])
        self._runs: dict[str, int] = {}  # of items under way, or cut off, which of their runs it is

    async def stop(self, work: Work) -> None:
        """Ask the target to cancel the run. NotStopped, TargetFailure."""
        cancel, run = self._definition.cancel, self._runs.pop(work.idempotency_key, None)
        if cancel is None:
            return
        writer = self._present_writer(self._definition, await self._secrets_of_project(_soon()))
        url, data = self._written(cancel, cancel.url, work, run or self._run_of(work), writer)
        answer = await self._client().request(url, data)
        if not is_success(answer.status) and answer.status not in _GONE:
            raise NotStopped(f"{cancel.method} answers {told(answer, writer.without_secrets)}")

    async def _run(self, work: Work, this: ThisTry) -> Verdict:
        writer = self._present_writer(self._definition, await self._secrets_of_project(this.ends_at))
        asking = _Asking(work, this, writer, self._client())
        run, found = await self._found(asking)
        if isinstance(found, Verdict):
            return found
        self._remember(work, run)
        if found is Found.RUNNING:
            this.now()
            this.sent()
            this.is_prepared = True
            verdict = await self._end_of(asking, run)
        else:
            verdict = await self._started(asking, run)
        self._runs.pop(work.idempotency_key, None)
        return verdict

    async def _started(self, asking: _Asking, run: int) -> Verdict:
        """What becomes of a run that is started now, or that this try has started before."""
        work, hide = asking.work, asking.writer.without_secrets
        url, data = self._written(self._request, self._definition.url, work, run, asking.writer)
        asking.this.is_prepared = True
        answer = await self._answer(asking, url, data)
        if answer.status in self._attach_on:
            verdict = await self._end_of(asking, run)
        elif not is_success(answer.status):
            verdict = failure_of(answer, self._clock.now(), hide)
        elif self._definition.completion == "response":
            verdict = success_of(answer, hide)
        else:
            verdict = await self._end_after(asking, run, answer)
        return logged(verdict, answer, asking.writer) if work.wants_log else verdict

    async def _found(self, asking: _Asking) -> tuple[int, Verdict | Found]:
        """Which run of the item comes now, and how it stands. A first try asks nobody: a start tells as much."""
        work = asking.work
        if work.attempt == 1 or not self._can_be_found:
            return self._run_of(work), Found.NOTHING
        words = PollWords(self._poll, asking.writer.without_secrets)
        run = 0
        async with asyncio.timeout_at(asking.this.ends_at):
            while True:
                run += 1
                found = await self._poller_of(asking, run).find(self._place(work, run), work, words)
                failed_before = isinstance(found, Verdict) and found.kind is VerdictKind.TRY_AGAIN
                if not failed_before or run == work.attempt:
                    return run, found

    async def _answer(self, asking: _Asking, url: URL, data: bytes) -> Answer:
        """That of the start. Where none comes, and a repeat is harmless, it is asked for again for half a minute."""
        this = asking.this
        try:
            return await asking.wire.request(url, data, this, this.ends_at)
        except TargetFailure as failure:
            if not this.happened or not self._attach_on:
                raise
            last = failure
        for wait in ASKS_AGAIN_AFTER:
            async with asyncio.timeout_at(this.ends_at):
                await self._clock.sleep(wait)
            try:
                return await asking.wire.request(url, data, None, this.ends_at)
            except TargetFailure as failure:
                last = failure
        raise TargetFailure(replace(last.verdict, kind=VerdictKind.UNREACHABLE)) from last

    async def _end_of(self, asking: _Asking, run: int) -> Verdict:
        """Of a run that there is."""
        progress = asking.this.progress = Progress()
        words = PollWords(self._poll, asking.writer.without_secrets)
        place = self._place(asking.work, run)
        async with asyncio.timeout_at(asking.this.ends_at):
            return await self._poller_of(asking, run).end_of(place, asking.work, progress, words)

    async def _end_after(self, asking: _Asking, run: int, answer: Answer) -> Verdict:
        """Of a run that was accepted with `answer`."""
        progress = asking.this.progress = Progress()
        async with asyncio.timeout_at(asking.this.ends_at):
            return await self._poller_of(asking, run).verdict(answer, asking.work, progress)

    def _poller_of(self, asking: _Asking, run: int) -> Poller:
        key = self._key(asking.work, run)

        async def ask(url: URL, _: Work) -> Answer:
            data = asking.writer.templated("GET", url, key, None, self._timestamp())
            return await asking.wire.request(url, data)

        poll = self._poll
        if poll.url is not None:
            poll = poll.model_copy(update={"url": str(self._place(asking.work, run))})
        return Poller(poll, self._url, self._clock, ask, asking.writer.without_secrets)

    def _place(self, work: Work, run: int) -> URL:
        """Where a run can be asked for."""
        return url_of(filled_url(self._poll.url or "", variables_of(work, run)))

    def _written(
        self, template: RequestTemplate | CancelTemplate, url: str, work: Work, run: int, writer: RequestWriter
    ) -> tuple[URL, bytes]:
        variables = variables_of(work, run)
        body = None if template.body is None else orjson.dumps(filled_body(template.body, variables), default=_plain)
        where = url_of(filled_url(url, variables))
        return where, writer.templated(template.method, where, self._key(work, run), body, self._timestamp())

    def _run_of(self, work: Work) -> int:
        return work.attempt if self._names_runs else 1

    def _key(self, work: Work, run: int) -> str:
        """A target that remembers answers by key is to know another run for another."""
        return run_name(work, run if self._names_runs else 1)

    def _remember(self, work: Work, run: int) -> None:
        self._runs.pop(work.idempotency_key, None)
        if len(self._runs) >= MOST_REMEMBERED:
            del self._runs[next(iter(self._runs))]
        self._runs[work.idempotency_key] = run


def _soon() -> float:
    return asyncio.get_running_loop().time() + 5.0


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)
