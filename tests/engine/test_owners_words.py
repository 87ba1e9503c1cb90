"""Whoever is asked, the owner or another daemon, says the same of a backfill, or that it is not known there."""

import asyncio
from datetime import UTC
from typing import Any

import pytest
from tests.engine.brakes.signals import Scripted, brake
from tests.support.backfill_api import make_operations
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON
from tests.support.engine import Engine, ListSource, ScriptedExecutor, SteppedClock, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfill_settings import SlowDown
from backfilld.domain.backfills.explaining import Explanation
from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.brakes.settings import Scope
from backfilld.domain.sentences import plain
from backfilld.engine.starting.targets import origin
from backfilld.engine.surroundings import Surroundings
from backfilld.executors.base import Work
from backfilld.store.backfills.backfills import BackfillStore
from backfilld.store.backfills.leases import LeaseStore

ALL = {"filter_resolved": {"match_all": True}}
TUESDAY = {"daily_execution_windows": {"tuesday": [{"run_start_time": "22:00", "run_end_time": "23:00"}]}}
OF_OTHERS = Scope(workflows=frozenset({"elsewhere/*"}))
DOWN = Verdict(VerdictKind.UNREACHABLE, error_class="connect_failed", error="nobody listens")
REFUSED = Verdict(VerdictKind.REFUSED, error_class="http_401", error="invalid token")


async def held_for_ever(_: Work) -> Verdict:
    await asyncio.Event().wait()
    raise AssertionError


async def explained(engine: Engine, backfill: Backfill) -> Explanation:
    around = Surroundings(engine.scheduler, engine.tools, {})
    operations = make_operations(engine.pool, engine.clock, engine.control, around=around)  # type: ignore[arg-type]
    _, found = await operations.explainer.look(backfill.id)
    return found


def told(found: Explanation) -> Any:
    """What does not change from one moment to the next."""
    blockers = [(one.code.value, one.since, one.text[0]) for one in found.blockers]
    return found.starting, blockers, [(one.what, one.value, one.in_use) for one in found.limits]


async def as_the_other_says(one: Engine, two: Engine, backfill: Backfill, *codes: str | None) -> Explanation | None:
    """What the daemon says that does not run it, once both say the same, and it has these codes (None: none)."""
    owner, other = (one, two) if one.scheduler.runner(backfill.number) else (two, one)
    assert other.scheduler.runner(backfill.number) is None
    by_owner, by_other = await explained(owner, backfill), await explained(other, backfill)
    known = [blocker.code.value for blocker in by_owner.blockers]
    is_wanted = {*codes} <= {*known} if any(codes) else not known and by_owner.limits[0].in_use
    return by_other if is_wanted and told(by_owner) == told(by_other) else None


@pytest.mark.parametrize(
    ("script", "settings", "parts", "code", "limit"),
    [
        (lambda _: DOWN, {}, {}, "target_unreachable", "max_in_flight"),
        (lambda _: REFUSED, {}, {}, "target_refuses", "max_in_flight"),
        (held_for_ever, {"slow_down": SlowDown(latency_ms=5, over=4)}, {}, None, "slow_down"),
        (held_for_ever, {}, {"capacity": 7}, None, "max_in_flight_total"),
        (held_for_ever, {"max_in_flight": 9}, {"capacity": 4, "reserve": 0}, "waiting_for_capacity", "max_in_flight"),
    ],
    ids=["target away", "target refuses", "latency followed", "places", "no places"],
)
async def test_another_daemon_than_the_owner_says_the_same(dsn, pool, script, settings, parts, code, limit):
    executor, source = ScriptedExecutor(script), ListSource(entities(20))
    backfill = await make_backfill(pool, **ALL, **settings)
    async with (
        engine_on(dsn, pool, executor, source, **parts) as one,
        engine_on(dsn, pool, executor, source, **parts) as two,
    ):
        await eventually(lambda: bool(executor.starts))
        found = await eventually(lambda: as_the_other_says(one, two, backfill, code))

    assert limit in [one.what for one in found.limits]


