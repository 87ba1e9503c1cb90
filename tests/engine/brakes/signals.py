"""Signals that a test scripts."""

import asyncio
from collections.abc import Callable
from typing import Any

from backfilld.domain.brakes.settings import BrakeSettings, Rules, Scope, Thresholds
from backfilld.domain.brakes.verdicts import Seen
from backfilld.engine.brakes.signals import LookFailed

ABOVE = Thresholds(above=True, hold=10, release=5, critical=120)


ANY = Scope()


class Scripted:
    """Shows `value` (None: cannot be seen) until a test changes it; while `hangs`, a look never ends."""

    def __init__(self, value: float | None = 1) -> None:
        self.value = value
        self.hangs = False
        self.ignores_cancel = False
        self.looks = 0
        self.closed = False

    async def look(self) -> Seen:
        self.looks += 1
        while self.hangs:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                if not self.ignores_cancel:
                    raise
        if self.value is None:
            raise LookFailed("nobody answers")
        return Seen(float(self.value))

    async def close(self) -> None:
        self.closed = True


def brake(
    name: str, signal: Scripted, scope: Scope = ANY, **rules: Any
) -> tuple[BrakeSettings, Callable[[], Scripted]]:
    """As `Brakes.put` takes it."""
    chosen = Rules(**{"thresholds": ABOVE, "every_seconds": 0.02, "timeout_seconds": 0.5} | rules)
    return BrakeSettings(name, "sql", "a script", chosen, scope), lambda: signal
