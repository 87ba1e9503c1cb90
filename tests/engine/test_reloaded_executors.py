"""What a reload makes of executors is in force for what runs from its next try on; what is under way ends as before."""

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.engine.test_runs import resolved
from tests.engine.test_trouble import says
from tests.support.backfills import make_backfill
from tests.support.engine import ScriptedExecutor, engine_on
from tests.support.waiting import eventually

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.executors.base import Permit, Work

REFUSED = Verdict(VerdictKind.REFUSED, error_class="definition_invalid", error="its host is not allowed")


class Exchangeable(ScriptedExecutor):
    """The executor of a revision until it is exchanged."""

    other: "ScriptedExecutor | None" = None

    def for_revision(self, revision_id: int, definition: Mapping[str, Any]) -> ScriptedExecutor:
        return self.other or self


class Refusing(Exchangeable):
    """As the registry makes one where there can be none."""

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        return REFUSED


async def test_what_runs_starts_by_the_new_one_from_the_next_try_on(dsn, pool):
    goes_on = asyncio.Event()

    async def held(work: Work) -> Verdict:
        await goes_on.wait()
        return SUCCEEDED

    old = Exchangeable(held)
    backfill = await make_backfill(pool, **resolved(max_in_flight=2))
    async with engine_on(dsn, pool, old) as engine:
        await eventually(lambda: len(old.starts) == 2)
        old.other = new = ScriptedExecutor(clock=engine.clock)
        engine.scheduler.hear(None)
        version = await pool.fetchval("SELECT version FROM backfills")
        await engine.control.confirm(backfill.number, version)
        goes_on.set()
        await engine.until(backfill, "completed")

    assert (2, 48) == (len(old.starts), len(new.starts))


async def test_one_that_could_not_be_worked_with_goes_on_after_the_reload(dsn, pool):
    old = Refusing(target="revision:1")
    backfill = await make_backfill(pool, **resolved())
    async with engine_on(dsn, pool, old) as engine:
        await says(engine, backfill, "target_refuses")
        old.other = ScriptedExecutor(clock=engine.clock)
        engine.tools.targets.reset()
        engine.scheduler.hear(None)
        await engine.until(backfill, "completed")

    assert 50 == len(old.other.starts)


async def test_what_can_be_worked_with_no_more_holds(dsn, pool):
    async def slow(work: Work) -> Verdict:
        await asyncio.sleep(0.02)
        return SUCCEEDED

    old = Exchangeable(slow)
    backfill = await make_backfill(pool, **resolved(max_in_flight=2))
    async with engine_on(dsn, pool, old) as engine:
        await engine.until(backfill, succeeded=1)
        old.other = Refusing(target="revision:1")
        engine.scheduler.hear(None)
        await says(engine, backfill, "target_refuses")
        before = len(old.starts)
        await asyncio.sleep(0.1)

    assert before == len(old.starts) < 50
