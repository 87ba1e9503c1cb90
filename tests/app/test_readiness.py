"""What /readyz says is wrong: whichever part waits for the database is named."""

from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from tests.support.clock import FakeClock

from backfilld.app.readiness import Readiness
from backfilld.engine.service import Part
from backfilld.store.connection.pool import Pool

LOCKED = asyncpg.LockNotAvailableError("canceling statement due to lock timeout")


def readiness(pool: Pool, waiting: Part | None) -> Readiness:
    parts = [SimpleNamespace(part=part, obstacle=LOCKED if part is waiting else None) for part in Part]
    scheduler = SimpleNamespace(last_tick_at=1000.0, waits_for_database=False, stop_reason=None)
    engine: Any = SimpleNamespace(scheduler=scheduler, serving=parts)
    database: Any = SimpleNamespace(name="backfilld on /run/x")
    made = Readiness(database, pool, engine, SimpleNamespace(name="i", process="p"), FakeClock())
    made.migrated = True
    return made


@pytest.mark.parametrize("part", [part for part in Part if part.is_vital])
async def test_a_part_that_waits_for_the_database_makes_the_daemon_not_ready_and_is_named(pool: Pool, part: Part):
    checks = await readiness(pool, part).checks()

    assert f"backfilld on /run/x does not {part.value}: LockNotAvailableError" == checks["database"]


@pytest.mark.parametrize("part", [None, *(part for part in Part if not part.is_vital)])
async def test_what_the_work_goes_on_without_is_no_reason_not_to_be_ready(pool: Pool, part: Part | None):
    checks = await readiness(pool, part).checks()

    assert {None} == set(checks.values())
