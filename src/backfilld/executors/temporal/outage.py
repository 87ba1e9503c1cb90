"""While the engine answers nobody, those who wait for their runs wait together: one asks for all whether it is back."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from backfilld.clock import Clock

FIRST_SECONDS = 1.0
RAREST_SECONDS = 15.0
SPREAD_SECONDS = 1.0  # over which all of them go on, so that they do not do so at once


class Outage:
    """`on_change` is told of its beginning, with what was said, and of its end, with None."""

    def __init__(self, clock: Clock, on_change: Callable[[str | None, datetime], None]) -> None:
        self._clock = clock
        self._on_change = on_change
        self._asking: asyncio.Task[None] | None = None

    async def over(self, problem: str, ask: Callable[[], Awaitable[Any]]) -> None:
        """`problem` broke off a wait: return when the engine answers again, to what `ask` asks, or somebody else did
        who was the first to be broken off. So it has to be what a wait depends on."""
        if self._asking is None:
            self._on_change(problem, self._clock.now())
            self._asking = asyncio.create_task(self._until_answered(ask), name="temporal/outage")
        await asyncio.shield(self._asking)
        await self._clock.sleep(SPREAD_SECONDS * random.random())

    async def _until_answered(self, ask: Callable[[], Awaitable[Any]]) -> None:
        seconds = FIRST_SECONDS
        while True:
            await self._clock.sleep(seconds)
            seconds = min(seconds * 2, RAREST_SECONDS)
            try:
                await ask()
            except Exception:  # noqa: S112 - that is what is waited for
                continue
            self._asking = None
            self._on_change(None, self._clock.now())
            return

    async def close(self) -> None:
        """Nobody waits any more."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
