"""One try of one item, whoever wants it: permit, execute, judge, tell the target's health, tell who listens.

Where the item comes from and where its outcome goes differs, and is not known here.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.records import Item, Outcome, Try
from backfilld.domain.backfills.retries import Held, judge
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.engine.starting.context import EngineContext
from backfilld.engine.starting.internal_errors import outcome_of, verdict_after
from backfilld.engine.starting.start_gate import Permit
from backfilld.events import TryEnded
from backfilld.executors.base import Executor, NotPermitted, Work

log = logging.getLogger(__name__)

# What is asked for every item: to look a member up in its enum is a call of its own (until Python 3.12).
_TRY_ENDED, _SUCCEEDED = Point.TRY_ENDED, VerdictKind.SUCCEEDED
_REFUSED, _TRY_AGAIN = VerdictKind.REFUSED, VerdictKind.TRY_AGAIN
STOP_SECONDS = 5.0
_STOPPING: set[asyncio.Task[None]] = set()  # so that none is forgotten half way
Result: TypeAlias = Outcome | Try | Held


class OneTry:
    """Tries with one executor; any number at once."""

    __slots__ = ("_context", "_executor", "_target")

    def __init__(self, executor: Executor, context: EngineContext) -> None:
        self._context = context
        self.use(executor)

    def use(self, executor: Executor) -> None:
        """Every try from now on is by `executor`; those under way end as they began."""
        self._executor = executor
        self._target = executor.target

    async def run(self, item: Item, work_of: Callable[[Item], Work], permit: Permit[Item]) -> Result | None:
        """What one try means for `item`; None: it was not permitted, and nothing happened.

        Whatever its preparation, payload or judging raises is its end (`internal`). CancelledError passes, with the
        permit given back: whoever cancelled knows what it means.
        """
        monotonic = self._context.clock.monotonic
        began = monotonic()
        verdict: Verdict | None = None
        timeout_seconds = 0.0
        try:
            work = work_of(item)
            timeout_seconds = work.timeout_seconds
            verdict = await self._executor.execute(work, permit)
            reached(_TRY_ENDED)
        except NotPermitted:
            return None
        except Exception as problem:
            verdict = verdict_after(problem, started=permit.started)
            if verdict is None:
                return self._ended_by(problem, item, permit)
            log.exception("the executor of %s failed on its own account", permit.gate.terms.workflow_name)
        finally:
            permit.end()
            if verdict is None and permit.is_probe:
                permit.gate.health.abandon_probe()
        try:
            return self._learn(item, verdict, permit, monotonic() - began, timeout_seconds)
        except Exception as problem:
            if permit.is_probe:  # and nobody may have told what it found
                permit.gate.health.abandon_probe()
            return self._ended_by(problem, item, permit)

    async def stop(self, item: Item, work_of: Callable[[Item], Work]) -> None:
        """Nobody wants what was started for `item`, and cut off: let the executor say so, if it can be quick.

        Whoever waits for it may be cut off again meanwhile, which does not end it.
        """
        stopping = asyncio.create_task(self._stop(item, work_of))
        _STOPPING.add(stopping)
        stopping.add_done_callback(_STOPPING.discard)
        await asyncio.shield(stopping)

    async def _stop(self, item: Item, work_of: Callable[[Item], Work]) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._executor.stop(work_of(item))
        except Exception as problem:
            log.warning("what %s goes on with could not be stopped: %r", item.entity_id, problem)

    def _ended_by(self, problem: Exception, item: Item, permit: Permit[Item]) -> Outcome:
        name, at = permit.gate.terms.workflow_name, self._context.clock.now()
        log.error("an item of %s ends on an error of our own: %s", name, item.entity_id, exc_info=problem)
        started_at, tries = item.first_started_at or permit.started_at, item.tries + permit.started
        return outcome_of(problem, started_at=started_at, at=at, attempts=tries)

    def _learn(
        self, item: Item, verdict: Verdict, permit: Permit[Item], seconds: float, timeout_seconds: float
    ) -> Result:
        context, gate, kind = self._context, permit.gate, verdict.kind
        terms, health = gate.terms, gate.health
        now = context.clock.now()
        started_at = permit.started_at or now - timedelta(seconds=seconds)
        if kind is _REFUSED and health.is_at_fault(item.place):
            verdict, kind = replace(verdict, kind=_TRY_AGAIN), _TRY_AGAIN
        result = judge(
            verdict,
            item,
            started_at=started_at,
            finished_at=now,
            max_attempts=terms.max_attempts,
            timeout_seconds=timeout_seconds,
            others_succeed=kind is not _SUCCEEDED and health.others_succeed(item, since=started_at),
            backoff=context.backoff,
            draw=context.draw,
        )
        if verdict.is_about_key and verdict.retry_after_seconds is not None:
            verdict = replace(verdict, retry_after_seconds=None)  # the others have keys of their own
        health.note(verdict, item.place, probe=permit.is_probe, at=now)
        outcome = result.status if isinstance(result, Outcome) else None
        context.bus.tell(
            TryEnded(
                terms.backfill_id, terms.workflow_name, self._target, kind, verdict.error_class, seconds, outcome
            )
        )  # fmt: skip
        if permit.started and gate.on_tried is not None:
            gate.on_tried(seconds, verdict)
        return result
