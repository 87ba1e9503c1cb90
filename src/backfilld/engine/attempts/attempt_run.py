"""One try of one attempt outside of backfills, from its lease to what is written of it."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.records import Item, Outcome
from backfilld.domain.backfills.retries import MOST_INTERRUPTIONS, Held, interrupted, judge
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.sessions.records import attempt_key
from backfilld.engine.attempts.gate import LiveGate, LiveTicket
from backfilld.engine.backfills.context import EngineContext
from backfilld.engine.backfills.recorder import UNRECORDABLE
from backfilld.engine.service import Patience
from backfilld.engine.starting.circuit_breaker import TargetHealth
from backfilld.engine.starting.leases import Lease, LeaseGone
from backfilld.engine.starting.work_payload import session_work
from backfilld.events import AttemptEnded, AttemptInterrupted, TryEnded
from backfilld.executors.base import Executor, NotPermitted, Work
from backfilld.executors.definition import DEFAULT_MAX_ATTEMPTS
from backfilld.store.backfills.leases import Word
from backfilld.store.connection import transient_errors
from backfilld.store.sessions.live_attempts import LiveAttemptStore, TakenAttempt

log = logging.getLogger(__name__)
T = TypeVar("T")

LOOKS_AGAIN = timedelta(seconds=1)  # at what was refused by something that does not say for how long


class AttemptRun:
    """`run` returns when the attempt is finished, or was given back; or its lease is lost."""

    def __init__(
        self,
        lease: Lease[TakenAttempt],
        gate: LiveGate,
        store: LiveAttemptStore,
        patience: Patience,
        tools: EngineContext,
    ) -> None:
        self._lease = lease
        self._taken = lease.grant
        self._gate = gate
        self._store = store
        self._patience = patience
        self._tools = tools
        self._trial: asyncio.Task[Verdict] | None = None
        self._ticket: LiveTicket | None = None
        self._killed = False
        self._is_cut_off = False
        lease.on_word = self._heard
        lease.on_lost = self.cut_off

    @property
    def is_suspect(self) -> bool:
        """True if it was under way when a process died."""
        return self._taken.interruptions > 0

    def _heard(self, word: Word) -> None:
        if word.is_killed:
            self.kill()

    def kill(self) -> None:
        """Somebody wants it to end: cut off what is under way."""
        self._killed = True
        if self._ticket is not None:
            self._ticket.is_killed = True
        self.cut_off()

    def cut_off(self) -> None:
        """Stop what is under way; once, so that an executor can put away what it has to."""
        if self._trial is not None and not self._is_cut_off:
            self._is_cut_off = True
            self._trial.cancel()

    async def run(self) -> None:
        now = self._tools.clock.now()
        if self._taken.was_under_way:
            times = self._taken.interruptions
            self._tools.bus.tell(AttemptInterrupted(self._taken.id, self._taken.workflow_name, times))
        if self._taken.interruptions >= MOST_INTERRUPTIONS:
            await self._finish(interrupted(self._item, now))
            return
        try:
            work = self._work()
        except ValueError as problem:
            await self._finish(self._failed("definition_invalid", str(problem)[:500], now))
            return
        executor = self._tools.executors.for_revision(self._taken.revision_id, self._taken.definition)
        health = self._tools.targets.health(executor.target)
        if self._gate.refusal(self._lease, health) is not None:
            await self._give_back(self._looks_again(health))
        elif await self._patiently(lambda: self._store.begin(self._taken.id, self._taken.fence, now)):
            reached(Point.ATTEMPT_BEGUN)
            await self._try(executor, health, work)
            if self._lease.lost:
                await self._take_back_charge()
        else:
            await self._give_back(None)

    async def _try(self, executor: Executor, health: TargetHealth, work: Work) -> None:
        clock = self._tools.clock
        self._ticket = ticket = self._gate.permit(self._lease, health)
        ticket.is_killed = self._killed
        began, began_at = clock.monotonic(), clock.now()
        self._trial = asyncio.create_task(executor.execute(work, ticket), name=f"attempt {self._taken.id}")
        try:
            await asyncio.wait([self._trial])
        finally:
            if not self._trial.done():
                self.cut_off()
            ticket.end()
        verdict = self._verdict(self._trial)
        if verdict is None and ticket.is_probe:
            health.abandon_probe()
        if verdict is not None:
            await self._settle(verdict, executor, health, ticket, began_at, clock.monotonic() - began)
        elif self._killed:
            await self._finish(self._cancelled(ticket.started_at))
        else:
            await self._give_back(self._looks_again(health))

    async def _take_back_charge(self) -> None:
        """Asked once: the renewal that told of the loss has just been answered."""
        try:
            await self._store.take_back_charge(self._taken)
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                raise

    def _verdict(self, trial: "asyncio.Task[Verdict]") -> Verdict | None:
        """None: it did not start, or was cut off."""
        if trial.cancelled() or isinstance(trial.exception(), NotPermitted):
            return None
        if (problem := trial.exception()) is None:
            return trial.result()
        if not isinstance(problem, Exception):
            raise problem
        log.error("the executor of %s failed on its own account", self._taken.workflow_name, exc_info=problem)
        return Verdict(VerdictKind.TRY_AGAIN, error_class="executor_error", error=repr(problem)[:500])

    async def _settle(
        self,
        verdict: Verdict,
        executor: Executor,
        health: TargetHealth,
        ticket: LiveTicket,
        began_at: datetime,
        seconds: float,
    ) -> None:
        taken, now = self._taken, self._tools.clock.now()
        started_at = ticket.started_at or began_at
        result = judge(
            verdict,
            self._item,
            started_at=started_at,
            finished_at=now,
            max_attempts=int(taken.definition.get("max_attempts") or DEFAULT_MAX_ATTEMPTS),
            others_succeed=health.last_success_at is not None and health.last_success_at > started_at,
            backoff=self._tools.limits.backoff,
            draw=self._tools.draw,
        )
        health.note(verdict, f"attempt {taken.id}", probe=ticket.is_probe, at=now)
        ended = result.status if isinstance(result, Outcome) else None
        self._tools.bus.tell(
            TryEnded(None, taken.workflow_name, executor.target, verdict.kind, verdict.error_class, seconds, ended)
        )
        if isinstance(result, Outcome):
            await self._finish(result)
        elif self._killed:
            await self._finish(self._cancelled(started_at))
        elif isinstance(result, Held):
            await self._give_back(self._looks_again(health))
        else:
            await self._patiently(
                lambda: self._store.rest(
                    taken, now, next_attempt_at=result.next_attempt_at, tries=result.attempt, counted=result.counted,
                    log=result.log,
                )
            )  # fmt: skip

    async def _finish(self, outcome: Outcome) -> None:
        reached(Point.ATTEMPT_BEFORE_END)
        try:
            await self._patiently(lambda: self._store.finish(self._taken, outcome))
        except Exception as problem:
            if not transient_errors.is_data_error(problem):
                raise
            why = f"what became of this attempt cannot be stored: {type(problem).__name__}"
            outcome = replace(
                self._failed(UNRECORDABLE, why, outcome.finished_at), started_at=outcome.started_at,
                attempts=outcome.attempts,
            )  # fmt: skip
            await self._patiently(lambda: self._store.finish(self._taken, outcome))
        reached(Point.ATTEMPT_ENDED)
        if not self._lease.lost:
            session = self._taken.session
            self._tools.bus.tell(
                AttemptEnded(self._taken.id, self._taken.workflow_name, session.session_time, outcome.status)
            )

    async def _give_back(self, next_attempt_at: datetime | None) -> None:
        """As if it had never been taken, but not before then."""
        now, taken = self._tools.clock.now(), self._taken
        await self._patiently(
            lambda: self._store.rest(
                taken, now, next_attempt_at=next_attempt_at, tries=taken.tries, counted=taken.counted
            )
        )  # fmt: skip

    def _looks_again(self, health: TargetHealth) -> datetime | None:
        """When there is a point in taking it again. None: what holds it up is not the target."""
        obstacle = health.obstacle()
        if obstacle is None:
            return None if not self._gate.is_open else self._tools.clock.now() + LOOKS_AGAIN
        return obstacle.until or self._tools.clock.now() + LOOKS_AGAIN

    async def _patiently(self, write: Callable[[], Awaitable[T]]) -> T | None:
        """Ask until the database answers; None if the lease was lost before it did."""
        with contextlib.suppress(LeaseGone):
            return await self._patience.insist(write, check=self._lease.check)
        return None

    @property
    def _item(self) -> Item:
        """The attempt in the shape in which retries are judged."""
        taken = self._taken
        return Item(
            backfill_no=0, position=0, entity_id=str(taken.id), attributes={}, as_of=None, read_at=0.0,
            tries=taken.tries, counted=taken.counted, interruptions=taken.interruptions,
            first_started_at=taken.started_at,
        )  # fmt: skip

    def _work(self) -> Work:
        taken = self._taken
        return session_work(
            taken.session,
            workflow_id=taken.workflow_id,
            workflow_name=taken.workflow_name,
            definition=taken.definition,
            attempt=taken.tries + 1,
            key=attempt_key(taken.session.session_uuid, taken.session.index),
            timeout_seconds=self._tools.limits.timeout_seconds,
        )

    def _failed(self, error_class: str, error: str, at: datetime) -> Outcome:
        return Outcome(
            "failed", self._taken.started_at or at, at, self._taken.tries, error_class=error_class, error=error
        )

    def _cancelled(self, started_at: datetime | None) -> Outcome:
        tries = self._taken.tries + (started_at is not None)
        return Outcome("cancelled", started_at, self._tools.clock.now(), tries)
