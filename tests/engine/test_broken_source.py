"""A source that nobody but its owner can mend ends the backfill, and says why."""

import asyncio

from tests.support.backfills import make_backfill
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities

from backfilld.domain.backfills.verdicts import SUCCEEDED
from backfilld.engine.backfills.context import Limits
from backfilld.sources.base import SourceBroken

ALL = {"filter_resolved": {"match_all": True}}


class Breaking(ListSource):
    """Breaks when it is read, or already when it is listed."""

    breaks_when_read = False
    breaks_when_listed = False

    async def pages(self, query, *, cursor, page_size):
        if self.breaks_when_listed:
            raise SourceBroken('relation "tickets" does not exist')
        async for page in super().pages(query, cursor=cursor, page_size=page_size):
            yield page

    async def read(self, entity_type, ids):
        if self.breaks_when_read:
            raise SourceBroken('column "title" does not exist')
        return await super().read(entity_type, ids)


async def test_a_plan_that_cannot_be_made_fails_the_backfill_with_the_reason(dsn, pool):
    source = Breaking(entities(10))
    source.breaks_when_listed = True
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, source=source) as engine:
        row = await engine.until(backfill, "failed")

    assert {"code": "source_broken", "message": 'the source is broken: relation "tickets" does not exist'} == row.error
    assert [] == engine.executor.starts


async def test_a_source_that_breaks_later_fails_the_backfill_when_what_is_in_flight_has_ended(dsn, pool):
    source, in_flight, let_go = Breaking(entities(3000)), asyncio.Event(), asyncio.Event()

    async def script(_):
        source.breaks_when_read = True
        in_flight.set()
        await let_go.wait()
        return SUCCEEDED

    backfill = await make_backfill(pool, **ALL, max_in_flight=5)
    limits = Limits(ramp_seconds=0, freshness_seconds=0.05)
    async with engine_on(dsn, pool, ScriptedExecutor(script), source, limits=limits) as engine:
        await in_flight.wait()
        await asyncio.sleep(0.1)  # until what was read ahead is stale
        let_go.set()
        row = await engine.until(backfill, "failed")
        outcomes = await engine.outcomes(backfill)

    assert "source_broken" == row.error["code"]
    assert {"succeeded": len(engine.executor.starts)} == outcomes
