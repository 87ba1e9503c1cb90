"""What is waited for is asked at once when somebody says so, whoever runs the backfill."""

import pytest
from tests.support.backfill_api import make_operations
from tests.support.backfills import make_backfill
from tests.support.engine import Engine, ListSource, ScriptedExecutor, engine_on, entities
from tests.support.schedules import ANNA
from tests.support.waiting import eventually

from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.backfills.context import Limits
from backfilld.executors.base import Work
from backfilld.operations.backfills.steer import Signal

ALL = {"filter_resolved": {"match_all": True}}
BAD = {
    "target_unreachable": Verdict(VerdictKind.UNREACHABLE, error_class="connect_failed"),
    "target_refuses": Verdict(VerdictKind.REFUSED, error_class="http_401", http_status=401),
}


async def try_now(engine: Engine, backfill: Backfill) -> Signal:
    operations = make_operations(engine.pool, engine.clock, engine.control)  # type: ignore[arg-type]
    return await operations.trying.try_now(ANNA, backfill.id)


class Target:
    def __init__(self, bad: Verdict) -> None:
        self.verdict = bad
        self.executor = ScriptedExecutor(lambda _: self.verdict)


@pytest.fixture(autouse=True)
def rare_probes(monkeypatch):
    """Nobody would be asked again while a test lasts."""
    for name in ("origin.FIRST_PROBE_SECONDS", "target_health.FIRST_REFUSAL_SECONDS",
                 "origin.RAREST_PROBE_SECONDS", "target_health.RAREST_REFUSAL_SECONDS"):  # fmt: skip
        monkeypatch.setattr(f"backfilld.engine.starting.targets.{name}", 3600.0)
    monkeypatch.setattr("backfilld.engine.backfills.running.item_run.SOURCE_PAUSE_SECONDS", 3600.0)
    monkeypatch.setattr("backfilld.engine.backfills.planning.step.FIRST_PAUSE_SECONDS", 3600.0)


async def holds(engine: Engine, backfill: Backfill, code: str) -> None:
    async def is_held() -> bool:
        row = await engine.tools.backfills.get(backfill.id)
        return row.reason is not None and row.reason.code == code and row.reason.until is not None

    await eventually(is_held)


@pytest.mark.parametrize(
    ("elsewhere", "code"),
    [
        *zip((False, True), BAD, strict=True),
        *(pytest.param(*other, marks=pytest.mark.slow) for other in zip((True, False), BAD, strict=True)),
    ],
)
async def test_a_target_that_was_mended_is_asked_at_once(dsn, pool, code, elsewhere):
    target, source = Target(BAD[code]), ListSource(entities(30))
    backfill = await make_backfill(pool, **ALL, max_in_flight=5, max_attempts=20)
    async with engine_on(dsn, pool, target.executor, source) as owner:
        await holds(owner, backfill, code)
        target.verdict = SUCCEEDED
        if elsewhere:
            async with engine_on(dsn, pool, ScriptedExecutor(), source) as other:
                signal = await try_now(other, backfill)
        else:
            signal = await try_now(owner, backfill)
        await owner.until(backfill, "completed")

    assert ("try-now", "the target is asked now", ()) == (signal.name, signal.message, signal.warnings)


async def test_one_that_is_not_well_yet_is_asked_once_and_waited_for_again(dsn, pool):
    target = Target(BAD["target_refuses"])
    backfill = await make_backfill(pool, **ALL, max_in_flight=1)
    async with engine_on(dsn, pool, target.executor) as engine:
        await holds(engine, backfill, "target_refuses")
        asked = len(target.executor.starts)
        await try_now(engine, backfill)
        await eventually(lambda: len(target.executor.starts) == asked + 1)
        await holds(engine, backfill, "target_refuses")

    assert asked + 1 == len(target.executor.starts)


@pytest.mark.parametrize("while_planning", [True, False])
async def test_a_source_that_was_mended_is_asked_at_once(dsn, pool, while_planning):
    source = ListSource(entities(30))
    source.is_down, mended = while_planning, False

    def script(_: Work) -> Verdict:
        source.is_down = not mended
        return SUCCEEDED

    limits = Limits(ramp_seconds=0, freshness_seconds=0.0)  # each is read again right before it starts

    executor = ScriptedExecutor(script)
    backfill = await make_backfill(pool, **ALL, max_in_flight=1, start="now")
    async with engine_on(dsn, pool, None if while_planning else executor, source, limits=limits) as engine:
        await holds(engine, backfill, "source_unreachable")
        source.is_down, mended = False, True
        signal = await try_now(engine, backfill)
        await engine.until(backfill, "completed")

    assert "the source is asked now" == signal.message


async def test_where_there_is_nothing_to_ask_that_is_said(dsn, pool):
    backfill = await make_backfill(pool, **ALL, start="when_approved")
    async with engine_on(dsn, pool) as engine:
        before = await engine.until(backfill, "paused")
        signal = await try_now(engine, backfill)
        after = await engine.tools.backfills.get(backfill.id)

    assert before == after
    assert "what it waits for cannot be asked: The plan is frozen" in signal.warnings[0]
