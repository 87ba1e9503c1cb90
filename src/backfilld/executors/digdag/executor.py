"""Sessions as attempts of a digdag server.

An attempt there is known by its session and its name, so a start that is repeated finds the one that there is: it is
ours if it carries our key. Its end is waited for and read; it is never started twice under one name.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from backfilld.clock import Clock
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.engines import engine_target
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.executors.answers.kept_logs import kept_log, with_reason
from backfilld.executors.base import NotPermitted, Permit, Work
from backfilld.executors.definitions.engines import DigdagExecutor as Definition
from backfilld.executors.digdag.connection import DigdagConnection
from backfilld.executors.digdag.questions import PAGE, Questions, ServerProblem
from backfilld.executors.digdag.watch import Attempt, AttemptGone, Watch
from backfilld.executors.http.bodies import document_of
from backfilld.executors.http.client import Answer, OutOfTime, Start
from backfilld.executors.http.failures import TargetFailure
from backfilld.executors.http.verdicts import failure_of, is_success, told
from backfilld.executors.secrets import SecretMissing, UnusableSecret

ASKS_AGAIN_AFTER = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds, where nobody knows whether a start has come through
FULL_SECONDS = 60.0  # after "too many attempts running" there
KEY = "backfilld_key"
MOST_REMEMBERED = 10_000


class DigdagExecutor:
    """`Executor` over one workflow there. Shared by all that run its revision."""

    def __init__(
        self, definition: Definition, connection: DigdagConnection, questions: Questions, watch: Watch, clock: Clock
    ) -> None:
        self._definition = definition
        self._connection = connection
        self._questions = questions
        self._watch = watch
        self._clock = clock
        self._attempts: dict[str, int] = {}  # of items under way, or cut off

    @property
    def target(self) -> str:
        """The engine: whatever runs on it shares its fate."""
        return engine_target(self._definition.engine)

    def address(self, variables: Mapping[str, Any]) -> str:
        return f"{self._definition.project}/{self._definition.workflow}"

    async def stop(self, work: Work) -> None:
        """Kill the attempt there. ServerProblem, unless it has ended."""
        attempt_id = self._attempts.pop(work.idempotency_key, None) or await self._found(work)
        if attempt_id is None:
            return
        try:
            await self._questions.call("POST", f"/attempts/{attempt_id}/kill", {})
        except ServerProblem as problem:
            if problem.kind != "answered":
                raise

    async def _found(self, work: Work) -> int | None:
        """The attempt of a start whose answer was not waited for, if it is among the newest."""
        query = {"project": self._definition.project, "include_retried": "true", "page_size": PAGE}
        for attempt in (await self._questions.get("/attempts", query)).get("attempts") or []:
            if _is_ours(attempt, work) and not attempt.get("done"):
                return int(attempt["id"])
        return None

    async def close(self) -> None:
        """The connection is the engine's."""

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        """Start it, or find it, and wait for its end."""
        if work.session is None:
            text = "a workflow of a digdag server runs sessions of its schedule, and no entities"
            return Verdict(VerdictKind.FAILED, error_class="not_supported", error=text)
        start = Start(permit)
        try:
            verdict = await self._run(work, work.session, start)
        except NotPermitted:
            raise
        except (OutOfTime, TimeoutError):
            verdict = self._out_of_time(work, start)
        except TargetFailure as problem:
            verdict = problem.verdict
        except SecretMissing as problem:
            verdict = _verdict(VerdictKind.REFUSED, "secret_missing", str(problem))
        except UnusableSecret as problem:
            verdict = _verdict(VerdictKind.REFUSED, "secret_unusable", str(problem))
        return with_reason(verdict, work) if work.wants_log else verdict

    async def _run(self, work: Work, session: Mapping[str, str], start: Start) -> Verdict:
        name = session.get("retry_attempt_name") or None
        body = {
            "workflowId": self._definition.workflow_id,
            "sessionTime": session["session_time"],
            "params": {**work.params, KEY: work.idempotency_key},
            **({} if name is None else {"retryAttemptName": name}),
        }
        self._connection.prepared("PUT", "/attempts", body)  # so that what is wrong with it shows before a place is had
        await self._connection.take()
        ends_at = asyncio.get_running_loop().time() + work.timeout_seconds
        try:
            answer = await self._answer(body, start, ends_at)
        finally:
            self._connection.give_back(unused=not start.happened)
        attempt = document_of(answer).value
        if is_success(answer.status) and _is_attempt(attempt):
            return await self._end_of(attempt, work, ends_at)
        if answer.status == 409 and _is_attempt(attempt):
            return await self._end_of_another(attempt, work, name, ends_at)
        return self._not_started(answer)

    async def _answer(self, body: Mapping[str, Any], start: Start, ends_at: float) -> Answer:
        """That to the start. Where none comes it is asked for again: the name makes a repeat harmless."""
        url, data = self._connection.prepared("PUT", "/attempts", body)
        try:
            return await self._connection.send(url, data, start, ends_at)
        except TargetFailure as failure:
            if not start.happened:
                raise
            last = failure
        for wait in ASKS_AGAIN_AFTER:
            async with asyncio.timeout_at(ends_at):
                await self._clock.sleep(wait)
            try:
                return await self._connection.send(url, data, None, ends_at)
            except TargetFailure as failure:
                last = failure
        raise TargetFailure(replace(last.verdict, kind=VerdictKind.UNREACHABLE)) from last

    async def _end_of_another(self, attempt: Attempt, work: Work, name: str | None, ends_at: float) -> Verdict:
        """Of the attempt that there was already: ours, or of somebody else."""
        if _is_ours(attempt, work):
            return await self._end_of(attempt, work, ends_at)
        if name is not None:
            text = f"{self._named(attempt)} has that name already, and is not of this backfill"
            return _verdict(VerdictKind.FAILED, "attempt_exists", text, 409)
        ended = await self._ended(attempt, ends_at)
        text = f"already_run: {self._named(ended)} was there already; it is {_status(ended)}"
        return Verdict(VerdictKind.SKIPPED, message=text, http_status=409, log=kept_log(text + "\n"))

    async def _end_of(self, attempt: Attempt, work: Work, ends_at: float) -> Verdict:
        attempt_id = int(attempt["id"])
        self._remember(work, attempt_id)
        try:
            ended = await self._ended(attempt, ends_at)
        except AttemptGone as problem:
            return _verdict(VerdictKind.TRY_AGAIN, "attempt_gone", str(problem))
        self._attempts.pop(work.idempotency_key, None)
        named, status = self._named(ended), _status(ended)
        log = kept_log(f"{named}\nstatus: {status}\n") if work.wants_log else None
        if ended.get("success"):
            result = orjson.dumps({"attempt_id": str(ended["id"]), "session_id": str(ended.get("sessionId"))}).decode()
            return Verdict(VerdictKind.SUCCEEDED, message=named, result=result, log=log)
        word = "attempt_killed" if status == "killed" else "attempt_failed"
        verdict = _verdict(VerdictKind.FAILED, word, f"{named} has ended as {status}")
        return replace(verdict, log=log)

    async def _ended(self, attempt: Attempt, ends_at: float) -> Attempt:
        if attempt.get("done"):
            return attempt
        async with asyncio.timeout_at(ends_at):
            return await self._watch.end_of(self._definition.project, int(attempt["id"]))

    def _not_started(self, answer: Answer) -> Verdict:
        hide = self._connection.hide
        verdict = failure_of(answer, self._clock.now(), hide)
        if answer.status == 404:
            text = f"the server does not know workflow {self._definition.workflow_id}: {told(answer, hide)}"
            return _verdict(VerdictKind.REFUSED, "workflow_missing", text, 404)
        if answer.status == 400 and "too many attempts" in (verdict.error or "").lower():
            return replace(verdict, kind=VerdictKind.THROTTLED, retry_after_seconds=FULL_SECONDS)
        if is_success(answer.status):
            text = f"the answer is no attempt: {told(answer, hide)}"
            return _verdict(VerdictKind.UNREACHABLE, "bad_answer", text, answer.status)
        return replace(verdict, is_about_key=False)

    def _named(self, attempt: Attempt) -> str:
        return (
            f"attempt {attempt.get('id')} ({self._connection.terms.url.rstrip('/')}/api/attempts/{attempt.get('id')})"
        )

    def _out_of_time(self, work: Work, start: Start) -> Verdict:
        limit = f"{work.timeout_seconds:g} s"
        if not start.happened:
            return _verdict(VerdictKind.UNREACHABLE, "connect_failed", f"{self.target}: not sent within {limit}")
        return _verdict(VerdictKind.TRY_AGAIN, "timeout", f"{self.target}: not done within {limit}; it goes on there")

    def _remember(self, work: Work, attempt_id: int) -> None:
        self._attempts.pop(work.idempotency_key, None)
        if len(self._attempts) >= MOST_REMEMBERED:
            del self._attempts[next(iter(self._attempts))]
        self._attempts[work.idempotency_key] = attempt_id


def _is_attempt(value: Any) -> bool:
    return isinstance(value, Mapping) and str(value.get("id", "")).isdecimal()


def _is_ours(attempt: Attempt, work: Work) -> bool:
    params = attempt.get("params")
    return isinstance(params, Mapping) and params.get(KEY) == work.idempotency_key


def _status(attempt: Attempt) -> str:
    """In the words of the dialect, also of a server that does not say it."""
    if attempt.get("success"):
        return "success"
    return str(attempt.get("status") or ("killed" if attempt.get("cancelRequested") else "error"))


def _verdict(kind: VerdictKind, word: str, text: str, http_status: int | None = None) -> Verdict:
    return Verdict(kind, error_class=word, error=clean_text(text, MESSAGE_BYTES), http_status=http_status)
