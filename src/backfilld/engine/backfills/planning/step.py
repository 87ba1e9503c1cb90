"""The step in which a backfill has no frozen plan yet."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from backfilld.crash_points import Point, reached
from backfilld.domain.backfills.holding import Onwards, because, looks_again_at, onwards
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.entities.records import NOT_ENUMERABLE
from backfilld.engine.backfills.gate import CannotGoOn
from backfilld.engine.backfills.planning.planner import Planner
from backfilld.engine.backfills.run import Run
from backfilld.engine.backfills.source_holds import held_by
from backfilld.engine.starting.leases import LeaseGone
from backfilld.engine.starting.start_gate import Refusal
from backfilld.events import PlanFrozen
from backfilld.sources.base import SourceBroken, SourceUnreachable
from backfilld.store.backfills.plans import PlanStore, Totals

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class Outrun(Exception):
    """The plan cannot be frozen now."""


class Planning:
    """Makes the plan, or goes on with it, and freezes it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._gate = run.gate
        self._standing = run.status_writer
        self._lease = run.lease
        self._tools = run.context
        self._backfill = run.backfill
        self._plan = PlanStore(run.context.pool, self._backfill.number, run.lease.fence)

    async def run(self) -> bool:
        """Plan until the plan is frozen or somebody stops it; True if there is a next step to look at."""
        tools = self._tools
        await self._wait_while_stopped()
        if self._closed() is not None and await self._waits_for_window():
            return False
        await self._standing.patiently(lambda: tools.remembered.bring_up_to_date(self._backfill.workflow_id))
        began = tools.clock.monotonic()
        pause = FIRST_PAUSE_SECONDS
        while self._may_go_on():
            try:
                if await self._standing.patiently(self._gather) and await self._freeze(began):
                    return True
                pause = FIRST_PAUSE_SECONDS
            except SourceBroken as problem:
                raise CannotGoOn.with_source(problem) from problem
            except SourceUnreachable as problem:
                now = self._tools.clock.now()
                until = max(problem.until or now, now + timedelta(seconds=FIRST_PAUSE_SECONDS))
                if problem.until is None:
                    until = now + timedelta(seconds=pause)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                await self._standing.stand_still(held_by(problem, since=now, until=until))
                await self._sleep((until - now).total_seconds())
        return not self._gate.draining and self._run.backfill.status is not Status.PAUSED

    def _closed(self) -> Refusal | None:
        """The window that must open first, for a source that may be read in windows alone."""
        source = self._tools.sources.find(self._backfill.settings.entity_type or NOT_ENUMERABLE)
        if source is None or source.plans_outside_windows:
            return None
        if source.plans_early and self._backfill.settings.start != "now":
            return None  # else approval would wait for a night
        return self._gate.window_refusal(self._tools.clock.now())

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not through a pause, a cancel, the end of the daemon, or somebody's wish to ask at once."""
        clock, asked = self._tools.clock, self._gate.asked
        wakes_at = clock.monotonic() + seconds
        while self._may_go_on() and asked == self._gate.asked and (left := wakes_at - clock.monotonic()) > 0:
            self._gate.changed.clear()
            await clock.wait(self._gate.changed, until=clock.now() + timedelta(seconds=left))

    async def _waits_for_window(self) -> bool:
        refusal = self._closed()
        if refusal is None or refusal.reason is None:
            return False
        wake_at = looks_again_at(refusal.reason, self._tools.clock.now())
        return await self._standing.stand_still(refusal.reason, wake_at=wake_at)

    async def _wait_while_stopped(self) -> None:
        """An order to stop holds the reading of sources, too: that may be what it was given for."""
        if (stop := self._gate.stop_refusal()) is None or stop.reason is None:
            return
        await self._standing.stand_still(stop.reason)
        while self._is_planning() and self._gate.stop_refusal() is not None:
            self._gate.changed.clear()
            await self._tools.clock.wait(self._gate.changed)
        if self._is_planning():
            await self._standing.move(Status.PLANNING, expected=(Status.PLANNING,))

    def _may_go_on(self) -> bool:
        return self._is_planning() and self._gate.stop_refusal() is None and self._closed() is None

    async def _goes_on(self) -> bool:
        """Asked when a page has come: whatever was waited for is over."""
        if self._may_go_on() and self._run.backfill.reason is not None:
            await self._standing.move(Status.PLANNING, expected=(Status.PLANNING,))
        return self._may_go_on()

    def _is_planning(self) -> bool:
        if self._lease.lost:
            raise LeaseGone
        return self._run.backfill.status is Status.PLANNING and not self._gate.draining

    async def _gather(self) -> bool:
        """Write the pages that are missing; from where the last owner, or the last failure, left off."""
        row = await self._tools.backfills.get_by_number(self._backfill.number)
        source = self._tools.sources.find(row.settings.entity_type or NOT_ENUMERABLE)
        time_field = self._tools.time_fields.get(row.settings.entity_type or NOT_ENUMERABLE)
        planner = Planner(row, self._plan, source, self._tools.remembered, self._tools.clock, self._goes_on, time_field)
        return await self._while_it_may(planner.gather())

    async def _while_it_may(self, gathering: Coroutine[Any, Any, bool]) -> bool:
        """What it returns; False, at once, when it is not to go on: a source may take long to answer, or for ever."""
        task = asyncio.ensure_future(gathering)
        try:
            while not task.done():
                if not self._may_go_on():
                    return False
                self._gate.changed.clear()
                change = asyncio.ensure_future(self._gate.changed.wait())
                await asyncio.wait({task, change}, return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _freeze(self, began: float) -> bool:
        """One transaction: order, sample, totals, status. False if somebody changed the status meanwhile."""
        try:
            totals = await self._standing.patiently(self._freeze_once)
        except Outrun:
            await self._standing.learn()
            return False
        seconds = self._tools.clock.monotonic() - began
        backfill = self._run.backfill
        self._tools.bus.tell(PlanFrozen(backfill.id, backfill.workflow_name, totals.planned, totals.skipped, seconds))
        return True

    async def _freeze_once(self) -> Totals:
        tools, backfill = self._tools, self._run.backfill
        now = tools.clock.now()
        async with tools.pool.acquire() as connection, connection.transaction():
            totals = await self._plan.freeze(
                connection,
                at=now,
                drafts=backfill.settings.order != "source",
                newest_first=backfill.settings.order == "newest_first",
                sample_size=backfill.settings.sample_size,
            )
            following = self._after(totals, now)
            row = await tools.backfills.move(
                backfill.number,
                following.status,
                reason=following.reason,
                at=now,
                expected=(Status.PLANNING,),
                fence=self._lease.fence,
                wake_at=following.wake_at if following.status is Status.WAITING else None,
                planned_at=now,
                on=connection,
            )
            if row is None:
                raise Outrun
            reached(Point.PLANNER_FREEZE_BEFORE_COMMIT)
        reached(Point.PLANNER_FREEZE_AFTER_COMMIT)
        self._standing.moved(row)
        return totals

    def _after(self, totals: Totals, now: datetime) -> Onwards:
        """What a frozen plan leads to."""
        if self._run.backfill.settings.start != "now" and totals.planned:
            # also if all of it is left out: that is what whoever approves should see
            left_out = totals.skipped or None
            reason = because(ReasonCode.AWAITING_APPROVAL, since=now, to_run=totals.to_run, left_out=left_out)
            return Onwards(Status.PAUSED, reason, None)
        if not totals.to_run:
            return Onwards(Status.COMPLETED, None, None)
        return onwards(self._gate.calendar, now, planned_at=now)
