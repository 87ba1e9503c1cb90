"""Runs the attempts that no backfill carries: fired by schedules, or started by hand.

Each is leased by itself, so that all daemons on a database share them. A tick takes what is due while there are places;
what is between two tries, or waits for its target, is given back and looks queued. After an unclean end what was under
way is repeated under its key, as items are: one of them may be what the process died of.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from backfilld.engine.attempts.attempt_run import AttemptRun
from backfilld.engine.attempts.leases import LiveLeases
from backfilld.engine.service import Part, Patience, Service
from backfilld.engine.starting.context import EngineContext
from backfilld.engine.starting.internal_errors import outcome_of
from backfilld.engine.starting.leases import Lease
from backfilld.store.connection import transient_errors
from backfilld.store.sessions.live_attempts import AttemptUnreadable, LiveAttemptStore, TakenAttempt

log = logging.getLogger(__name__)

LOOKS_AGAIN = timedelta(seconds=1)  # at what others hold, what found no place, and all that is unfinished
CUT_OFF_SECONDS = 5.0  # for what was cut off, to put away what it has to
Release = Callable[[], None]


class Claimer:
    """Owns every live attempt of this process."""

    part = Part.ATTEMPTS

    def __init__(
        self, store: LiveAttemptStore, leases: LiveLeases, context: EngineContext, *, longest: timedelta
    ) -> None:
        """`longest`: an attempt that is not finished so long after it was made is killed."""
        self._store = store
        self._leases = leases
        self._context = context
        self._longest = longest
        self.changed = asyncio.Event()
        patience = Patience.of(self.part, context.clock, context.bus)  # of the loop and of every run
        self._service = Service(self.tick, context.clock, patience, self.changed)
        self._draining = False
        self._looks_at = 0.0  # through all that is unfinished, once a second however often it is nudged
        context.repeats.listen(self.nudge)
        if context.brakes is not None:
            context.brakes.on_live_change = self.nudge
        context.stop_switch.join(self)  # to look again when the order changes; each run has a gate of its own
        self._runs: dict[asyncio.Task[None], AttemptRun] = {}

    @property
    def in_flight(self) -> int:
        """How many have been started and have not ended."""
        return sum(run.gate.is_in_flight for run in self._runs.values())

    @property
    def unfinished(self) -> int:
        """How many this process carries whose end is not written yet."""
        return len(self._runs)

    async def settled(self) -> None:
        """Return at once: what is on its way out has passed the gate of a run, which is asked itself."""

    def nudge(self) -> None:
        """Something may have been made, changed or killed: look now."""
        self._service.nudge()

    @property
    def obstacle(self) -> Exception | None:
        """What the loop, or a run, waits for the database for."""
        return self._service.obstacle

    async def serve(self) -> None:
        """Run what is due until cancelled; patient with a database that is away."""
        await self._service.serve(self._runs.keys)

    async def tick(self) -> datetime | None:
        """Cut off what is killed, start what is due; when to look again (None: only when nudged)."""
        now, looks = self._context.clock.now(), self._context.clock.monotonic() >= self._looks_at
        await self._leases.look_for_kills()
        if looks:
            self._looks_at = self._context.clock.monotonic() + LOOKS_AGAIN.total_seconds()
            await self._store.sweep(now, now - self._longest)
        while self._may_take and (release := self._context.capacity.take_live()) is not None:
            if not await self._take(release):
                break
        if not looks:
            return now + timedelta(seconds=max(0.0, self._looks_at - self._context.clock.monotonic()))
        wake_at, waits = await self._store.next_look(now)
        soon = now + LOOKS_AGAIN
        return min(wake_at or soon, soon) if waits else wake_at

    @property
    def _may_take(self) -> bool:
        brakes = self._context.brakes
        held = brakes is not None and brakes.holds_all_attempts()
        return not self._draining and not held and self._context.stop_switch.reason is None

    @property
    def _last_round(self) -> int:
        """What is repeated may begin in no later round than this one; 0: nothing that is repeated."""
        if any(run.turn.holds_next for run in self._runs.values()):
            return 0
        repeats = self._context.repeats
        return 2 if repeats.may_begin(to_its_end=True) else int(repeats.may_begin(to_its_end=False))

    async def _take(self, release: Release) -> bool:
        """Start the oldest one that may start, in the place that `release` gives back; False if there is none."""
        lease: Lease[TakenAttempt] | None = None
        run: AttemptRun | None = None
        try:
            lease = await self._leases.take(last_round=self._last_round)
            if lease is None:
                return False
            run = AttemptRun(lease, self._store, self._service.patience, self._context)
        except AttemptUnreadable as problem:
            await self._end(problem.id, problem.fence, problem)
            return True
        except Exception as problem:
            if lease is None or transient_errors.is_transient(problem):
                raise
            await self._end(lease.grant.id, lease.grant.fence, problem)
            return True
        finally:
            if run is None:
                release()
                if lease is not None:
                    self._leases.forget(lease)
        task = asyncio.create_task(run.run(), name=f"attempt {lease.key}")
        self._runs[task] = run
        task.add_done_callback(lambda done: self._ended(done, lease, release))
        return True

    async def _end(self, id: int, fence: int, problem: Exception) -> None:
        """One that cannot even be looked at ends failed; it must not stand in the way of the others."""
        log.error("attempt %s ends on an error of our own", id, exc_info=problem)
        outcome = outcome_of(problem, started_at=None, at=self._context.clock.now(), attempts=0)
        await self._store.finish(id, fence, outcome)

    def _ended(self, task: asyncio.Task[None], lease: Lease[TakenAttempt], release: Release) -> None:
        del self._runs[task]
        self._leases.forget(lease)
        release()
        problem = None if task.cancelled() else task.exception()
        if isinstance(problem, Exception):  # its lease runs out, and it is taken again
            log.error("not even the end of attempt %s could be written", lease.key, exc_info=problem)
        elif problem is not None:
            self._service.fail(problem)
        self.nudge()

    async def drain(self, grace_seconds: float) -> None:
        """Start nothing any more; let what is in flight finish within the grace, then cut it off and give it back."""
        self._draining = True
        for run in list(self._runs.values()):
            run.gate.drain()
        tasks = list(self._runs)
        if not tasks:
            return
        await asyncio.wait(tasks, timeout=grace_seconds)
        for run in list(self._runs.values()):
            run.cut_off()
        if self._runs:
            await asyncio.wait(list(self._runs), timeout=CUT_OFF_SECONDS)
