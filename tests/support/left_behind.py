"""What owners of backfills that died leave behind, and a clock for whoever takes over."""

import asyncio
from typing import Any

from tests.support.backfills import make_backfill
from tests.support.clock import NOON
from tests.support.engine import SteppedClock
from tests.support.ledgers import make_ledger

from backfilld.domain.backfills.records import Backfill
from backfilld.engine.starting.repeats import SECONDS_APART
from backfilld.store.backfills.leases import Grant, LeaseStore
from backfilld.store.connection.pool import Pool
from backfilld.store.ledger.recovery import RecoveryStore

DEAD = "dead/1"
LONG_AGO = NOON.replace(year=2020)


class HeldClock(SteppedClock):
    """Of the moments between two repeats, none passes before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.let_go = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds != SECONDS_APART:
            return await super().sleep(seconds)
        self.asked += 1
        await self.let_go.wait()
        return None


async def left_behind(pool: Pool, *statuses: str, started: int | None = 10, **settings: Any) -> Backfill:
    """A running backfill whose owner died; he may have started so many (None: he did not write it down)."""
    alone = settings.pop("alone", None)
    backfill = await make_backfill(pool, **{"filter_resolved": {"match_all": True}, "max_in_flight": 3} | settings)
    await make_ledger(pool, backfill, {f"e{n:06}": status for n, status in enumerate(statuses)})
    await pool.execute("UPDATE backfills SET status = 'running' WHERE number = $1", backfill.number)
    await died(pool, backfill, alone=alone, started=started)
    return backfill


async def died(pool: Pool, backfill: Backfill, *, alone: int | None = None, started: int | None = 10) -> Grant:
    """An owner takes it, may have started so many, and dies."""
    grant = await LeaseStore(pool, instance="dead", process="1").acquire(backfill.number)
    assert grant is not None
    await may_have_started(pool, backfill, started)
    if alone is not None:
        await RecoveryStore(pool).start_alone(backfill.number, grant.fence, alone, DEAD)
    await pool.execute("UPDATE leases SET expires_at = $1", LONG_AGO)
    return grant


async def may_have_started(pool: Pool, backfill: Backfill, most: int | None) -> None:
    await pool.execute(
        "UPDATE backfill_progress SET hand_out_limit = $2 + succeeded + failed + skipped + cancelled + retrying"
        " - skipped_in_plan WHERE backfill_number = $1", backfill.number, most,
    )  # fmt: skip


async def in_round(pool: Pool, backfill: Backfill, number: int, *, to: int) -> None:
    """The dead owner was repeating what lay before `to`."""
    await pool.execute(
        "UPDATE backfill_progress SET repeat_round = $2, repeat_to = $3, repeat_fence = fence"
        " WHERE backfill_number = $1",
        backfill.number, number, to,
    )  # fmt: skip


async def attempts_under_way(pool: Any, *, repeat_round: int = 0, stood_alone: bool = False) -> None:
    """All that there is was under way when its process died."""
    await pool.execute(
        "UPDATE attempts SET holder = 'a/b', fence = 3, lease_until = '2020-01-01Z', running_since = $1,"
        " repeat_round = $2, stood_alone = $3", NOON, repeat_round, stood_alone,
    )  # fmt: skip
