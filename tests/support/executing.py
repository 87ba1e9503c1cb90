"""Work, permits and time for executors."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

from backfilld.clock import SystemClock
from backfilld.executors.base import NotPermitted, Work

BACKFILL = UUID("11111111-2222-4333-8444-555555555555")


def work(**changes: Any) -> Work:
    """An item; any field may be another."""
    fields: dict[str, Any] = {
        "workflow_id": 7,
        "workflow_name": "enrich",
        "backfill_id": BACKFILL,
        "backfill_name": "last year",
        "entity_id": "T-1",
        "entity_type": "ticket",
        "attributes": {"title": "Grüße", "priority": 2},
        "as_of": "2027-03-01T11:59:58Z",
        "params": {"model": "small"},
        "rehearsal": False,
        "attempt": 1,
        "idempotency_key": f"bf_{BACKFILL}_0123456789abcdef0123456789abcdef",
        "timeout_seconds": 10.0,
    }
    return Work(**(fields | changes))


class FreePermit:
    """A gate that stands open and counts."""

    def __init__(self) -> None:
        self.started = 0
        self.sent_times = 0
        self.was_started = asyncio.Event()
        self.was_sent = asyncio.Event()

    def start(self) -> None:
        self.started += 1
        self.was_started.set()

    def sent(self) -> None:
        self.sent_times += 1
        self.was_sent.set()


class ShutPermit(FreePermit):
    """A gate that is closed."""

    def start(self) -> None:
        self.started += 1
        raise NotPermitted


class HurryingClock(SystemClock):
    """Sleeps are noted and over at once; `at` stands in for the wall clock if given."""

    def __init__(self, at: datetime | None = None) -> None:
        self._at = at
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._at or super().now()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)
