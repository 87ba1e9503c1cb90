"""A target's budget is shared by all that use it: one after the other, with a part kept for live attempts."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.engine.test_pace import gaps
from tests.engine.test_runs import resolved
from tests.engine.whole_limits import ROUNDING
from tests.support.attempts import all_ended, make_attempts
from tests.support.backfills import make_backfill
from tests.support.clock import NOON, FakeClock
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict
from backfilld.engine.starting.targets.budget import GRACE_SECONDS, BudgetTerms, TargetBudget, TargetBudgets
from backfilld.executors.base import Work

ORIGIN = "http://target"
SECOND = 1.0
NOT_YET = Reason(ReasonCode.NO_WORKERS, "not yet", NOON)


def terms(per_minute: float = 60, reserve: float = 0.0, name: str = "crm", origin: str = ORIGIN) -> BudgetTerms:
    return BudgetTerms(name, frozenset({origin}), per_minute, reserve)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Crowd:
    """Users that ask and start whenever they may, as workers do."""

    def __init__(self, clock: FakeClock, budget: TargetBudget) -> None:
        self.clock, self.budget = clock, budget
        self.started: list[str] = []
        self.at: list[float] = []

    def run(self, seconds: float, users: Sequence[str], live: Sequence[str] = ()) -> list[str]:
        """Who started, in their order, while all of them wanted to all the time."""
        before, until = len(self.started), self.clock.boottime() + seconds
        while self.clock.boottime() < until:
            waits = [self._try(user, live=False) for user in users] + [self._try(user, live=True) for user in live]
            rest = until - self.clock.boottime()
            self.clock.suspend(timedelta(seconds=max(0.01, min(rest, *waits))))
        return self.started[before:]

    def _try(self, user: str, *, live: bool) -> float:
        seconds = self.budget.wait(user, live=live)
        if not seconds and not self.budget.is_short(live=live):
            self.budget.take(user, live=live)
            self.started.append(user)
            self.at.append(self.clock.boottime())
        return seconds


@pytest.fixture
def crowd(clock: FakeClock) -> Crowd:
    return Crowd(clock, TargetBudget(terms(), clock))


def test_backfills_take_turns(crowd: Crowd) -> None:
    assert ["a", "b", "c"] * 3 == crowd.run(8.5, ["a", "b", "c"])


def test_whoever_comes_later_has_the_next_turn_but_one_at_most(crowd: Crowd) -> None:
    crowd.run(4.5, ["a", "b"])
    started = crowd.run(4, ["a", "b", "c"])

    assert "c" in started[:3]


def test_whoever_does_not_take_his_turn_loses_it(crowd: Crowd, clock: FakeClock) -> None:
    crowd.run(2.5, ["a", "b"])
    started = crowd.run(5 + 2 * GRACE_SECONDS, ["b"])

    assert len(started) >= 5


@pytest.mark.parametrize("rate", [0.5, 7, 60, 90, 600])
def test_in_any_minute_at_most_one_more_than_the_budget_starts_over_all(clock: FakeClock, rate: float) -> None:
    crowd = Crowd(clock, TargetBudget(terms(rate, reserve=0.1), clock))
    crowd.run(200, ["a", "b"], live=["x"])
    most = max(sum(first <= at < first + 60 for at in crowd.at) for first in crowd.at)

    assert math.ceil(rate) + 1 >= most


def test_live_attempts_go_first(crowd: Crowd) -> None:
    crowd.run(0.5, ["a"])

    assert ["x", "x"] == crowd.run(2, ["a"], live=["x"])[:2]


def test_backfills_alone_leave_the_reserve(clock: FakeClock) -> None:
    crowd = Crowd(clock, TargetBudget(terms(60, reserve=0.25), clock))
    crowd.run(120.5, ["a", "b"])

    assert 45 == round(len(crowd.started) / 2)
    assert 1 >= abs(crowd.started.count("a") - crowd.started.count("b"))


def test_a_live_attempt_that_comes_when_backfills_wait_needs_not_wait_for_them(clock: FakeClock) -> None:
    crowd = Crowd(clock, TargetBudget(terms(60, reserve=0.5), clock))
    crowd.run(0.5, ["a", "b"])
    clock.suspend(timedelta(seconds=0.6))

    assert (SECOND * 0, True) == (crowd.budget.wait("x", live=True), crowd.budget.wait("b") > 0)


def test_a_live_attempt_that_is_gone_holds_nobody_for_long(crowd: Crowd, clock: FakeClock) -> None:
    crowd.run(0.5, ["a"])
    crowd.budget.wait("x", live=True)
    started = crowd.run(1.5 + GRACE_SECONDS, ["a"])

    assert ["a"] == started[:1]


def test_other_terms_count_what_was_started_before(clock: FakeClock) -> None:
    budgets = TargetBudgets(clock)
    budgets.put([terms(60), terms(1, name="other", origin="http://other")])
    budget = budgets.of(ORIGIN)
    assert budget is not None
    budget.take("a", live=False)
    budgets.put([terms(30)])
    again = budgets.of(ORIGIN)

    assert again is budget
    assert 2 * SECOND == budget.wait("a")
    assert budgets.of("http://other") is None


async def slow(work: Work) -> Verdict:
    await asyncio.sleep(0.02)
    return SUCCEEDED


@pytest.mark.parametrize("before", [[], [terms(60_000, name="other")], [terms(60_000, origin="http://another")]])
async def test_a_budget_that_is_new_counts_from_the_last_start_at_its_origins(dsn, pool, before: list[BudgetTerms]):
    """It is the first, another had the origin, or the origin comes to one that there is."""
    backfill = await make_backfill(pool, **resolved(max_in_flight=1))
    async with engine_on(dsn, pool, ScriptedExecutor(slow)) as engine:
        engine.tools.targets.put_budgets(before)
        await engine.until(backfill, succeeded=1)
        engine.tools.targets.put_budgets([terms(0.1)])
        started = len(engine.executor.starts)
        await asyncio.sleep(0.2)

    assert started == len(engine.executor.starts)


async def test_a_start_outside_of_backfills_takes_nothing_of_their_part_of_a_new_budget(dsn, pool):
    async with engine_on(dsn, pool) as engine:
        await all_ended(engine, await make_attempts(pool, 1))
        engine.tools.targets.put_budgets([terms(0.1, reserve=0.5)])
        budget = engine.tools.targets.health(ORIGIN).origin.budget

    assert 500 < budget.wait("x", live=True) <= 600
    assert 500 < budget.wait("a") <= 600


async def test_two_backfills_share_the_budget_of_their_target(dsn, pool):
    executor = ScriptedExecutor(connects=0.002)
    first = await make_backfill(pool, **resolved(max_in_flight=5))
    second = await make_backfill(pool, **resolved(max_in_flight=1))
    async with engine_on(dsn, pool, executor, ListSource(entities(8))) as engine:
        engine.tools.targets.put_budgets([terms(1200)])
        engine.tools.targets.hold(ORIGIN, None, NOT_YET)  # until both are planned, which may take longer than turns
        await engine.until(first, "running")
        await engine.until(second, "running")
        engine.tools.targets.hold(ORIGIN, None, None)
        await engine.until(first, "completed")
        await engine.until(second, "completed")
    backfills = [start.key.split("_")[1] for start in executor.starts]

    assert 16 == len(executor.starts)
    assert 0.05 - ROUNDING <= min(gaps(executor))
    assert [4, 4] == list(Counter(backfills[4:12]).values())


async def test_live_attempts_have_their_part_and_everything_ends(dsn, pool):
    executor = ScriptedExecutor()
    backfill = await make_backfill(pool, **resolved(max_in_flight=5))
    async with engine_on(dsn, pool, executor, ListSource(entities(10))) as engine:
        engine.tools.targets.put_budgets([terms(1200, reserve=0.1)])
        ids = await make_attempts(pool, 3)
        engine.live.nudge()
        await engine.until(backfill, "completed")
        await all_ended(engine, ids)

    assert 13 == len(executor.starts)
    assert 0.05 - ROUNDING <= min(gaps(executor))


async def test_a_budget_that_is_taken_away_holds_nobody_any_more(dsn, pool):
    executor = ScriptedExecutor()
    backfill = await make_backfill(pool, **resolved())
    async with engine_on(dsn, pool, executor) as engine:
        engine.tools.targets.put_budgets([terms(0.01)])
        await engine.until(backfill, succeeded=1)
        engine.tools.targets.put_budgets([])
        await engine.until(backfill, "completed")

    assert 50 == len(executor.starts)


async def test_who_is_paused_waits_for_the_budget_no_more(dsn, pool):
    backfill = await make_backfill(pool, **resolved())
    async with engine_on(dsn, pool) as engine:
        engine.tools.targets.put_budgets([terms(0.01)])
        budget = engine.tools.targets.health(ORIGIN).origin.budget
        await eventually(lambda: budget.waiting == 1)
        await engine.pause(backfill)
        await eventually(lambda: budget.waiting == 0)
