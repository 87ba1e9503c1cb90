"""Whatever is sent to the systems behind a connection: within its budget, and counted.

That is records, counts and looks, and also what has to be asked before those: for a token, or where the system is.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from backfilld.sources.http.answers import Answer, TooLarge, Unreachable
from backfilld.sources.http.asking.budget import Budget
from backfilld.sources.http.asking.rates import Purpose
from backfilld.sources.http.asking.wire import Wire

NO_ANSWER, TOO_LARGE = "no_answer", "too_large"


class Sender:
    """One for a connection. `outcomes`: endpoint, what came of it (`ok`, a status, `no_answer`) → requests."""

    def __init__(self, wire: Wire, budget: Budget) -> None:
        self.budget = budget
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._wire = wire
        self._running: set[asyncio.Task[Answer]] = set()

    async def send(
        self,
        purpose: Purpose,
        endpoint: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        answer_seconds: float | None = None,
    ) -> Answer:
        """The answer, whatever its status; counted but for what came of it (`came`). SourceBusy before it is sent."""
        await self.budget.take(purpose, endpoint)
        # Somebody may stop waiting for it. The other side goes on nevertheless, so its place stays taken.
        sending = asyncio.create_task(
            self._wire.send(method, url, headers, json=json, form=form, answer_seconds=answer_seconds)
        )
        self._running.add(sending)
        sending.add_done_callback(lambda task: self._ended(task, endpoint))
        return await asyncio.shield(sending)

    async def ask_beside(self, endpoint: str, method: str, url: str, form: Mapping[str, str] | None = None) -> Answer:
        """Something that other requests wait for; without credentials but those of `form`."""
        answer = await self.send(Purpose.LET_IN, endpoint, method, url, {}, form=form)
        self.came(endpoint, answer, is_well=200 <= answer.status < 300)
        return answer

    def came(self, endpoint: str, answer: Answer, *, is_well: bool) -> None:
        """Count what an answer means."""
        self.outcomes[endpoint, "ok" if is_well else str(answer.status)] += 1

    async def close(self) -> None:
        """Give up what is being asked, and let go."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._wire.close()

    def _ended(self, task: "asyncio.Task[Answer]", endpoint: str) -> None:
        self._running.discard(task)
        self.budget.give_back(endpoint)
        if task.cancelled():
            return
        problem = task.exception()  # seen; whoever waited has it
        if isinstance(problem, Unreachable | TooLarge):
            self.outcomes[endpoint, TOO_LARGE if isinstance(problem, TooLarge) else NO_ANSWER] += 1
