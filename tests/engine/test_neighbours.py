"""What backfills of one process share is known to each of them by name."""

import asyncio

from tests.engine.test_runs import resolved
from tests.engine.test_target_budget import terms
from tests.support.backfills import make_backfill
from tests.support.engine import ScriptedExecutor, engine_on
from tests.support.waiting import eventually

from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.executors.base import Work


async def test_who_waits_for_a_place_is_told_who_has_them_all(dsn, pool):
    held = asyncio.Event()

    async def script(work: Work) -> Verdict:
        await held.wait()
        return SUCCEEDED

    first = await make_backfill(pool, **resolved(max_in_flight=2, name="first"))
    async with engine_on(dsn, pool, ScriptedExecutor(script), capacity=2) as engine:
        engine.tools.targets.put_budgets([terms(per_minute=60_000)])
        await eventually(lambda: len(engine.executor.starts) == 2)
        second = await make_backfill(pool, **resolved(max_in_flight=2, name="second"))
        engine.scheduler.hear(None)
        live = await eventually(lambda: waits(engine.control.live(second.number)))
        held.set()

    known = live.sharing.known()
    assert ("“first” 2", "“first”", "“first”") == (
        known["holders"], known["others_at_target"], known["others_at_budget"],
    )  # fmt: skip
    assert first.number != second.number


def waits(live):
    """The same, once it waits for a place."""
    codes = () if live is None else [reason.code for reason in live.reasons]
    return live if ReasonCode.WAITING_FOR_CAPACITY in codes else None
