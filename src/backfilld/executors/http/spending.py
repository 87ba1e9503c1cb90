"""Targets that ask an API by themselves: each start takes so much of the budget of the API's connection."""

from collections.abc import Mapping
from typing import Any

from backfilld.clock import Clock
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.texts import MESSAGE_BYTES, clean_text
from backfilld.executors.base import Executor, Permit, Work
from backfilld.executors.http.links import Link, LinkBusy


class _Watched:
    """A permit that remembers whether it was used."""

    def __init__(self, permit: Permit) -> None:
        self._permit = permit
        self.started = False

    def start(self) -> None:
        self._permit.start()
        self.started = True

    def sent(self) -> None:
        self._permit.sent()


class SpendingExecutor:
    """`Executor` that spends before another one starts, and takes it back where that did not start."""

    def __init__(self, inner: Executor, link: Link, requests: int, clock: Clock) -> None:
        self._inner = inner
        self._link = link
        self._requests = requests
        self._clock = clock

    @property
    def target(self) -> str:
        return self._inner.target

    def address(self, variables: Mapping[str, Any]) -> str:
        return self._inner.address(variables)

    async def stop(self, work: Work) -> None:
        await self._inner.stop(work)

    async def close(self) -> None:
        await self._inner.close()

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        """As the other one; throttled, without a start, while the budget has no room for it."""
        try:
            self._link.spend(self._requests)
        except LinkBusy as problem:
            wait = None if problem.until is None else max((problem.until - self._clock.now()).total_seconds(), 0.0)
            error = clean_text(str(problem), MESSAGE_BYTES)
            return Verdict(VerdictKind.THROTTLED, error_class="source_budget", error=error, retry_after_seconds=wait)
        watched = _Watched(permit)
        try:
            return await self._inner.execute(work, watched)
        finally:
            if not watched.started:
                self._link.unspend(self._requests)
