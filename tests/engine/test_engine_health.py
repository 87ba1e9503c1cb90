"""What runs on an engine shares its fate, under a reason of its own."""

import pytest
from tests.engine.parts import Target, break_down
from tests.support.clock import NOON, FakeClock

from backfilld.domain.backfills.holding import because
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.engines import engine_target
from backfilld.engine.starting.targets.target_health import TargetHealth


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
