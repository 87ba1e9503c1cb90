"""Carries one backfill for as long as its lease stands and there is something to do.

Plan, work, end: each step looks at the status as it is then, so that a pause, a cancel or a resume that
arrives at any moment only changes what the next step is.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from structlog.contextvars import bind_contextvars

from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.owner.word import OwnersWord
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import STARTABLE, ReasonCode, Status, end_status
from backfilld.domain.entities.records import NOT_ENUMERABLE
from backfilld.engine.backfills.context import BackfillContext
from backfilld.engine.backfills.gate import CannotGoOn
from backfilld.engine.backfills.limits.own_limits import OwnLimits
from backfilld.engine.backfills.obstacles import Obstacles
from backfilld.engine.backfills.planning.session_source import SessionSource
from backfilld.engine.backfills.planning.step import Planning
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.backfills.running.item_run import ItemRun
from backfilld.engine.backfills.running.plan_reader import PlanReader
from backfilld.engine.backfills.running.recovery import Recovery
from backfilld.engine.backfills.running.session_chain import Chain
from backfilld.engine.backfills.running.takeover import Takeover
from backfilld.engine.backfills.running.worker import Worker
from backfilld.engine.backfills.running.worker_exit import WorkerExit
from backfilld.engine.starting.leases import Lease, LeaseGone
from backfilld.engine.starting.one_try import OneTry
from backfilld.events import LeaseLost, LeaseTaken
from backfilld.sources.base import EntitySource
from backfilld.store.backfills.leases import MOST_ITEMS, Grant, Word
from backfilld.store.backfills.plans import FenceLost
from backfilld.store.connection import transient_errors

log = logging.getLogger(__name__)


class Runner:
    """One backfill, one lease. `run` returns when the lease is given back or lost."""

    def __init__(self, backfill: Backfill, lease: Lease[Grant], tools: BackfillContext) -> None:
        self._lease = lease
        self._tools = tools
        executor = tools.executors.for_revision(backfill.revision_id, backfill.definition)
        self._one_try = OneTry(executor, tools)
        health = tools.health_of(executor, backfill.workflow_name, backfill.revision_id, backfill.settings.params)
        self._run = run = Run.begun(backfill, lease, health, tools)
        self.gate = run.gate
        health.suspect(backfill.reason)
        self._standing = run.status_writer
        self._takeover = Takeover(backfill, lease, tools)
        self._recovery = Recovery(run, self._takeover)
        self._stop_listening = self._recovery.listen(self.gate.changed.set)
        self._chain = Chain(run)
        self._worker: Worker | None = None
        self.obstacles = Obstacles(run, self._recovery, lambda: self._worker)
        self.others: Callable[[], Sequence[Runner]] = lambda: ()  # that run here
        self._news = asyncio.Event()
        lease.in_flight = lambda: len(self.gate.in_flight)
        lease.items = lambda: self.gate.oldest(MOST_ITEMS)
        lease.says = self.says
        lease.on_lost = self._lost
        lease.on_word = self._heard

    @property
    def backfill(self) -> Backfill:
        return self._run.backfill

    async def run(self) -> None:
        """Carry the backfill until there is nothing to do now, then give the lease back."""
        bind_contextvars(backfill_id=str(self.backfill.id))  # on every line that is logged on its behalf
        self._tools.bus.tell(LeaseTaken(self.backfill.id, self._lease.fence, self._lease.grant.clean))
        listener = asyncio.create_task(self._listen(), name=f"{self.backfill.id}/listen")
        try:
            await self._standing.patiently(self._takeover.charge)
            await self._standing.patiently(self._takeover.note_repeats)
            try:
                await self._carry_while_it_hears(listener)
            except (LeaseGone, FenceLost):
                raise
            except Exception:  # told by whoever made us; nobody died, and nothing is in flight
                with contextlib.suppress(Exception):
                    await self._give_back()
                raise
            await self._give_back()
        except (LeaseGone, FenceLost):
            await self._taken_away()
        finally:
            self._tools.keeper.forget(self._lease)
            self.gate.close()
            self._run.keep_last_start()
            self._stop_listening()
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # it was told when it ended
                await listener

    async def _carry_while_it_hears(self, listener: "asyncio.Task[None]") -> None:
        """Carry it; whoever cannot hear any more of a pause may start nothing, so what ended the listener ends this."""
        carrying = asyncio.create_task(self._carry(), name=f"{self.backfill.id}/carry")
        try:
            await asyncio.wait({carrying, listener}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not carrying.done():
                carrying.cancel()
                await asyncio.wait({carrying})
        if not carrying.cancelled():
            carrying.result()
        else:
            listener.result()

    async def _carry(self) -> None:
        try:
            while await self._step():
                pass
        except CannotGoOn as problem:
            await self._standing.move(Status.FAILED, error={"code": problem.code, "message": str(problem)})

    async def learn(self) -> int:
        """Put the row as it is now in force; once this returns its version, nothing starts that it forbids."""
        await self._standing.learn()
        self._run.obey_reload(self._one_try)
        version = self.backfill.version  # a newer one that comes meanwhile may have starts before it on their way out
        if self._worker is not None:
            self._worker.obey_limit()
        self._obey_cancel()  # what is on its way out may be stuck there, and ends by this
        await self.gate.settled()
        return version

    def says(self) -> OwnersWord | None:
        """What others are to know of it; an error of our own costs the word and not the lease."""
        try:
            return self.obstacles.word(other.obstacles for other in self.others())
        except Exception:
            log.exception("what holds backfill %s cannot be told", self.backfill.id)
            return None

    @property
    def obstacle(self) -> Exception | None:
        """What it waits for the database for."""
        return self._standing.obstacle

    def drain(self) -> None:
        """Start nothing any more; what is in flight may finish."""
        self.gate.drain()

    def cancel_in_flight(self) -> None:
        """The grace is over."""
        if self._worker is not None:
            self._worker.cancel_in_flight()

    def hear(self) -> None:
        """Something about this backfill (or its workflow) was changed: read it again."""
        self._news.set()

    async def _step(self) -> bool:
        """Do what the status asks for; False when there is nothing to do now."""
        match self.backfill.status:
            case Status.PLANNING if not self.gate.draining:
                return await Planning(self._run).run()
            case Status.CANCELLING:
                return await self._cancel_rest()
            case status if status in STARTABLE and not self.gate.draining:
                return await self._work()
        return False

    async def _work(self) -> bool:
        self._worker = await self._made_worker()
        try:
            await self._worker.obey_kills()
            left = await self._worker.run()
        finally:
            self._worker = self._lease.hand_out = None
        if left is WorkerExit.NOT_NOW:
            # a resume may have come while the last item was ending
            return self.backfill.status is Status.CANCELLING
        if left is WorkerExit.SAMPLE_DONE and await self._has_unfinished():
            await self._pause_after_sample()
            return True
        return await self._end()

    async def _made_worker(self) -> Worker:
        tools, backfill = self._tools, self.backfill
        limit = backfill.settings.max_in_flight
        opening, hand_out, left = await self._standing.patiently(lambda: self._takeover.open(limit))
        account = RunState(
            self._lease,
            tools.clock,
            mark=0 if backfill.sample_open else opening.mark,
            max_unrecorded=tools.limits.max_unrecorded,
            throughput=opening.throughput,
            hand_out=hand_out,
            of_sessions=backfill.is_schedule,
            limits=OwnLimits(self.gate, tools.clock, opening),
        )
        self._lease.hand_out = hand_out
        self._recovery.serve(account, left)
        source = self._source()
        reader = PlanReader(
            self._run,
            source,
            account,
            wants_another=lambda: self.gate.health.wants_another and not self._chain.is_serial,
        )
        processor = ItemRun(self._run, account, reader, self._one_try, self._chain)
        return Worker(self._run, account, reader, processor, self._recovery, self._chain)

    def _source(self) -> EntitySource | None:
        if self.backfill.is_schedule:
            return SessionSource(self._tools.session_items, self.backfill.number)
        return self._tools.sources.find(self.backfill.settings.entity_type or NOT_ENUMERABLE)

    async def _has_unfinished(self) -> bool:
        return await self._standing.patiently(lambda: self._tools.ledger.has_unfinished(self.backfill.number))

    async def _pause_after_sample(self) -> None:
        progress = await self._standing.patiently(lambda: self._tools.backfills.get_progress(self.backfill.number))
        succeeded, failed = progress.succeeded, progress.failed
        reason = because(
            ReasonCode.SAMPLE_DONE, since=self._tools.clock.now(), sample=succeeded + failed, succeeded=succeeded,
            failed=failed,
        )  # fmt: skip
        await self._standing.move(Status.PAUSED, reason, expected=STARTABLE, sample_open=False)

    async def _end(self) -> bool:
        """Every item has an outcome, says the reader; the counters must say so too."""
        if await self._has_unfinished():
            raise CannotGoOn("nothing of the plan is left to be read, yet items have no outcome; please report this")
        progress = await self._standing.patiently(lambda: self._tools.backfills.get_progress(self.backfill.number))
        reached(Point.END_BEFORE_COMMIT)
        await self._standing.move(end_status(failed=progress.failed), expected=STARTABLE)
        reached(Point.END_AFTER_COMMIT)
        return True

    async def _cancel_rest(self) -> bool:
        """Nothing is in flight any more: whatever has no outcome ends cancelled."""
        tools, number, sessions = self._tools, self.backfill.number, self.backfill.is_schedule
        now, fence = tools.clock.now(), self._lease.fence
        if not await self._standing.patiently(lambda: tools.ledger.cancel_rest(number, fence, now, sessions=sessions)):
            raise LeaseGone
        await self._standing.move(Status.CANCELLED)
        return True

    def _obey_cancel(self) -> None:
        if self.backfill.status is Status.CANCELLING and self.backfill.cancel_in_flight:
            self.cancel_in_flight()

    async def _listen(self) -> None:
        """Put changes in force that were made elsewhere, and acknowledge them to whoever waits."""
        while True:
            await self._news.wait()
            self._news.clear()
            version = await self.learn()
            if self._worker is not None:
                await self._worker.obey_kills()
            await self._acknowledge(version)

    async def _acknowledge(self, version: int) -> None:
        stops = self.backfill.status in (Status.PAUSED, Status.CANCELLING)
        if stops:
            reached(Point.STOP_HEARD)
        store, number, fence = self._tools.keeper.store, self.backfill.number, self._lease.fence
        await self._standing.patiently(lambda: store.acknowledge(number, fence, version))
        if stops:
            reached(Point.STOP_ACKNOWLEDGED)

    def _heard(self, word: Word) -> None:
        if word.version > self.backfill.version:
            self.hear()
        self.gate.changed.set()  # the lease is safe again, if it was not

    def _lost(self) -> None:
        self._tools.bus.tell(LeaseLost(self.backfill.id, self._lease.fence))
        self.gate.changed.set()
        self.cancel_in_flight()

    async def _give_back(self) -> None:
        await self._recovery.leave()
        await self._standing.patiently(lambda: self._tools.keeper.give_back(self._lease, in_order=True))
        if self.backfill.is_schedule:  # whoever wanted to end one a moment ago may have thought that we would
            items, number, now = self._tools.session_items, self.backfill.number, self._tools.clock.now()
            await self._standing.patiently(lambda: items.end_killed(number, now))

    async def _taken_away(self) -> None:
        """Somebody else owns it now. One last word: whoever stood alone with us did not kill us."""
        try:
            await self._recovery.take_back()
        except Exception as problem:
            if not transient_errors.is_transient(problem):
                raise
