"""An item on its way, from its slot to the recorder: refreshed, tried, and what became of it handed on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.records import Item, Outcome, Try
from backfilld.domain.backfills.retries import Held
from backfilld.domain.backfills.states import Status
from backfilld.engine.backfills.gate import CannotGoOn
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.backfills.running.attributes import Unreadable
from backfilld.engine.backfills.running.item_payload import payloads_of
from backfilld.engine.backfills.running.plan_reader import PlanReader
from backfilld.engine.backfills.running.session_chain import Chain
from backfilld.engine.backfills.source_holds import held_by
from backfilld.engine.starting.internal_errors import outcome_of
from backfilld.engine.starting.one_try import OneTry
from backfilld.engine.starting.start_gate import Permit
from backfilld.engine.starting.targets.boot_deadline import BootDeadline
from backfilld.executors.base import Work
from backfilld.sources.base import SourceBroken, SourceUnreachable
from backfilld.store.connection import transient_errors

log = logging.getLogger(__name__)

SOURCE_PAUSE_SECONDS = 5.0
# Items that one slot may end without waiting for anything, before others have their turn. The recorder is one of them:
# its commit has to begin while there is room for what ends meanwhile.
TURN = 5


async def no_other() -> Item | None:
    """Nothing follows."""
    return None


class ItemRun:
    """Carries single items of one backfill; the worker decides which and when."""

    def __init__(self, run: Run, account: RunState, reader: PlanReader, one_try: OneTry, chain: Chain) -> None:
        self._run = run
        self._gate = run.gate
        self._chain = chain
        self._account = account
        self._reader = reader
        self._one_try = one_try
        self._tools = run.context
        self._works_of = run.backfill
        self._make_work = payloads_of(run.backfill, run.context.timeout_seconds)
        self._places = run.places
        self._source_hold: tuple[SourceUnreachable, datetime] | None = None  # what it said, and since when
        self._price = run.backfill.credits_per_entity or None  # of an item whose target does not say what it cost
        self._asks_source_again = BootDeadline(run.context.clock)
        self._held_since_ask = 0  # `gate.asked` when it began

    async def process(self, first: Item, following: Callable[[], Awaitable[Item | None]] = no_other) -> None:
        """Try `first` once, then those that follow it. Of each the recorder has what became of it, or it went back."""
        if first.position in self._chain.killed:  # ended between its choice and now
            self._account.batched(first.position)
            return
        item: Item | None = first
        done = 0
        try:
            async with self._places:  # waiting for it may take longer than attributes stay fresh
                while item is not None and await self._process(item) and self._source_hold is None:
                    done += 1
                    if done % TURN == 0:
                        await asyncio.sleep(0)
                    item = await following()
        except asyncio.CancelledError:
            if first.position not in self._chain.killed:  # whose items never follow each other
                raise
            self.end_killed(first.position, first)

    def end_killed(self, position: int, item: Item | None = None, began_at: datetime | None = None) -> None:
        """End an item that somebody killed: `item` if it was on its way, `began_at` if it had been started."""
        tries = item.tries if item else 0
        first = item.first_started_at if item else None
        outcome = Outcome("cancelled", first or began_at, self._tools.clock.now(), tries + (began_at is not None))
        self._account.retries_known = False  # its retry may have been the next one
        self._account.hand_out.handed += item is None  # it is settled without having been handed out
        self._tools.recorder.submit(self._account, position, outcome, had_retry=True)

    async def _process(self, item: Item) -> bool:
        """False if it went back. Whatever its way raises is the end of this item, and of nothing else."""
        try:
            if self._reader.is_stale(item):
                item = await self._reader.refreshed(item)
            self._source_hold = None  # it has answered, or need not be asked
            if item.skip_reason is not None:
                self.skip(item, item.skip_reason)
                return True
            return await self._try(item)
        except SourceBroken as problem:
            raise CannotGoOn.with_source(problem) from problem
        except SourceUnreachable as problem:
            self.hold_for_source(problem)
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                log.exception("an item ends on an error of our own: %s", item.entity_id)
                now = self._tools.clock.now()
                self.record(item, outcome_of(problem, started_at=item.first_started_at, at=now, attempts=item.tries))
                return True
            self.hold_for_source(SourceUnreachable(transient_errors.in_words(problem)))
        self._reader.give_back(item)
        return False

    async def _try(self, item: Item) -> bool:
        permit = self._gate.permit(item)
        try:
            result = await self._one_try.run(item, self._work, permit)
        except asyncio.CancelledError:
            if item.position in self._chain.killed:
                self.end_killed(item.position, item, permit.started_at)
                await self._stop(item, permit)
                return True
            if self._run.backfill.status is Status.CANCELLING:
                if permit.started:
                    self.record(item, _cancelled(item, permit.started_at, self._tools.clock.now()), started=True)
                if self._run.backfill.cancel_in_flight:
                    await self._stop(item, permit)
            elif permit.started and not item.in_doubt:  # else it is known already that its target may be at it
                self._account.cut_off.add(item.position)
            raise
        if result is None:
            self._reader.give_back(item)
            return False
        if isinstance(result, Held):
            self._reader.give_back_refused(item)
            if permit.is_probe and self._reader.has_only_refused:
                permit.gate.health.doubt(item.place)
            return False
        self.record(item, result, started=permit.started)
        return True

    async def _stop(self, item: Item, permit: Permit[Item]) -> None:
        """A person wants it to end, which is more than that it was cut off: also what a dead owner may have started."""
        if permit.started or item.in_doubt:
            await self._one_try.stop(item, self._work)

    def skip(self, item: Item, why: str) -> None:
        """End `item` without a start."""
        now = self._tools.clock.now()
        self.record(item, Outcome("skipped", item.first_started_at, now, item.tries, skip_reason=why))

    def record(self, item: Item, result: Outcome | Try, *, started: bool = False) -> None:
        """Hand over to the recorder what became of `item`, with its price if its target may have seen it.

        `started`: just now; earlier tries say so themselves.
        """
        may_have_cost = self._price is not None and (started or item.in_doubt)
        if may_have_cost and isinstance(result, Outcome) and result.credits is None:
            result = replace(result, credits=self._price)
        self._tools.recorder.submit(self._account, item.position, result, had_retry=item.is_retry)

    def hold_for_source(self, problem: SourceUnreachable) -> None:
        """The source does not answer: nothing starts until it is asked again."""
        clock = self._tools.clock
        since = self._source_hold[1] if self._source_hold else clock.now()
        self._source_hold, self._held_since_ask = (problem, since), self._gate.asked
        pause = 0.0 if problem.until is None else (problem.until - clock.now()).total_seconds()
        self._asks_source_again.move(clock.boottime() + max(pause, SOURCE_PAUSE_SECONDS))

    @property
    def source_hold(self) -> Reason | None:
        """Why nothing starts, if the source did not answer; None while it may be asked again."""
        is_over = not self._asks_source_again.is_to_come or self._gate.asked != self._held_since_ask
        if self._source_hold is None or is_over:
            return None
        problem, since = self._source_hold
        until = self._asks_source_again.told
        return held_by(problem, since=since, until=until)

    @property
    def asks_source_again(self) -> bool:
        """True while nobody knows whether the source answers again."""
        return self._source_hold is not None

    def _work(self, item: Item) -> Work:
        if type(item.attributes) is Unreadable:
            raise item.attributes.problem
        if self._gate.backfill is not self._works_of:  # asked for every item
            self._works_of = self._gate.backfill
            self._make_work = payloads_of(self._works_of, self._tools.timeout_seconds)
        return self._make_work(item)


def _cancelled(item: Item, started_at: datetime | None, now: datetime) -> Outcome:
    return Outcome("cancelled", started_at, now, item.attempt)
