"""Which backfills run here, and when to look again.

One tick takes the leases of whatever is due and makes a runner for each; it answers when the next thing
falls due by itself. The loop around it waits for that, for a nudge, or for a minute at most.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.engine.backfills.context import BackfillContext
from backfilld.engine.backfills.failed_runs import MOST_RUNS, FailedRuns
from backfilld.engine.backfills.gate import CannotGoOn
from backfilld.engine.backfills.pauses import end_pauses
from backfilld.engine.backfills.runner import Runner
from backfilld.engine.service import Part, Patience, Service
from backfilld.engine.starting.internal_errors import INTERNAL
from backfilld.engine.starting.leases import Lease
from backfilld.events import DatabaseBack, DatabaseLost
from backfilld.store.backfills.leases import Grant
from backfilld.store.connection import transient_errors
from backfilld.store.history.progress_points import ProgressPoints

log = logging.getLogger(__name__)

WATCHES_OTHERS = timedelta(seconds=1)  # how often to see whether a lease that we could not have has run out
STEP_SECONDS = 5.0  # a wall clock that moved by so much more or less than time did was stepped


class Scheduler:
    """Owns every runner of this process."""

    part = Part.BACKFILLS

    def __init__(self, tools: BackfillContext) -> None:
        self._tools = tools
        patience = Patience(
            tools.clock,
            lambda problem: tools.bus.tell(DatabaseLost(repr(problem))),
            lambda seconds: tools.bus.tell(DatabaseBack(seconds)),
        )
        self._service = Service(self.tick, tools.clock, patience)
        tools.keeper.on_obstacle = self.nudge  # to say that the database is away, if it is
        self._runners: dict[int, Runner] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._failed_runs = FailedRuns(tools.clock)
        self._opened: set[int] = set()  # by somebody who changed their hours, and not taken up since
        self._draining = False
        self._knows_all = False  # the first look takes everything: windows may mean other instants than they did
        self._unseen: set[int] = set()  # of everything: what could not be taken yet since then
        self._wall_offset: float | None = None  # of the wall clock, against boot time
        self.last_tick_at: float | None = None
        self._points = ProgressPoints(tools.pool)
        self._noted_minute: datetime | None = None

    def nudge(self) -> None:
        """Something changed: look now."""
        self._service.nudge()

    def expect_opening(self, backfill_number: int) -> None:
        """Somebody opens its windows: if it is taken up for that, its slots are filled as at any opening."""
        self._opened.add(backfill_number)

    def runner(self, backfill_number: int) -> Runner | None:
        """The runner of a backfill, if it runs here."""
        return self._runners.get(backfill_number)

    def others(self, backfill_number: int) -> list[Runner]:
        """The runners of all other backfills that run here."""
        return [runner for number, runner in list(self._runners.items()) if number != backfill_number]

    def running(self) -> list[tuple[Backfill, str]]:
        """All that may start something here now, each with its target."""
        now, gates = self._tools.clock.now(), [runner.gate for runner in self._runners.values()]
        return [(gate.backfill, gate.health.origin.target) for gate in gates if gate.refusal(now) is None]

    @property
    def stop_reason(self) -> Reason | None:
        """Why nothing may start anywhere, by an operator's word; None if something may."""
        return self._tools.stop_switch.reason

    @property
    def waits_for_database(self) -> bool:
        """True while it cannot look, because the database is away."""
        return self._service.obstacle is not None

    @property
    def obstacle(self) -> Exception | None:
        """What it, or a runner, waits for the database for; None if none does."""
        return self._service.obstacle or next(filter(None, (one.obstacle for one in self._runners.values())), None)

    def hear(self, backfill_number: int | None) -> None:
        """A backfill was changed, here or elsewhere (None: any may have been)."""
        for number, runner in list(self._runners.items()):
            if backfill_number is None or number == backfill_number:
                runner.hear()
        self.nudge()

    async def serve(self) -> None:
        """Run until cancelled; a database that is away is waited for."""
        await self._service.serve(self._tasks.values)

    async def tick(self) -> datetime | None:
        """Take what is due; when something falls due next (None: only when nudged)."""
        now = self._tools.clock.now()
        store = self._tools.keeper.store
        self._notice_steps(now)
        all_taken = True
        if not self._draining:
            for number in await self._candidates(now):
                if number not in self._tasks and not self._failed_runs.rests(number):
                    all_taken = await self._take(number) and all_taken
        await self._note_minute(now)
        look = await store.next_look(now)
        self.last_tick_at = self._tools.clock.monotonic()
        if look.a_pause_is_over and not self._draining:
            await end_pauses(self._tools, now)
            self.nudge()  # they may be taken now
        wake_at = look.wake_at
        if look.others_hold_some or not all_taken or self._failed_runs.has_any:
            return min(wake_at or now + WATCHES_OTHERS, now + WATCHES_OTHERS)
        return wake_at

    async def _note_minute(self, now: datetime) -> None:
        """Once a minute, write down where each backfill stands."""
        minute = now.replace(second=0, microsecond=0)
        if minute != self._noted_minute:
            await self._points.note_minute(now)
            self._noted_minute = minute

    async def _candidates(self, now: datetime) -> list[int]:
        """What is due, and after a step of the clock everything once, each as soon as it can be had."""
        store = self._tools.keeper.store
        if self._knows_all and not self._unseen:
            return await store.list_candidates(now, all_of_them=False)
        everything = await store.list_candidates(now, all_of_them=True)
        self._unseen = self._unseen & set(everything) if self._knows_all else set(everything)
        self._knows_all = True
        due = await store.list_candidates(now, all_of_them=False)
        return sorted(self._unseen.union(due))

    def _notice_steps(self, now: datetime) -> None:
        """What was written down to be looked at next year, by a clock that was wrong, is looked at now."""
        offset = now.timestamp() - self._tools.clock.boottime()
        if self._wall_offset is not None and abs(offset - self._wall_offset) > STEP_SECONDS:
            self._knows_all = False
        self._wall_offset = offset

    async def _take(self, number: int) -> bool:
        """Run it here; False if it cannot be had now, so that it has to be looked at again."""
        lease = await self._tools.keeper.take(number)
        if lease is None:
            return False
        self._unseen.discard(number)
        try:
            if (why := self._failed_runs.why_given_up(number)) is not None and await self._give_up(number, lease, why):
                return True
            backfill = await self._tools.backfills.find_by_number(number)
            if backfill is None:
                await self._tools.keeper.give_back(lease, in_order=True)
                return True
            runner = Runner(backfill, lease, self._tools)
        except CannotGoOn as problem:
            try:
                await self._fail(number, lease, "cannot_go_on", str(problem))
            finally:
                await self._tools.keeper.give_back(lease, in_order=True)
            return True
        except BaseException as problem:
            self._tools.keeper.forget(lease)
            if not isinstance(problem, Exception) or transient_errors.is_transient(problem):
                raise
            self._failed(number, problem)
            return False
        if number in self._opened:
            self._opened.discard(number)
            runner.gate.open_slowly()
        runner.others = lambda: self.others(number)
        self._runners[number] = runner
        self._tasks[number] = task = asyncio.create_task(runner.run(), name=f"{backfill.id}/run")
        task.add_done_callback(lambda done: self._ended(number, done))
        return True

    async def _give_up(self, number: int, lease: Lease[Grant], why: str) -> bool:
        """End one whose runs end on an error of our own. False if it stands where it cannot fail: it is run again."""
        message = f"{MOST_RUNS} runs of it ended on an error of our own ({why}); the log has the traceback"
        if not await self._fail(number, lease, INTERNAL, message):
            return False
        self._failed_runs.forget(number)
        await self._tools.keeper.give_back(lease, in_order=True)
        return True

    async def _fail(self, number: int, lease: Lease[Grant], code: str, why: str) -> bool:
        """A backfill that cannot be run, or not even be looked at, ends failed; it must not take the daemon along."""
        at, error = self._tools.clock.now(), {"code": code, "message": why}
        move = self._tools.backfills.move
        return await move(number, Status.FAILED, reason=None, at=at, fence=lease.fence, error=error) is not None

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        self._runners.pop(number, None)
        self._tasks.pop(number, None)
        problem = None if task.cancelled() else task.exception()
        if problem is None:
            self._failed_runs.forget(number)
        elif isinstance(problem, Exception):
            self._failed(number, problem)
        else:
            self._service.fail(problem)
        self.nudge()

    def _failed(self, number: int, problem: Exception) -> None:
        log.error("a run of backfill no. %s ended on an error of our own", number, exc_info=problem)
        self._failed_runs.note(number, problem)

    async def drain(self, grace_seconds: float) -> None:
        """Start nothing any more; let what is in flight finish within the grace, then cancel it."""
        self._draining = True
        for runner in list(self._runners.values()):
            runner.drain()
        tasks = list(self._tasks.values())
        if not tasks:
            return
        waiting = asyncio.ensure_future(asyncio.wait(tasks))
        try:
            async with asyncio.timeout(grace_seconds):
                await asyncio.shield(waiting)
        except TimeoutError:
            for runner in list(self._runners.values()):
                runner.cancel_in_flight()
            await asyncio.wait(tasks, timeout=5)
        finally:
            waiting.cancel()
