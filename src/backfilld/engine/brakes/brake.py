"""One brake: looks again and again, and says at any moment whether it holds.

`reason` is asked by the gates and only reads what is known; the looks go on beside it, and may hang.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from backfilld.bus import Bus
from backfilld.clock import Clock
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.brakes.kept import Kept
from backfilld.domain.brakes.reasons import blind, held_by, latched, not_looked_at
from backfilld.domain.brakes.settings import STALE_AFTER_LOOKS, BrakeSettings
from backfilld.domain.brakes.verdicts import Failed, Look, Seen, Verdict, after
from backfilld.engine.brakes.signals import LookFailed, Signal
from backfilld.events import BrakeLookFailed, BrakeMoved

MOST_SAMPLES = 720  # an hour of looks
PUBLISHED_AFTER = timedelta(seconds=1)  # a first look that ends sooner held nobody up


class Brake:
    """`on_change` is called whenever what `reason` answers may have changed by itself or by a look."""

    def __init__(
        self, settings: BrakeSettings, signal: Signal, clock: Clock, bus: Bus, on_change: Callable[[], None]
    ) -> None:
        self.settings = settings
        self.signal = signal
        self.verdict = Verdict()
        self.kept: Kept | None = None  # None: nobody has asked the database yet
        self.unwritten: tuple[datetime, float] | None = None  # a latch that the database has not taken yet
        self.errors = 0
        self.samples: deque[tuple[datetime, float]] = deque(maxlen=MOST_SAMPLES)
        self._clock = clock
        self._bus = bus
        self._on_change = on_change
        self._began_at = clock.now()
        self._stale_from = 0.0  # boot time
        self._reason: Reason | None = None  # of the verdict, made once per look
        self._hanging: asyncio.Task[Seen] | None = None
        self._looking = asyncio.Lock()

    def __repr__(self) -> str:
        reason = self.reason(self._clock.now())
        return f"<brake {self.settings.name}, {'open' if reason is None else reason.message}>"

    def reason(self, now: datetime) -> Reason | None:
        """Why nothing that it applies to may start; None if something may."""
        kept = self.kept
        if kept is not None:
            if kept.is_released(now):
                return None
            if self.unwritten is not None:
                return latched(self.settings.name, *self.unwritten, self.settings.rules.thresholds)
            if kept.critical_at is not None:
                value = kept.critical_value or 0.0
                return latched(self.settings.name, kept.critical_at, value, self.settings.rules.thresholds)
        if kept is None or self.verdict.looked_at is None:
            return not_looked_at(self.settings, self._began_at)
        if self._clock.boottime() >= self._stale_from:
            if self.settings.rules.on_error == "go_on":
                return None
            return self._reason or blind(self.settings, self.verdict.looked_at)
        return self._reason

    @property
    def why(self) -> str:
        """Why it holds by what it saw; nothing if it does not."""
        return "" if self._reason is None else self._reason.message

    @property
    def told_latch(self) -> str:
        """What is told of a latch that is not written down yet."""
        if self.unwritten is None:
            return ""
        return latched(self.settings.name, *self.unwritten, self.settings.rules.thresholds).message

    def is_worth_telling(self, now: datetime) -> bool:
        """False for the moment after the start, in which the first look is on its way."""
        seen = self.kept is not None and self.verdict.looked_at is not None
        return seen or now - self._began_at >= PUBLISHED_AFTER

    def keep(self, kept: Kept) -> None:
        """The database says so."""
        if kept != self.kept:
            self.kept = kept
            self._on_change()

    def measured(self, now: datetime) -> tuple[str, float | None, bool, int]:
        """Name, last value, whether it holds, and how many looks have failed."""
        seen = self.verdict.seen
        return self.settings.name, None if seen is None else seen.value, self.reason(now) is not None, self.errors

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(self._pause)

    @property
    def _pause(self) -> float:
        every, seen = self.settings.rules.every_seconds, self.verdict.seen
        if self.verdict.problem is not None or seen is None or seen.again_after is None:
            return every
        return max(every, seen.again_after.total_seconds())

    async def look(self) -> Look:
        """Look once, now, and take the verdict from it."""
        async with self._looking:
            look = await self._look()
            self._take(look)
        return look

    async def _look(self) -> Look:
        if self._hanging is not None and not self._hanging.done():
            return Failed("the look before has not ended yet")
        timeout = self.settings.rules.timeout_seconds
        looking = asyncio.ensure_future(self.signal.look())
        timer = asyncio.ensure_future(self._clock.sleep(timeout))
        try:
            await asyncio.wait({looking, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            if not looking.done():
                looking.cancel()
                looking.add_done_callback(_ignore)
        if not looking.done():
            self._hanging = looking
            return Failed(f"no answer within {timeout:g} s")
        try:
            return looking.result()
        except LookFailed as problem:
            return Failed(str(problem))
        except Exception as problem:
            return Failed(f"{type(problem).__name__}: {problem}")

    def _take(self, look: Look) -> None:
        before, at = self.verdict, self._clock.now()
        self.verdict = verdict = after(before, look, self.settings.rules, at)
        rules = self.settings.rules
        self._stale_from = (
            self._clock.boottime() + self._pause + (STALE_AFTER_LOOKS - 1) * rules.every_seconds + rules.timeout_seconds
        )
        self._reason = held_by(self.settings, verdict)
        if isinstance(look, Failed):
            self.errors += 1
            if before.problem is None:
                self._bus.tell(BrakeLookFailed(self.settings.name, look.problem))
        value = verdict.seen.value if verdict.seen is not None else None
        if value is not None and verdict.problem is None:
            self.samples.append((at, value))
        if verdict.is_critical and value is not None and not self._is_latched and verdict.problem is None:
            self.unwritten = (at, value)
            self._bus.tell(BrakeMoved(self.settings.name, "critical", value, None))
        if before.holds != verdict.holds:
            why = None if self._reason is None else self._reason.message
            self._bus.tell(BrakeMoved(self.settings.name, "holds" if verdict.holds else "open", value, why))
        if before.looked_at is None or before.holds != verdict.holds or self.unwritten is not None:
            self._on_change()

    @property
    def _is_latched(self) -> bool:
        return self.unwritten is not None or (self.kept is not None and self.kept.critical_at is not None)

    @property
    def looks_bad(self) -> bool:
        """Whether a reset would be for nothing: the last look was bad, or saw nothing."""
        verdict = self.verdict
        return verdict.looked_at is None or verdict.problem is not None or verdict.is_critical or verdict.holds


def _ignore(task: "asyncio.Task[Seen]") -> None:
    """Whatever a look that nobody waits for any more ends with."""
    if not task.cancelled():
        task.exception()
