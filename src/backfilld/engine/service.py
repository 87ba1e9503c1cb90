"""The loop of everything that runs by itself: look, wait for the next time or a nudge, be patient with the database.

A database that is away, full or locked is asked again with growing pauses. Meanwhile whoever waits says so: `obstacle`
is what /readyz, the metrics and the backfills concerned tell, and the log has one line when it begins.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from enum import Enum
from typing import Protocol, TypeVar

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.events import WorkGoesOn, WorkHeldUp
from backfilld.store.connection import transient_errors

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
CANCELLED_WITHIN_SECONDS = 5.0


class Part(Enum):
    """What runs by itself; the value ends the sentence "the database does not …", told while it stands still."""

    BACKFILLS = "take what backfills need"
    LEASES = "renew our leases"
    OUTCOMES = "take what became of items"
    SCHEDULES = "let schedules fire"
    ATTEMPTS = "let attempts run"
    ATTEMPT_LEASES = "renew our leases of attempts"
    STOP_ORDER = "say whether everything is to stand still"
    BRAKES = "keep what brakes hold"
    NOTIFICATIONS = "keep what people are to be told"
    NEWS = "tell us what others change"
    CLEANING = "let old rows be cleaned up"
    INDEXES = "let indexes of entities be made"

    @property
    def label(self) -> str:
        """Its name in metrics and log lines."""
        return self.name.lower()

    @property
    def is_vital(self) -> bool:
        """False: the work goes on without it, and the daemon is ready."""
        return self not in (Part.NEWS, Part.CLEANING, Part.INDEXES, Part.BRAKES, Part.NOTIFICATIONS)


class Serving(Protocol):
    """A part of the engine, as the daemon runs it and tells of it."""

    part: Part

    @property
    def obstacle(self) -> Exception | None:
        """What the database did not do, while that is tried again; None: nothing is waited for."""

    async def serve(self) -> None:
        """Run until cancelled."""


def longer(pause: float) -> float:
    """The pause after one of `pause` seconds."""
    return min(pause * 2, LONGEST_PAUSE_SECONDS)


def _nothing(*_: object) -> None:
    pass


class Patience:
    """Asks the database again while it is away. Several calls may wait at once; that is one wait, told once."""

    def __init__(
        self,
        clock: Clock,
        on_wait: Callable[[Exception], None],
        on_end: Callable[[float], None] = _nothing,
        *,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        """`on_wait` hears what a wait begins with, `on_end` how many seconds it took."""
        self._clock = clock
        self._on_wait = on_wait
        self._on_end = on_end
        self._first_pause = first_pause_seconds
        self._held_up: dict[object, Exception] = {}  # what each call failed of that is being tried again
        self._since = 0.0
        self.since: datetime | None = None  # when the present wait began

    @staticmethod
    def of(part: Part, clock: Clock, bus: Bus, *, first_pause_seconds: float = FIRST_PAUSE_SECONDS) -> "Patience":
        """One whose waits are told as those of `part`."""
        return Patience(
            clock,
            lambda problem: bus.tell(WorkHeldUp(part.label, repr(problem))),
            lambda seconds: bus.tell(WorkGoesOn(part.label, round(seconds, 3))),
            first_pause_seconds=first_pause_seconds,
        )

    @property
    def obstacle(self) -> Exception | None:
        """What is waited for; None: nothing."""
        return next(iter(self._held_up.values()), None)

    async def insist(self, call: Callable[[], Awaitable[T]], *, check: Callable[[], None] = _nothing) -> T:
        """What `call` answers as soon as the database lets it; `check`, before each time, may raise to give up."""
        pause = self._first_pause
        try:
            while True:
                check()
                try:
                    return await call()
                except Exception as problem:
                    self.waits(call, problem)
                await self._clock.sleep(pause)
                pause = max(pause, longer(pause))
        finally:
            self.goes_on(call)

    def waits(self, call: object, problem: Exception) -> None:
        """`call` failed and is to be made again. Raises what waiting does not mend."""
        if not transient_errors.is_transient(problem):
            raise problem
        begins = not self._held_up
        self._held_up[call] = problem
        if begins:
            self._since = self._clock.monotonic()
            self.since = self._clock.now()
            self._on_wait(problem)

    def goes_on(self, call: object) -> None:
        """`call` waits no more."""
        if self._held_up.pop(call, None) is not None and not self._held_up:
            self._on_end(self._clock.monotonic() - self._since)


class Service:
    """Calls `tick`, which answers when to look again (None: only when nudged); a minute at most goes by without."""

    def __init__(
        self,
        tick: Callable[[], Awaitable[datetime | None]],
        clock: Clock,
        patience: Patience,
        nudged: asyncio.Event | None = None,
    ) -> None:
        self._bug: BaseException | None = None
        self._tick = tick
        self._clock = clock
        self._nudged = nudged or asyncio.Event()
        self.patience = patience

    @property
    def obstacle(self) -> Exception | None:
        """What the last look failed of, until one succeeds."""
        return self.patience.obstacle

    def nudge(self) -> None:
        """Something may have changed: look now."""
        self._nudged.set()

    def fail(self, bug: BaseException) -> None:
        """What it started ended on an error that concerns all: the next look raises it."""
        self._bug = bug
        self.nudge()

    async def serve(self, started: Callable[[], Iterable["asyncio.Task[None]"]] = tuple) -> None:
        """Look and wait until cancelled. What waiting does not mend ends it, and cancels what it has `started`."""
        try:
            while True:
                wake_at = await self.patience.insist(self._look)
                await self._clock.wait(self._nudged, until=wake_at)
        finally:
            await _cancelled(started())

    async def _look(self) -> datetime | None:
        if self._bug is not None:
            raise self._bug
        self._nudged.clear()  # before looking, so that a nudge meanwhile is not lost
        return await self._tick()


async def _cancelled(tasks: Iterable["asyncio.Task[None]"]) -> None:
    waited_for = list(tasks)
    for task in waited_for:
        task.cancel()
    if waited_for:
        await asyncio.wait(waited_for, timeout=CANCELLED_WITHIN_SECONDS)
