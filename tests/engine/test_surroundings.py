"""What bounds a backfill from outside: budgets in parts to all that share them, and the time that brakes took."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.engine.parts import a_backfill
from tests.support.clock import NOON, FakeClock

from backfilld.bus import Bus
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import Status
from backfilld.domain.brakes.history import Held
from backfilld.domain.brakes.settings import Start
from backfilld.engine.starting.targets.budget import BudgetTerms
from backfilld.engine.starting.targets.known_targets import Targets
from backfilld.engine.surroundings import Surroundings, Work
from backfilld.sources.base import Price
from backfilld.sources.http.asking.budget import Budget, BudgetLimits
from backfilld.sources.http.asking.rates import Purpose

CRM = "https://crm.example"
WRITES = {"executor": {"type": "http", "connection": "psa", "url": "/Tickets"}}

SPENDS = {"spends": {"connection": "psa", "requests": 3}}


class Listed:
    """A source whose entities cost requests: 500 a page, read again 400 at once."""

    plans_outside_windows = False

    def price(self) -> Price:
        return Price("psa", 1 / 500, 1 / 400)


class Here:
    """Surroundings in a process that runs what a test says, all of it to one target."""

    def __init__(self, clock: FakeClock, **budgets: dict[float, int]) -> None:
        self.clock = clock
        self.running: list[tuple[Backfill, str]] = []
        self.held: list[Held] = []
        self.asked: list[Start] = []
        self.budgets = {name: Budget(name, BudgetLimits(rates), clock) for name, rates in budgets.items()}
        self.targets = Targets(clock, Bus())
        self.source: Any = None
        context: Any = SimpleNamespace(
            clock=clock,
            targets=self.targets,
            executors=SimpleNamespace(for_revision=lambda *_: SimpleNamespace(target=CRM)),
            sources=SimpleNamespace(find=lambda _: self.source),
            brakes=SimpleNamespace(held_since=self.held_since),
        )
        scheduler: Any = SimpleNamespace(running=lambda: self.running)
        self.around = Surroundings(scheduler, context, self.budgets)

    async def held_since(self, start: Start, since: Any) -> list[Held]:
        self.asked.append(start)
        return self.held

    def runs(self, number: int, target: str = CRM, status: Status = Status.RUNNING, **changes: Any) -> None:
        self.running.append((replace(a_backfill(status=status), number=number, **changes), target))


@pytest.fixture
def here(clock: FakeClock) -> Here:
    return Here(clock, psa={3_600.0: 5_000, 60.0: 600})


def budget(here: Here, rate: float = 60.0, reserve: float = 0.0) -> None:
    here.targets.put_budgets([BudgetTerms("crm", frozenset({CRM, "https://crm2.example"}), rate, reserve)])


def test_without_budgets_nothing_bounds_it(here: Here) -> None:
    work = Work.of(a_backfill())

    assert ([], []) == (here.around.bounds(work), here.around.allowances(work, to_list=1_000))
    assert here.around.plans_any_time("ticket")


def test_a_target_is_shared_in_equal_parts_by_what_runs(here: Here) -> None:
    """It does not share with itself, with another target, nor with what stands still."""
    budget(here)
    mine = a_backfill()
    here.runs(mine.number)
    here.runs(1, "https://other.example")
    here.runs(2, status=Status.PAUSED)
    (alone,) = here.around.bounds(Work.of(mine))
    here.runs(3)
    here.runs(4, "https://crm2.example")
    (shared,) = here.around.bounds(Work.of(mine))
    new = Work("w", "default", 2, {}, "ticket")

    assert (1.0, 0, 60) == (alone.per_second, alone.others, alone.value)
    assert (1 / 3, 2, 60, "crm") == (shared.per_second, shared.others, shared.value, shared.name)
    assert 3 == here.around.bounds(new)[0].others


def test_what_is_reserved_for_live_attempts_is_not_its(here: Here) -> None:
    budget(here, reserve=0.25)

    assert 0.75 == here.around.bounds(Work.of(a_backfill()))[0].per_second


@pytest.mark.parametrize(("lists", "definition", "per_item", "first"), [
    (True, {}, 1 / 400, 2.0), (False, WRITES, 1.0, 0.0), (True, WRITES, 1 + 1 / 400, 2.0),
    (False, SPENDS, 3.0, 0.0), (True, SPENDS, 3 + 1 / 400, 2.0), (False, WRITES | SPENDS, 4.0, 0.0),
])  # fmt: skip
def test_reading_and_writing_spend_the_requests_of_their_connection(
    here: Here, lists: bool, definition: Any, per_item: float, first: float
) -> None:
    here.source = Listed() if lists else None
    found = here.around.allowances(Work("w", "default", 2, definition, "ticket"), to_list=1_000)

    assert [("requests_per_minute", 600, 60), ("requests_per_hour", 5_000, 3_600)] == [
        (one.what, one.requests, one.seconds) for one in found
    ]
    assert {(per_item, first, "psa")} == {(one.per_item, one.first, one.name) for one in found}


async def test_what_is_used_and_who_shares_it_count(here: Here) -> None:
    here.source = Listed()
    for _ in range(4):
        async with here.budgets["psa"].place(Purpose.READ, "Tickets"):
            pass
    here.runs(1)
    here.runs(2, status=Status.PAUSED)
    hourly = here.around.allowances(Work("w", "default", 2, {}, "ticket"))[1]

    assert (2_500, 2, 5_000, 1) == (hourly.requests, hourly.used, hourly.value, hourly.others)


async def test_sessions_of_a_schedule_are_read_from_nowhere(here: Here) -> None:
    here.source = Listed()

    assert [] == here.around.allowances(Work.of(replace(a_backfill(), kind="schedule")))


async def test_brakes_leave_a_share_that_is_looked_up_once_for_a_while(here: Here, clock: FakeClock) -> None:
    work = Work.of(a_backfill())
    here.held = [Held(NOON - timedelta(hours=6), NOON)]
    shares = [await here.around.open_share(work, None) for _ in range(3)]
    await clock.advance(21)
    here.held = []
    later = await here.around.open_share(work, None)

    assert ([0.75] * 3, 1.0) == (shares, later)
    assert [Start("default/w", CRM)] * 2 == here.asked
