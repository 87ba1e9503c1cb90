"""An entity that stops matching before its first start is left out, if that is wanted; one that was started goes on."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.engine.parts import OPEN, a_backfill
from tests.engine.test_reader import Reading, reading
from tests.support.backfill_api import make_operations
from tests.support.backfills import make_backfill
from tests.support.engine import Engine, ListSource, ScriptedExecutor, engine_on, entities
from tests.support.left_behind import left_behind
from tests.support.schedules import ANNA
from tests.support.waiting import eventually

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.retries import Backoff
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.domain.entities.records import Entity
from backfilld.engine.backfills.context import Limits
from backfilld.engine.backfills.running.attributes import Unreadable, still_matching
from backfilld.executors.base import Work
from backfilld.operations.backfills.check import Checked
from backfilld.operations.steering.edit import Change

HTTP_500 = Verdict(VerdictKind.TRY_AGAIN, error_class="http_500", error="broken", http_status=500)
CHANGES: dict[str, dict[str, Any] | None] = {
    "changed": {"status": "closed"}, "lost its field": {}, "of another type": {"status": ["open"]},
    "still matching": {"status": "open", "priority": 9}, "gone": None,
}  # fmt: skip


def open_ones(count: int) -> ListSource:
    return ListSource([Entity(one.id, {"status": "open"}) for one in entities(count)])


def change(source: ListSource, id: str, attributes: dict[str, Any] | None) -> None:
    if attributes is None:
        del source.entities[id]
    else:
        source.entities[id] = Entity(id, attributes)


async def skips(engine: Engine, backfill: Backfill) -> dict[int, str]:
    rows = await engine.pool.fetch(
        "SELECT position, skip_reason FROM outcomes WHERE backfill_number = $1 AND status = 'skipped'", backfill.number
    )
    return {row["position"]: row["skip_reason"] for row in rows}


async def edit(engine: Engine, backfill: Backfill, **values: Any) -> None:
    operations = make_operations(engine.pool, engine.clock, engine.control)  # type: ignore[arg-type]
    await operations.editor.edit(ANNA, backfill.id, Change(values, Checked(ZoneInfo("UTC"))))


@pytest.mark.parametrize(
    ("recheck", "expected"),
    [
        (True, {0: "no_longer_matches", 1: "no_longer_matches", 2: "no_longer_matches", 4: "entity_gone"}),
        (False, {4: "entity_gone"}),
    ],
)
async def test_what_stopped_matching_before_its_turn_is_left_out_where_that_is_wanted(
    dsn, pool, recheck: bool, expected: dict[int, str]
):
    source = open_ones(6)
    backfill = await make_backfill(pool, filter_resolved=OPEN, start="when_approved", recheck=recheck)
    async with engine_on(dsn, pool, source=source) as engine:
        await engine.until(backfill, "paused")
        for id, attributes in zip(list(source.entities), CHANGES.values(), strict=False):
            change(source, id, attributes)
        await engine.resume(backfill)
        await engine.until(backfill, "completed")
        skipped = await skips(engine, backfill)

    assert expected == skipped
    assert 6 - len(skipped) == len(engine.executor.starts)


async def test_a_retry_goes_on_though_its_entity_matches_no_more(dsn, pool):
    source = open_ones(3)

    def script(work: Work) -> Verdict:
        if work.entity_id != "e000001" or work.attempt > 1:
            return SUCCEEDED
        change(source, "e000001", {"status": "closed"})
        return HTTP_500

    backfill = await make_backfill(pool, filter_resolved=OPEN, recheck=True)
    async with engine_on(dsn, pool, ScriptedExecutor(script), source, backoff=Backoff(base=timedelta())) as engine:
        await engine.until(backfill, "completed")

    assert [1, 2] == [start.attempt for start in engine.executor.starts if start.entity_id == "e000001"]
    assert {"succeeded": 3} == await engine.outcomes(backfill)


async def test_what_a_killed_daemon_may_have_started_goes_on_and_the_rest_is_tested(dsn, pool):
    source = open_ones(20)
    for id in ("e000002", "e000015"):
        change(source, id, {"status": "closed"})
    backfill = await left_behind(pool, *["pending"] * 20, started=10, filter_resolved=OPEN, recheck=True)
    async with engine_on(dsn, pool, source=source, limits=Limits(ramp_seconds=0, freshness_seconds=0)) as engine:
        await engine.until(backfill, "completed")
        skipped = await skips(engine, backfill)

    assert {15: "no_longer_matches"} == skipped
    assert 1 == sum(start.entity_id == "e000002" for start in engine.executor.starts)


async def test_a_rerun_runs_what_was_chosen_whatever_it_became(dsn, pool):
    source = open_ones(3)
    parent = await make_backfill(pool, filter_resolved={"match_all": True}, exclusive=False)
    backfill = await make_backfill(
        pool, filter_resolved=OPEN, recheck=True, parent_number=parent.number, parent_id=parent.id,
        start="when_approved", exclusive=False,
    )  # fmt: skip
    async with engine_on(dsn, pool, source=source) as engine:
        await engine.until(backfill, "paused")
        change(source, "e000001", {"status": "closed"})
        await engine.resume(backfill)
        await engine.until(backfill, "completed")

    assert {"succeeded": 3} == await engine.outcomes(backfill)


@pytest.mark.parametrize("wanted", [True, False])
async def test_it_can_be_switched_on_the_way_also_for_what_was_read_ahead(dsn, pool, wanted: bool):
    source, answers = open_ones(30), asyncio.Semaphore(0)

    async def script(_: Work) -> Verdict:
        await answers.acquire()
        return SUCCEEDED

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(
        pool, filter_resolved=OPEN, recheck=not wanted, max_in_flight=1, start="when_approved"
    )
    async with engine_on(dsn, pool, executor, source) as engine:
        await engine.until(backfill, "paused")
        change(source, "e000007", {"status": "closed"})
        await engine.resume(backfill)
        await eventually(lambda: executor.running == 1)
        await edit(engine, backfill, recheck=wanted)
        for _ in range(30):
            answers.release()
        await engine.until(backfill, "completed")
        skipped = await skips(engine, backfill)

    assert ({7: "no_longer_matches"} if wanted else {}) == skipped


# What was read a while ago


async def a_reading(pool, clock, *, recheck: bool = True, source: ListSource | None = None) -> Reading:
    """A reader of ten open entities, whose filter is asked again."""
    settings = a_backfill(recheck=recheck).settings
    return await reading(
        pool, clock, *["pending"] * 10, source=source or open_ones(10), filter_resolved=OPEN, settings=settings
    )


@pytest.mark.parametrize(
    ("was", "expected"),
    [({}, "no_longer_matches"), ({"is_retry": True}, None), ({"in_doubt": True}, None)],
    ids=["never started", "tried before", "may have been started"],
)
async def test_an_item_that_is_read_again_is_tested_again_unless_it_was_started(
    pool, clock, was: dict[str, bool], expected: str | None
):
    plan = await a_reading(pool, clock)
    item = await plan.reader.next_planned(5)
    change(plan.source, "e000000", {"status": "closed"})
    await clock.advance(6)
    stale = await plan.reader.refreshed(replace(item, **was))
    change(plan.source, "e000000", {"status": "open"})
    await clock.advance(6)
    open_again = await plan.reader.refreshed(stale)

    assert (None, expected, None) == (item.skip_reason, stale.skip_reason, open_again.skip_reason)


async def test_what_is_read_again_together_is_tested_together_and_never_taken_the_short_way(pool, clock):
    class Dear(ListSource):
        freshness_seconds = 5.0

    plan = await a_reading(pool, clock, source=Dear(list(open_ones(10).entities.values())))
    item = await plan.reader.next_planned(5)
    change(plan.source, "e000001", {"status": "closed"})
    await clock.advance(6)
    await plan.reader.refreshed(item)
    short, following = plan.reader.take_read(), await plan.reader.next_planned(5)

    assert (None, "e000001", "no_longer_matches") == (short, following.entity_id, following.skip_reason)


@pytest.mark.parametrize("wanted", [True, False])
async def test_what_is_at_hand_obeys_a_change_at_once(pool, clock, wanted: bool):
    source = open_ones(10)
    for id in ("e000000", "e000001"):
        change(source, id, {"status": "closed"})
    plan = await a_reading(pool, clock, recheck=not wanted, source=source)
    first = await plan.reader.next_planned(5)
    plan.reader.give_back(first)
    plan.reader.obey(a_backfill(number=plan.account.backfill_number, filter_resolved=OPEN, recheck=wanted))
    items = [await plan.reader.next_planned(5) for _ in range(3)]

    assert [*(["no_longer_matches"] * 2 if wanted else [None] * 2), None] == [item.skip_reason for item in items]


def test_what_cannot_be_read_is_left_to_whoever_would_send_it():
    matches = still_matching(a_backfill(filter_resolved=OPEN, recheck=True))

    assert matches is not None
    assert (True, False) == (matches(Unreadable(ValueError("garbage"))), matches({}))
