"""Starts the items of one backfill, one free slot at a time, until nothing is left to start.

First the slot, then the item, then the gate. A closed gate makes it wait, never leave while something is
in flight; a slot is refilled the moment it frees.
"""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from backfilld.domain.backfills.holding import OF_BREAKERS, Reason, because, looks_again_at
from backfilld.domain.backfills.records import Item
from backfilld.domain.backfills.states import STARTABLE, ReasonCode, Status
from backfilld.engine.backfills import source_holds
from backfilld.engine.backfills.gate import CannotGoOn
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.run_state import RunState
from backfilld.engine.backfills.running.fast_path import FastPath
from backfilld.engine.backfills.running.item_order import ItemOrder
from backfilld.engine.backfills.running.item_run import ItemRun
from backfilld.engine.backfills.running.limit_reached import LIMITS, LimitReached
from backfilld.engine.backfills.running.plan_reader import PlanReader
from backfilld.engine.backfills.running.recovery import Recovery
from backfilld.engine.backfills.running.session_chain import Chain
from backfilld.engine.backfills.running.slots import Slots
from backfilld.engine.backfills.running.turns import Turns
from backfilld.engine.backfills.running.worker_exit import WorkerExit
from backfilld.engine.starting.start_gate import Refusal

STAYS_FOR = timedelta(seconds=2)  # a wait as short as this is not worth giving the lease back
LOOKS_AGAIN = timedelta(milliseconds=500)  # for what nobody announces: a lease that may be renewed, a ramp


