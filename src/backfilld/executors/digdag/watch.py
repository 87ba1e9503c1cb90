"""Waiting for attempts that run on a server: one watch for all of them.

A few are asked for one by one; of many in one project pages of its attempts are read instead, a hundred for one
request. Whatever happens to the connection meanwhile ends no wait: the server goes on, and is asked again.
"""

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.engines import engine_target
from backfilld.executors.digdag.questions import PAGE, Questions, ServerProblem
from backfilld.executors.engines import Hold

log = logging.getLogger(__name__)

ASKED_ONE_BY_ONE = 3
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
JITTER = 0.2

Attempt = Mapping[str, Any]


class AttemptGone(Exception):
    """The server knows of no such attempt."""


@dataclass(slots=True)
class _Awaited:
    """An attempt, and how many wait for its end."""

    project: str
    end: asyncio.Future[Attempt]
    by: int = 0


class Watch:
    """`hold` is told while the server cannot be asked, and once it can be again."""

    def __init__(self, name: str, questions: Questions, clock: Clock, ask_seconds: float, hold: Hold) -> None:
        self._name = name
        self._questions = questions
        self._clock = clock
        self._ask_seconds = ask_seconds
        self._hold = hold
        self._waiting: dict[int, _Awaited] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    async def end_of(self, project: str, attempt_id: int) -> Attempt:
        """The attempt, once it is done. AttemptGone."""
        awaited = self._waiting.get(attempt_id)
        if awaited is None:
            awaited = self._waiting[attempt_id] = _Awaited(project, asyncio.get_running_loop().create_future())
        awaited.by += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name=f"digdag/{self._name}")
        try:
            return await asyncio.shield(awaited.end)
        finally:
            awaited.by -= 1
            if not awaited.by and self._waiting.get(attempt_id) is awaited:
                del self._waiting[attempt_id]

    async def close(self) -> None:
        """Nobody waits any more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._tell(None)

    async def _watch(self) -> None:
        pause = 0.0
        while self._waiting:
            seconds = pause or self._ask_seconds
            await self._clock.sleep(seconds * random.uniform(1 - JITTER, 1 + JITTER))
            try:
                await self._look()
            except Exception as problem:  # whatever it is, those who wait go on waiting
                if not isinstance(problem, ServerProblem):
                    log.exception("attempts on %s cannot be looked at", self._name)
                pause = min(max(FIRST_PAUSE, pause * 2), LONGEST_PAUSE)
                self._tell(str(problem) or type(problem).__name__)
            else:
                pause = 0.0
                self._tell(None)
        self._tell(None)

    async def _look(self) -> None:
        projects: dict[str, list[int]] = {}
        for attempt_id, awaited in list(self._waiting.items()):
            if not awaited.end.done():
                projects.setdefault(awaited.project, []).append(attempt_id)
        for project, ids in projects.items():
            left = set(ids) if len(ids) <= ASKED_ONE_BY_ONE else await self._look_through(project, set(ids))
            for attempt_id in sorted(left):
                await self._look_at(attempt_id)

    async def _look_at(self, attempt_id: int) -> None:
        try:
            self._note(await self._questions.get(f"/attempts/{attempt_id}"))
        except ServerProblem as problem:
            if problem.kind != "answered":
                raise
            awaited = self._waiting.get(attempt_id)
            if awaited is not None and not awaited.end.done():
                awaited.end.set_exception(AttemptGone(str(problem)))

    async def _look_through(self, project: str, wanted: set[int]) -> set[int]:
        """Look at pages of the project's attempts, newest first; those that remain stand on none of them."""
        last_id: int | None = None
        for _ in range(max(len(wanted) // 2, 1)):
            query = {"project": project, "include_retried": "true", "page_size": PAGE, "last_id": last_id}
            try:
                page = (await self._questions.get("/attempts", query)).get("attempts") or []
            except ServerProblem as problem:
                if problem.kind != "answered":
                    raise
                return wanted
            for attempt in page:
                wanted.discard(self._note(attempt))
            if len(page) < PAGE or not wanted:
                break
            last_id = int(page[-1]["id"])
            if last_id <= min(wanted):
                break
        return wanted

    def _note(self, attempt: Attempt) -> int:
        attempt_id = int(attempt["id"])
        awaited = self._waiting.get(attempt_id)
        if awaited is not None and attempt.get("done") and not awaited.end.done():
            awaited.end.set_result(attempt)
        return attempt_id

    def _tell(self, problem: str | None) -> None:
        if (problem is not None) == self._is_away:
            return
        self._is_away = problem is not None
        reason = None
        if problem is not None:
            code, now = ReasonCode.ENGINE_UNREACHABLE, self._clock.now()
            reason = because(code, since=now, target=self._name, problem=problem)
        self._hold(engine_target(self._name), None, reason)
