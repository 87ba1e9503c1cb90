"""A backfill spends no more than its cap, to the entity, over restarts."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from tests.engine.parts import a_backfill, an_item
from tests.engine.test_runs import resolved
from tests.support.backfills import change_settings, make_backfill
from tests.support.clock import NOON
from tests.support.engine import ListSource, ScriptedExecutor, engine_on, entities
from tests.support.waiting import eventually

from backfilld.domain.backfills.records import Item
from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import SUCCEEDED, Verdict, VerdictKind
from backfilld.engine.backfills.limits.credit_budget import CreditBudget
from backfilld.executors.base import Permit, Work

RESET = Verdict(VerdictKind.TRY_AGAIN, error_class="reset")
AWAY = Verdict(VerdictKind.UNREACHABLE, error_class="connect_failed")
NEVER = datetime(2100, 1, 1, tzinfo=UTC)  # later than any failure


def costing(*credits: float | None) -> ScriptedExecutor:
    """Each says that it cost so much, the last for all that follow; None: it says nothing."""
    costs = list(credits)

    def script(_: object) -> Verdict:
        cost = costs.pop(0) if len(costs) > 1 else costs[0]
        return SUCCEEDED if cost is None else Verdict(VerdictKind.SUCCEEDED, credits=Decimal(str(cost)))

    return ScriptedExecutor(script)


@dataclass(frozen=True)
class Case:
    """What an entity is expected to cost, what it says that it cost (None: nothing), the cap; and how many start."""

    per_entity: float
    said: float | None
    cap: float
    starts: int

    @property
    def cost(self) -> Decimal:
        return Decimal(str(self.per_entity if self.said is None else self.said))


CASES = [Case(*case) for case in (
    (1, None, 9, 9), (1, None, 10, 10), (1, None, 10.5, 10), (1, None, 11, 11),  # what is not said costs as expected
    (1, 1, 10, 10), (2, 1, 10, 9),  # the last needs 2, and 1 is left
    (0, 3, 10, 3), (0, 3, 9, 3), (0, 3, 8.5, 2),  # what was reported is what the next may cost
    (0, 20, 10, 1),  # which nobody could know before
    (0.1, None, 0.3, 3),
)]  # fmt: skip


async def test_one_after_the_other_never_spends_more_than_the_cap(dsn, pool):
    """Each case is a backfill."""
    of = {}
    for case in CASES:
        limits = {"max_credits": case.cap, "credits_per_entity": Decimal(str(case.per_entity))}
        backfill = await make_backfill(pool, **resolved(max_in_flight=1, **limits))
        of[backfill.id] = backfill, case
    starts = Counter()

    def script(work: Work) -> Verdict:
        starts[work.backfill_id] += 1
        return costing(of[work.backfill_id][1].said).script(work)

    async with engine_on(dsn, pool, ScriptedExecutor(script)) as engine:
        rows = [await engine.until(backfill, "paused") for backfill, _ in of.values()]
        used = [(await engine.progress(backfill)).credits_used for backfill, _ in of.values()]

    assert {ReasonCode.BUDGET_EXHAUSTED} == {row.reason.code for row in rows}
    assert [case.starts for case in CASES] == [starts[id] for id in of]
    assert [case.starts * case.cost for case in CASES] == used


class OnceReached(ScriptedExecutor):
    """Reached by the first try of an item alone, and nobody knows what that one did."""

    def __init__(self) -> None:
        super().__init__(lambda _: RESET)

    async def execute(self, work: Work, permit: Permit) -> Verdict:
        return AWAY if work.attempt > 1 else await super().execute(work, permit)


async def test_one_that_was_started_costs_as_expected_though_its_last_try_was_not(dsn, pool):
    backfill = await make_backfill(pool, **resolved(max_attempts=2, credits_per_entity=Decimal(3)))
    async with engine_on(dsn, pool, OnceReached(), ListSource(entities(1))) as engine:
        engine.tools.targets.health("http://target").origin.note_answer(VerdictKind.SUCCEEDED, "another", NEVER)
        await engine.until(backfill, "completed_with_failures")

        assert 3 == (await engine.progress(backfill)).credits_used


async def test_one_that_was_started_costs_as_expected_though_it_is_gone_before_its_next_try(dsn, pool):
    source = ListSource(entities(3))

    def script(work: Work) -> Verdict:
        del source.entities[work.entity_id]
        return RESET

    backfill = await make_backfill(pool, **resolved(max_in_flight=3, credits_per_entity=Decimal(3)))
    async with engine_on(dsn, pool, ScriptedExecutor(script), source) as engine:
        await engine.until(backfill, "completed")
        outcomes = await engine.outcomes(backfill)

        assert {"skipped": 3} == outcomes
        assert 3 * len(engine.executor.starts) == (await engine.progress(backfill)).credits_used


async def test_one_that_is_cut_off_by_a_cancel_costs_as_expected(dsn, pool):
    async def never(_: Work) -> Verdict:
        await asyncio.sleep(3600)
        return SUCCEEDED

    backfill = await make_backfill(pool, **resolved(max_in_flight=3, credits_per_entity=Decimal(3)))
    async with engine_on(dsn, pool, ScriptedExecutor(never)) as engine:
        await eventually(lambda: engine.executor.running == 3)
        await engine.cancel(backfill, in_flight=True)
        await engine.until(backfill, "cancelled")

        assert 9 == (await engine.progress(backfill)).credits_used


async def test_it_says_what_is_used_reserved_and_left_and_what_would_finish_it(dsn, pool):
    backfill = await make_backfill(pool, **resolved(max_in_flight=1, max_credits=20, credits_per_entity=Decimal("1.5")))
    async with engine_on(dsn, pool, costing(None), ListSource(entities(20))) as engine:
        row = await engine.until(backfill, "paused")

    assert (
        "It stopped itself: 19.5 of 20 credits are used, 0 reserved, 0.5 left; the next start needs 1.5."
        " About 10 more would finish it."
    ) == row.reason.message


async def test_a_restart_knows_what_was_used_and_what_cost_most(dsn, pool):
    """4 + 1 + 1: after them another 4 would be too much for 9, though only 6 are used."""
    backfill = await make_backfill(pool, **resolved(max_in_flight=1, max_credits=9))
    async with engine_on(dsn, pool, costing(4, 1)) as first:
        await first.until(backfill, succeeded=2)
    async with engine_on(dsn, pool, costing(1)) as second:
        await second.until(backfill, "paused")

    assert 3 == len(first.executor.starts) + len(second.executor.starts)


async def test_a_higher_cap_and_a_resume_go_on(dsn, pool):
    backfill = await make_backfill(pool, **resolved(max_in_flight=2, max_credits=10, credits_per_entity=Decimal(1)))
    async with engine_on(dsn, pool, costing(1)) as engine:
        await engine.until(backfill, "paused")
        await engine.resume(backfill)
        await engine.until(backfill, "paused")
        again = len(engine.executor.starts)
        await change_settings(pool, backfill, max_credits=15)
        await pool.execute("UPDATE backfills SET version = version + 1")
        await engine.resume(backfill)
        await engine.until(backfill, "paused", succeeded=15)

    assert (10, 15) == (again, len(engine.executor.starts))


async def test_what_is_left_to_nobody_stops_nothing(dsn, pool):
    backfill = await make_backfill(pool, **resolved(max_credits=50, credits_per_entity=Decimal(1)))
    async with engine_on(dsn, pool, costing(1)) as engine:
        row = await engine.until(backfill, "completed", "paused")

    assert ("completed", 50) == (row.status, len(engine.executor.starts))


class Spending:
    """A budget, and what is in flight."""

    def __init__(self, cap: float | None, per_entity: int = 1) -> None:
        self.in_flight: dict[int, Item] = {}
        backfill = a_backfill(credits_per_entity=Decimal(per_entity))
        self.budget = CreditBudget(backfill, self.in_flight, used=Decimal(0), highest=Decimal(0))
        self.budget.cap = None if cap is None else Decimal(str(cap))

    def starts(self, position: int) -> None:
        self.budget.reserve(an_item(position))
        self.in_flight[position] = an_item(position)

    def ends(self, position: int, cost: int) -> None:
        del self.in_flight[position]
        self.budget.spent(Decimal(cost))

    @property
    def said(self) -> str:
        refusal = self.budget.refusal(NOON)
        return "" if refusal is None else refusal.code or "not yet"


def test_what_is_in_flight_holds_what_it_reserved() -> None:
    spending = Spending(3)
    said = []
    for position in range(3):
        said.append(spending.said)
        spending.starts(position)

    assert ["", "", "", "not yet"] == [*said, spending.said]


def test_what_is_in_flight_may_leave_enough_when_it_ends() -> None:
    spending = Spending(3, per_entity=2)
    spending.starts(0)
    before = spending.said
    spending.ends(0, cost=1)

    assert ("not yet", "") == (before, spending.said)


def test_it_overshoots_by_no_more_than_what_those_in_flight_cost_above_their_reservation() -> None:
    """Three are in flight at 1 each; each costs 4. Of the cap of 10 nothing else may start after the first."""
    spending, said = Spending(10), []
    for position in range(3):
        spending.starts(position)
    for position in range(3):
        spending.ends(position, cost=4)
        said.append(spending.said)

    assert ["", "not yet", ReasonCode.BUDGET_EXHAUSTED] == said


def test_what_was_started_without_a_cap_counts_once_there_is_one() -> None:
    spending = Spending(None)
    spending.starts(0)
    spending.in_flight[1] = an_item(1)
    spending.budget.cap = Decimal(2)

    assert "not yet" == spending.said
