"""Backfills that hold every place make room for another as their items end."""

import asyncio
from collections import defaultdict
from uuid import UUID

from tests.support.backfills import make_backfill, make_workflow
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.executors.base import Work


async def test_a_backfill_that_came_late_gets_its_share_of_the_places(dsn, pool):
    underway: dict[UUID | None, list[asyncio.Event]] = defaultdict(list)
    workflow = await make_workflow(pool)
    first = await make_backfill(pool, workflow, exclusive=False, max_in_flight=6)

    async def script(work: Work) -> Verdict:
        end = asyncio.Event()
        underway[work.backfill_id].append(end)
        await end.wait()
        underway[work.backfill_id].remove(end)
        return SUCCEEDED

    async with engine_on(dsn, pool, ScriptedExecutor(script), ListSource(entities(40)), capacity=4) as engine:
        capacity = engine.tools.capacity
        await eventually(lambda: len(underway[first.id]) == 4 and capacity.waiting == 2)
        late = await make_backfill(pool, workflow, exclusive=False, max_in_flight=6)
        engine.scheduler.hear(None)
        await eventually(lambda: capacity.waiting == 8)
        seen = []
        for _ in range(6):
            ending = underway[first.id][0]
            ending.set()
            await eventually(
                lambda ending=ending: ending not in underway[first.id] and capacity.waiting == 8 and _sum(underway) == 4
            )
            seen.append((len(underway[first.id]), len(underway[late.id])))
        await engine.cancel(first, in_flight=True)
        await engine.cancel(late, in_flight=True)
        await engine.until(late, "cancelled")

    assert [(3, 1), (2, 2), (2, 2), (2, 2), (2, 2), (2, 2)] == seen


def _sum(underway: dict[UUID | None, list[asyncio.Event]]) -> int:
    return sum(map(len, underway.values()))
