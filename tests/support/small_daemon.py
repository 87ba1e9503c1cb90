"""A daemon in small: an engine on a way to the database of its own, killed while others in this process go on.

A kill must end each task of that daemon and none of another's. So every task remembers in whose name it was made: that
of the daemon in whose context it, or what made it, was started.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar
from weakref import WeakSet

import pytest
from tests.support.engine import Engine, ListSource, ScriptedExecutor, SteppedClock
from tests.support.wire import Wire

from backfilld.domain.backfills.verdicts import Verdict
from backfilld.engine import news
from backfilld.engine.backfills import scheduler
from backfilld.engine.backfills.context import Limits
from backfilld.engine.starting import leases
from backfilld.executors.base import Work
from backfilld.store.backfills import leases as lease_store
from backfilld.store.connection.pool import Pool, open_pool
from backfilld.store.sessions import live_attempts

FRESH_SECONDS = 0.02  # so that what waited is read again, though nothing takes long here
Answer = Callable[["SmallDaemon", int, Work], Awaitable[Verdict]]
LATENESS = (0.0, 0.0, 0.0, 0.02, 0.1)  # in seconds
T = TypeVar("T")
_ACTING: ContextVar["SmallDaemon | None"] = ContextVar("acting", default=None)


class SmallDaemon:
    """One instance, which may have many lives. `answer` is told whose try it is, and of which life."""

    def __init__(self, name: str, wire: Wire, clock: SteppedClock, answer: Answer, source: ListSource) -> None:
        self.name, self.clock, self.source = name, clock, source
        self.life = 0
        self.is_alive = False
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._wire, self._answer = wire, answer
        self._loops: list[asyncio.Task[None]] = []
        self._pools: list[Pool] = []
        self.engine: Engine

    async def launch(self, *, with_schedules: bool = False) -> None:
        """A new life."""
        self._wire.mend()
        self.life, self.is_alive = self.life + 1, True
        life = self.life
        acting = _ACTING.set(self)
        try:
            pool, own = self._pools = [await open_pool(self._wire.dsn, size=size) for size in (4, 3)]
            executor = ScriptedExecutor(lambda work: self._answer(self, life, work))
            self.engine = Engine(
                self._wire.dsn, pool, own, executor, self.source,
                clock=self.clock, instance=self.name, listens=False, most_unfinished=10_000,
                limits=Limits(ramp_seconds=0, freshness_seconds=FRESH_SECONDS),
            )  # fmt: skip
            self._loops = [asyncio.create_task(part.serve()) for part in self._parts(with_schedules)]
        finally:
            _ACTING.reset(acting)

    def _parts(self, with_schedules: bool) -> list[Any]:
        engine = self.engine
        parts: list[Any] = [engine.recorder, engine.keeper, engine.scheduler, engine.news, engine.stopping]
        return parts + ([engine.live_leases, engine.live, engine.firing] if with_schedules else [])

    async def kill(self) -> None:
        """As SIGKILL: nothing more reaches the database, whatever the tasks still wish to do."""
        self._wire.cut()
        self.is_alive = False
        while pending := {task for task in self.tasks if not task.done()}:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=0.05)
        for pool in self._pools:
            pool.terminate()

    async def cut(self, seconds: float) -> None:
        """The database is away for a while."""
        self._wire.cut()
        await asyncio.sleep(seconds)
        if self.is_alive:
            self._wire.mend()

    def bugs(self) -> list[BaseException]:
        """What a part of the engine ended of."""
        ended = [task for task in self._loops if task.done() and not task.cancelled()]
        return [bug for task in ended if self.is_alive and (bug := task.exception())]

    def nudge(self) -> None:
        """Look now, as happens each minute by itself."""
        for part in (self.engine.scheduler, self.engine.firing, self.engine.live) if self.is_alive else ():
            part.nudge()


class TwoDaemons:
    """Of one database, each with a way to it of its own, of which any may be dead."""

    with_schedules = False
    chance: random.Random

    def __init__(self, clock: SteppedClock, wires: Sequence[Wire], answer: Answer, source: ListSource) -> None:
        self.daemons = [
            SmallDaemon(name, wire, clock, answer, source) for name, wire in zip(("one", "two"), wires, strict=True)
        ]

    @property
    def alive(self) -> list[SmallDaemon]:
        return [daemon for daemon in self.daemons if daemon.is_alive]

    async def launch(self) -> None:
        """Whoever is dead gets a new life."""
        for daemon in self.daemons:
            if not daemon.is_alive:
                await daemon.launch(with_schedules=self.with_schedules)

    async def kill(self) -> None:
        """All of them."""
        for daemon in self.alive:
            await daemon.kill()

    async def kill_one(self, which: int) -> None:
        """The other takes over what it had, unless that is dead, too; then both live again."""
        await self.daemons[which].kill()
        if not self.alive:
            await self.launch()

    async def cut_one(self, which: int, seconds: float) -> None:
        """The database is away for one of them."""
        await self.daemons[which].cut(seconds)

    async def answered(self, wish: Awaitable[T]) -> T:
        """What came of it. Its answer may be late, as over a network: whatever it set going has begun by then."""
        answer = await wish
        await asyncio.sleep(self.chance.choice(LATENESS))
        return answer

    def nudge(self) -> None:
        for daemon in self.alive:
            daemon.nudge()

    def bugs(self) -> list[BaseException]:
        return [bug for daemon in self.daemons for bug in daemon.bugs()]


def remember_who_makes_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """On this loop, from now on."""

    def made(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **kw: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=loop, **kw)
        context = kw.get("context")
        daemon = _ACTING.get() if context is None else context.get(_ACTING)
        if daemon is not None:
            daemon.tasks.add(task)
        return task

    loop.set_task_factory(made)  # type: ignore[arg-type]


def shorten_leases(patch: pytest.MonkeyPatch, *, times: float = 10) -> None:
    """Everything so many times as short, in the same proportions: nobody wants to wait for the leases of the dead."""
    for module in (lease_store, live_attempts):
        patch.setattr(module, "LENGTH", timedelta(seconds=3 / times))
    patch.setattr(leases, "SAFE_SECONDS", 2 / times)
    patch.setattr(leases, "RENEW_EVERY_SECONDS", 1 / times)
    patch.setattr(scheduler, "WATCHES_OTHERS", timedelta(seconds=1 / times))
    patch.setattr(news, "LOOKS_EVERY_SECONDS", 1 / times)
