"""What time it is, and how to wait.

Wall time decides what may happen, monotonic time how long to sleep, boot time how long ago something was
(it goes on while the machine is suspended). Whatever waits is handed a clock; nobody else reads one.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

LONGEST_WAIT_SECONDS = 60.0  # a stepped clock or a suspended machine is noticed after this at the latest


class Clock(Protocol):
    """Time as the program sees it. `SystemClock` is the real one, tests move a fake one."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some moment; never steps back."""

    def boottime(self) -> float:
        """Seconds since the machine started, suspensions included."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`, however the wall clock is moved meanwhile."""

    async def wait(self, event: asyncio.Event, *, until: datetime | None = None) -> bool:
        """Return when `event` is set (True), or at `until`, or after LONGEST_WAIT_SECONDS (both False)."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, *, until: datetime | None = None) -> bool:
        seconds = LONGEST_WAIT_SECONDS
        if until is not None:
            seconds = min(seconds, max(0.0, (until - self.now()).total_seconds()))
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True