async def test_a_brake_and_a_target_that_is_away_are_both_named_by_another_daemon(dsn, pool, monkeypatch):
    """The brake is one of the owner's alone. The target is not due to be asked again: a brake would forbid it."""
    monkeypatch.setattr(origin, "FIRST_PROBE_SECONDS", 60.0)
    executor, signal = ScriptedExecutor(lambda _: DOWN), Scripted(1)
    backfill = await make_backfill(pool, **ALL)
    async with engine_on(dsn, pool, executor, brakes=[brake("crm_lag", signal)]) as one:
        await eventually(lambda: bool(executor.starts))
        async with engine_on(dsn, pool, executor) as two:
            await eventually(lambda: as_the_other_says(one, two, backfill, "target_unreachable"))
            signal.value = 11  # not before: while a brake holds, nobody asks the target
            found = await eventually(lambda: as_the_other_says(one, two, backfill, "braked", "target_unreachable"))

    assert ["braked", "target_unreachable"] == [blocker.code for blocker in found.blockers][:2]


async def test_what_nobody_runs_is_said_to_be_unknown_and_what_its_owner_has_not_said_yet(dsn, pool):
    backfill = await make_backfill(pool, **ALL)
    await put_into(pool, backfill, Status.RUNNING)
    engine = Engine(dsn, pool, pool, ScriptedExecutor(), ListSource())  # which nobody starts
    nobody = await explained(engine, backfill)
    await LeaseStore(pool, instance="far", process="away").acquire(backfill.number)
    silent = await explained(engine, backfill)

    assert "not known here: no daemon runs it at this moment" in plain(nobody.sentences[-1], UTC)
    assert "not known here: the daemon that runs it has taken it up a moment ago" in plain(silent.sentences[-1], UTC)


@pytest.mark.parametrize(
    ("status", "settings", "blockers"),
    [
        (Status.WAITING, TUESDAY, ["outside_window", "braked"]),
        (Status.PAUSED, TUESDAY, ["too_many_failures", "outside_window", "braked"]),
        (Status.PAUSED, {}, ["too_many_failures", "braked"]),
        (Status.RUNNING, {}, ["braked"]),  # between owners, or no place is free for it
    ],
)
async def test_what_nobody_runs_is_told_with_the_brakes_that_would_hold_it(dsn, pool, status, settings, blockers):
    """As its owner would say it, by whoever has the brakes; what it has its status by comes first."""
    backfill = await make_backfill(pool, **ALL, **settings)
    await put_into(pool, backfill, Status.RUNNING)
    if status is not Status.RUNNING:
        reason = because(ReasonCode.TOO_MANY_FAILURES, since=NOON, case="row", failed=20, limit=20)
        shown = reason if status is Status.PAUSED else None
        await BackfillStore(pool).move(backfill.number, status, reason=shown, at=NOON)
    brakes = [brake("crm_lag", Scripted(11)), brake("well", Scripted(1)), brake("others", Scripted(11), OF_OTHERS)]
    engine = Engine(dsn, pool, pool, ScriptedExecutor(), ListSource(), brakes=brakes, clock=SteppedClock(NOON))
    before = await explained(engine, backfill)  # nobody starts the engine
    for one in engine.brakes:
        await one.look()
    await engine.brakes.remember()
    found = await explained(engine, backfill)

    assert blockers[:-1] == [one.code.value for one in before.blockers]
    assert blockers == [one.code.value for one in found.blockers]
    assert "Braked by crm_lag since Mon 12:00 UTC: 11 is more than 10." == plain(found.blockers[-1].text, UTC, NOON)
    assert not found.starting


async def test_the_brakes_of_another_daemon_than_its_owner_say_nothing_of_it(dsn, pool):
    backfill = await make_backfill(pool, **ALL)
    await put_into(pool, backfill, Status.RUNNING)
    await LeaseStore(pool, instance="far", process="away").acquire(backfill.number)
    engine = Engine(dsn, pool, pool, ScriptedExecutor(), ListSource(), brakes=[brake("mine", Scripted(11))])
    await next(iter(engine.brakes)).look()
    await engine.brakes.remember()
    found = await explained(engine, backfill)

    assert () == found.blockers
    assert "a brake or a limit holds it is not known here" in plain(found.sentences[-1], UTC)
