"""One try of one attempt outside of backfills, from its lease to what is written of it."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from backfilld.crash_points import Point, reached
from backfilld.domain.backfill_settings import usual_attempts
from backfilld.domain.backfills.records import Item, Outcome, Try
from backfilld.domain.backfills.retries import MOST_INTERRUPTIONS, UNRECORDABLE, Held, interrupted
from backfilld.domain.brakes.settings import Start
from backfilld.domain.sessions.records import attempt_key
from backfilld.engine.attempts.gate import AttemptGate
from backfilld.engine.attempts.repeating import AttemptTurn
from backfilld.engine.service import Patience
from backfilld.engine.starting.context import EngineContext
from backfilld.engine.starting.internal_errors import outcome_of
from backfilld.engine.starting.leases import Lease, LeaseGone
from backfilld.engine.starting.one_try import OneTry, Result
from backfilld.engine.starting.start_gate import Permit, Terms
from backfilld.engine.starting.work_payload import session_work
from backfilld.events import AttemptEnded, AttemptInterrupted, AttemptRepeated
from backfilld.executors.base import Work
from backfilld.store.backfills.leases import Word
from backfilld.store.connection import transient_errors
from backfilld.store.sessions.live_attempts import LiveAttemptStore, TakenAttempt

log = logging.getLogger(__name__)
T = TypeVar("T")

BRAKED_LOOKS_AGAIN = timedelta(seconds=5)  # brakes hold for minutes, and many may wait
SHORTEST_REST_SECONDS = 0.1  # while somebody else's turn comes first
LOOKS_AGAIN = timedelta(seconds=1)  # at what was refused by something that does not say for how long


class AttemptRun:
    """`run` returns when the attempt is finished, or was given back; or its lease is lost."""

    def __init__(
        self, lease: Lease[TakenAttempt], store: LiveAttemptStore, patience: Patience, context: EngineContext
    ) -> None:
        """Raises what keeps its work from being told: a definition that cannot be read any more."""
        self._lease = lease
        self._taken = taken = lease.grant
        self._store = store
        self._patience = patience
        self._context = context
        self._item = item_of(taken)
        executor = context.executors.for_revision(taken.revision_id, taken.definition)
        self._work = self._make_work()
        health = context.health_of(executor, taken.workflow_name, taken.revision_id, self._work.variables)
        terms = Terms(taken.workflow_name, usual_attempts(taken.definition))
        self.gate = AttemptGate(lease, health, context.clock, terms)
        self.gate.asks_as = ("attempt", taken.id)
        workflow = f"{taken.project_name}/{taken.workflow_name}"
        self.gate.obey(context.brakes, Start(workflow, health.origin.target, live=True))
        self._one_try = OneTry(executor, context)
        self.turn = AttemptTurn(taken.id, taken.repeat_round, context.repeats, context.clock)
        self.gate.on_sent = self.turn.sent
        self._trial: asyncio.Task[Result | None] | None = None
        self._is_cut_off = False
        lease.on_word = self._heard
        lease.on_lost = self.cut_off

    def _heard(self, word: Word) -> None:
        if word.is_killed:
            self.gate.kill()
            self.cut_off()

    def cut_off(self) -> None:
        """Stop what is under way; once, so that an executor can put away what it has to."""
        if self._trial is not None and not self._is_cut_off:
            self._is_cut_off = True
            self._trial.cancel()

    async def run(self) -> None:
        """Whatever its way raises is the end of this attempt, and of nothing else."""
        try:
            await self._run()
        except Exception as problem:
            log.exception("attempt %s of %s ends on an error of our own", self._taken.id, self._taken.workflow_name)
            started_at, at = self._taken.started_at, self._context.clock.now()
            await self._finish(outcome_of(problem, started_at=started_at, at=at, attempts=self._taken.tries))
        finally:
            self.turn.end()
            self.gate.close()

    async def _run(self) -> None:
        taken, now = self._taken, self._context.clock.now()
        if taken.is_charged:
            self._context.bus.tell(AttemptInterrupted(taken.id, taken.workflow_name, taken.interruptions))
        elif taken.was_under_way:
            self._context.bus.tell(AttemptRepeated(taken.id, taken.workflow_name, taken.repeat_round))
        if taken.interruptions >= MOST_INTERRUPTIONS:
            await self._finish(interrupted(self._item, now))
            return
        if self.gate.refusal(now) is not None:
            await self._give_back(self._looks_again())
        elif seconds := self.gate.turn_in():
            await self._give_back(now + timedelta(seconds=max(seconds, SHORTEST_REST_SECONDS)))
        elif self.turn.may_begin() and await self._begin():
            reached(Point.ATTEMPT_BEGUN)
            permit = self.gate.permit(self._item)
            await self._settle(await self._try(permit), permit)
            if self._lease.lost and self.turn.stood_alone:
                await self._take_back_charge()
        else:
            await self._give_back(None)

    async def _begin(self) -> bool:
        """Write the beginning down before it happens; False if it may not begin any more."""
        taken, store, now = self._taken, self._store, self._context.clock.now()

        async def write(alone: bool) -> bool:
            return await self._insist(lambda: store.begin(taken.id, taken.fence, now, alone=alone))

        with contextlib.suppress(LeaseGone):
            return await self.turn.begin(write, lambda: self._insist(lambda: store.unname(taken.id, taken.fence)))
        return False

    async def _try(self, permit: Permit[Item]) -> Result | None:
        """None: it did not start, or was cut off. In a task of its own, which can be cut off while this goes on."""
        trying = self._one_try.run(self._item, lambda _: self._work, permit)
        self._trial = asyncio.create_task(trying, name=f"attempt {self._taken.id}")
        try:
            await asyncio.wait([self._trial])
        finally:
            if not self._trial.done():
                self.cut_off()
        return None if self._trial.cancelled() else self._trial.result()

    async def _settle(self, result: Result | None, permit: Permit[Item]) -> None:
        if isinstance(result, Outcome):
            await self._finish(result)
        elif self.gate.is_killed:
            await self._finish(self._cancelled(permit.started_at))
            if result is None and permit.started:
                await self._one_try.stop(self._item, lambda _: self._work)
        elif isinstance(result, Try):
            await self._rest(result.next_attempt_at, result)
        elif isinstance(result, Held):
            await self._give_back(self._looks_again(last=True))
        else:
            await self._rest(self._looks_again(), None, cut_off=permit.started)

    async def _take_back_charge(self) -> None:
        """Asked once: the renewal that told of the loss has just been answered."""
        try:
            await self._store.take_back_charge(self._taken)
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                raise

    async def _finish(self, outcome: Outcome) -> None:
        reached(Point.ATTEMPT_BEFORE_END)
        try:
            await self._patiently(lambda: self._store.finish(self._taken.id, self._taken.fence, outcome))
        except Exception as problem:
            if not transient_errors.is_data_error(problem):
                raise
            why = f"what became of this attempt cannot be stored: {type(problem).__name__}"
            outcome = replace(
                self._failed(UNRECORDABLE, why, outcome.finished_at), started_at=outcome.started_at,
                attempts=outcome.attempts,
            )  # fmt: skip
            await self._patiently(lambda: self._store.finish(self._taken.id, self._taken.fence, outcome))
        reached(Point.ATTEMPT_ENDED)
        if not self._lease.lost:
            session = self._taken.session
            self._context.bus.tell(
                AttemptEnded(self._taken.id, self._taken.workflow_name, session.session_time, outcome.status)
            )

    async def _give_back(self, next_attempt_at: datetime | None) -> None:
        """As if it had never been taken, but not before then."""
        await self._rest(next_attempt_at, None)

    async def _rest(self, next_attempt_at: datetime | None, tried: Try | None, *, cut_off: bool = False) -> None:
        store, taken, now = self._store, self._taken, self._context.clock.now()
        await self._patiently(
            lambda: store.rest(taken, now, next_attempt_at=next_attempt_at, tried=tried, cut_off=cut_off)
        )

    def _looks_again(self, *, last: bool = False) -> datetime | None:
        """When there is a point in taking it again, after its likes if `last`. None: the target does not hold it."""
        now = self._context.clock.now()
        soon = now + LOOKS_AGAIN
        if self.gate.brakes is not None and self.gate.brake_refusal(now) is not None:
            return now + BRAKED_LOOKS_AGAIN
        if (reason := self.gate.health.reason()) is not None:
            return (reason.until or soon) + (LOOKS_AGAIN if last else timedelta())
        return None if self.gate.draining or self.gate.stop_refusal() else soon

    async def _patiently(self, write: Callable[[], Awaitable[T]]) -> T | None:
        """Ask until the database answers; None if the lease was lost before it did."""
        with contextlib.suppress(LeaseGone):
            return await self._insist(write)
        return None

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T:
        return await self._patience.insist(write, check=self._lease.check)

    def _make_work(self) -> Work:
        taken = self._taken
        return session_work(
            taken.session,
            workflow_id=taken.workflow_id,
            workflow_name=taken.workflow_name,
            definition=taken.definition,
            attempt=taken.tries + 1,
            key=attempt_key(taken.session.session_uuid, taken.session.index),
            timeout_seconds=self._context.timeout_seconds,
        )

    def _failed(self, error_class: str, error: str, at: datetime) -> Outcome:
        return Outcome(
            "failed", self._taken.started_at or at, at, self._taken.tries, error_class=error_class, error=error
        )

    def _cancelled(self, started_at: datetime | None) -> Outcome:
        tries = self._taken.tries + (started_at is not None)
        return Outcome("cancelled", started_at, self._context.clock.now(), tries)


def item_of(taken: TakenAttempt) -> Item:
    """The attempt in the shape in which tries are judged. No backfill has the number 0, so its place is its own."""
    return Item(
        backfill_number=0, position=taken.id, entity_id=str(taken.id), attributes={}, as_of=None, read_at=0.0,
        tries=taken.tries, counted=taken.counted, interruptions=taken.interruptions,
        first_started_at=taken.started_at, last_failed_at=taken.last_failed_at,
        in_doubt=taken.in_doubt, unknown_since=taken.unknown_since,
    )  # fmt: skip
