"""What runs on an engine shares its fate, under a reason of its own."""

import pytest
from tests.engine.parts import Target, break_down
from tests.support.clock import NOON, FakeClock

from backfilld.bus import Bus
from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.engines import engine_target
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.starting.targets.target_health import Route, TargetHealth


@pytest.fixture
def health(clock: FakeClock) -> TargetHealth:
    return Target(clock, engine_target("wf")).health


async def test_an_engine_that_is_away_is_named_in_the_reason(health: TargetHealth) -> None:
    break_down(health)
    reason = health.reason()

    assert reason is not None
    assert (ReasonCode.ENGINE_UNREACHABLE, "wf") == (reason.code, (reason.facts or {})["target"])
    assert reason.message.startswith("The engine wf cannot be reached since ")


async def test_an_outage_of_an_engine_is_remembered_over_a_restart(health: TargetHealth) -> None:
    health.suspect(because(ReasonCode.ENGINE_UNREACHABLE, since=NOON, target="wf", problem="gone"))

    assert health.is_half_open


async def test_a_queue_without_workers_holds_what_goes_there_and_nothing_else(clock: FakeClock) -> None:
    targets, target = Targets(clock, Bus()), engine_target("main")
    here = targets.health(target, Route("a", 1, "enrich"))
    there = targets.health(target, Route("b", 2, "other"))
    told: list[str] = []
    here.listen(lambda: told.append("here"))
    targets.hold(target, "enrich", because(ReasonCode.NO_WORKERS, since=NOON, engine="main", queue="enrich"))
    reason = here.reason()

    assert reason is not None
    assert (ReasonCode.NO_WORKERS, None) == (reason.code, there.reason())
    assert [reason] == list(here.reasons())
    targets.hold(target, None, because(ReasonCode.ENGINE_UNREACHABLE, since=NOON, target="main", problem="gone"))
    assert [ReasonCode.ENGINE_UNREACHABLE] * 2 == [one and one.code for one in (here.reason(), there.reason())]
    targets.hold(target, None, None)
    targets.hold(target, "enrich", None)

    assert (None, None, ["here"] * 4) == (here.reason(), there.reason(), told)