class Worker:
    """`run` returns when nothing is in flight and nothing is unrecorded."""

    def __init__(
        self,
        run: Run,
        account: RunState,
        reader: PlanReader,
        processor: ItemRun,
        recovery: Recovery,
        chain: Chain,
    ) -> None:
        self._run = run
        self._gate = run.gate
        self._standing = run.status_writer
        self._lease = run.lease
        self._tools = run.context
        self._chain = chain
        self._account = account
        self._reader = reader
        self._processor = processor
        self._recovery = recovery
        self._limit = LimitReached(run, account)
        self._turns = Turns(run, account, chain, lambda position: position in self._tasks.values())
        self._slots = Slots(account.hand_out.max_in_flight)  # which may have been changed since: see `obey_limit`
        tools = run.context
        self._chooser = ItemOrder(
            reader, recovery, processor, run.status_writer, account, chain, tools.recovery, tools.ledger
        )
        self._following = FastPath(run, account, reader, recovery, self._slots)
        self._tasks: dict[asyncio.Task[None], int] = {}  # and the positions that they began with
        self._cut_off: set[asyncio.Task[None]] = set()  # each once: it may be telling its target so
        self._left: WorkerExit = WorkerExit.NOT_NOW
        self._bug: BaseException | None = None

    async def run(self) -> WorkerExit:
        """Start what may start, until nothing is left or nothing may for a while."""
        noting = asyncio.create_task(self._standing.note_first_start())
        self._gate.on_slots = self.obey_limit
        self._gate.on_sent = None if self._recovery.is_complete else self._recovery.sent
        try:
            while (item := await self._next_with_slot()) is not None:
                if self._recovery.is_repeat(item):
                    await self._repeat(item)
                else:
                    await self._recovery.before_others()
                    self._spawn(self._processor.process(item, self._following.next), item)
        except CannotGoOn:
            raise  # what is in flight may finish
        except BaseException:
            self.cancel_in_flight()
            raise
        finally:
            noting.cancel()
            await self._wind_up()
        return self._left

    @property
    def source_hold(self) -> Reason | None:
        """Why nothing starts, if the source does not answer."""
        return self._processor.source_hold

    def cancel_in_flight(self) -> None:
        """Stop what is running: somebody asked for it, the grace is over, or the lease is lost."""
        for task in self._tasks.keys() - self._cut_off:
            task.cancel()
        self._cut_off = set(self._tasks)

    async def obey_kills(self) -> None:
        """End what somebody wants to end: cut it off if it is on its way, else write its end down."""
        killed = await self._chain.newly_killed()
        carried_by = {position: task for task, position in self._tasks.items()}
        for position in killed:
            if position in carried_by:
                carried_by[position].cancel()
            else:
                self._processor.end_killed(position)
        self._gate.changed.set()

    def obey_limit(self) -> None:
        """Have as many slots as the backfill says now; also while every slot is taken, and nobody looks."""
        if self._gate.slots != self._slots.limit:
            self._slots.resize(self._gate.slots)
            self._account.hand_out.resize(self._slots.limit)

    async def _next_with_slot(self) -> Item | None:
        await self._slots.acquire()
        item: Item | None = None
        try:
            item = await self._next_startable()
        finally:
            if item is None:
                self._slots.release()
        return item

    def _spawn(self, process: Coroutine[Any, Any, None], item: Item) -> "asyncio.Task[None]":
        task = asyncio.create_task(process, name=f"{item.backfill_number}/{item.entity_id} …")
        self._tasks[task] = item.position
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._over(task)
        self._slots.release()
        self._gate.changed.set()
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._bug = bug

    def _over(self, task: asyncio.Task[None]) -> None:
        position = self._tasks.pop(task)
        if task.cancelled() and position in self._chain.killed:  # before it could see to its own end
            self._processor.end_killed(position)

    async def _repeat(self, item: Item) -> None:
        """Start what a dead owner may have started, when it is known who stands alone then; return when others may."""
        recovery, turn = self._recovery, None
        try:
            turn = await recovery.begin(item)
        finally:
            if turn is None:
                self._chooser.give_back(item)
                self._slots.release()
        if turn is not None:
            task = self._spawn(self._processor.process(item), item)
            task.add_done_callback(
                lambda done: recovery.ended(turn, came_back=self._reader.came_back(item), cut_off=done.cancelled())
            )
            await recovery.next_may_begin(task, turn)

    async def _next_startable(self) -> Item | None:
        """The next item that may start now. None: leave; `_left` says why."""
        while True:
            if self._bug is not None:
                raise self._bug
            self._gate.changed.clear()
            self.obey_limit()
            now = self._tools.clock.now()
            refusal = self._refusal(now)
            if refusal is not None:
                if await self._refused(refusal):
                    return None
            elif self._recovery.is_reading and not self._recovery.may_begin:
                await self._wait(now + LOOKS_AGAIN)
            elif await self._has_room() and not await self._turns.are_over():
                item = await self._chooser.next(now, self._slots.limit)
                if item is not None:
                    if (
                        await self._turns.is_due(item)
                        and await self._say_running()
                        and await self._turns.has_come(item)
                    ):
                        return item
                    self._chooser.give_back(item)
                elif await self._nothing_to_start():
                    return None

    def _refusal(self, now: datetime) -> Refusal | None:
        self._lease.check()
        refusal = self._gate.refusal(now)
        if refusal is None and (hold := self._processor.source_hold) is not None:
            return Refusal.of(hold)
        return refusal

    async def _refused(self, refusal: Refusal) -> bool:
        """Nothing may start: say so and wait. True if the worker should leave."""
        reason, code = refusal.reason, refusal.code
        startable = self._run.backfill.status in STARTABLE
        if startable and reason is not None and code in LIMITS:
            self._left = WorkerExit.NOTHING_LEFT
            return await self._limit.leaves(reason)
        leaves = not startable or code is ReasonCode.DRAINING
        if startable and reason is not None and code is not ReasonCode.DRAINING:
            wake_at = looks_again_at(reason, self._tools.clock.now())
            if not await self._standing.stand_still(reason, wake_at=wake_at):
                return False
            leaves = wake_at is not None and wake_at - self._tools.clock.now() > STAYS_FOR
        if leaves and self._is_idle:
            self._left = WorkerExit.NOT_NOW
            return True
        if leaves:
            self._tools.recorder.hurry()
        until = refusal.until if reason is not None else self._tools.clock.now() + LOOKS_AGAIN
        await self._wait(until)
        return False

    async def _has_room(self) -> bool:
        """False after a wait: too much is unrecorded, or the ramp does not allow more yet."""
        if not self._account.has_room:
            await self._tools.recorder.room_for(self._account)
            return False
        if len(self._tasks) >= self._gate.ramp_limit():
            await self._wait(self._tools.clock.now() + LOOKS_AGAIN / 5)
            return False
        return True

    async def _say_running(self) -> bool:
        """An item is about to start. `waiting` stays while nothing but retries is left."""
        reason = self._run.backfill.reason
        waited_for = reason.code if reason is not None and self._run.backfill.status is Status.WAITING else None
        remark = self._recovery.reason()
        if waited_for is ReasonCode.WAITING_FOR_RETRY and self._reader.is_exhausted and remark is None:
            return True
        if reason is not None and self._may_still_hold(reason):
            return True
        opened = waited_for is ReasonCode.OUTSIDE_WINDOW
        went_on = await self._standing.go_on(remark)
        if went_on and opened:
            self._gate.open_slowly()
        return went_on

    def _may_still_hold(self, reason: Reason) -> bool:
        """True while what is about to start is how it is found out whether that is over."""
        if reason.code in source_holds.CODES:
            return self._processor.asks_source_again
        return reason.code in OF_BREAKERS and self._gate.is_probing

    async def _nothing_to_start(self) -> bool:
        """Neither plan nor retries have anything now. True if the worker should leave."""
        if self._processor.source_hold is not None:
            return False
        if self._reader.has_more or self._recovery.holds_others:
            if self._account.unrecorded:
                self._tools.recorder.hurry()
            await self._wait(self._tools.clock.now() + LOOKS_AGAIN)
            return False
        if not self._is_idle:
            self._tools.recorder.hurry()
            await self._wait(self._account.next_retry_at)
            return False
        due_at = self._account.next_retry_at
        if due_at is None:
            self._left = WorkerExit.SAMPLE_DONE if self._reader.reads_sample else WorkerExit.NOTHING_LEFT
            return True
        now = self._tools.clock.now()
        if due_at <= now:
            return False
        if due_at - now > STAYS_FOR and await self._standing.patiently(lambda: self._reader.wait_anew(now)):
            return False
        case = "chain" if self._chain.is_serial else "items"
        reason = because(ReasonCode.WAITING_FOR_RETRY, since=now, until=due_at, case=case)
        if not await self._standing.stand_still(reason, wake_at=due_at):
            return False
        if due_at - now > STAYS_FOR:
            self._left = WorkerExit.NOT_NOW
            return True
        await self._wait(due_at)
        return False

    @property
    def _is_idle(self) -> bool:
        return not self._tasks and not self._account.unrecorded

    async def _wait(self, until: datetime | None) -> None:
        await self._account.wait(self._gate.changed, until)

    async def _wind_up(self) -> None:
        """Whatever made us leave: nothing stays in flight, and what ended gets recorded."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._chain.settle()
        await self._reader.stop()
        await self._tools.recorder.flush(self._account)
        await self._recovery.settle()
        await self._recovery.note_cut_off(self._account)
        await self._recovery.put_back_retries(self._account)
