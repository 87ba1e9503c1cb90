"""No connection is asked more often than it may be, by everybody together, in any span of time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from tests.fake_psa.generic import GenericApi
from tests.sources.http.conftest import ALL, KEYSET, Making, crm
from tests.support.clock import FakeClock

from backfilld.sources.base import EntityQuery, Page, SourceBusy
from backfilld.sources.http import places
from backfilld.sources.http.asking.budget import Budget, BudgetLimits
from backfilld.sources.http.asking.rates import Purpose
from backfilld.sources.http.dialects.generic import GenericDialect
from backfilld.sources.http.source import LOOKING, HttpSource


class Asking:
    """Requests of many at once; each lasts for some time of the clock."""

    def __init__(self, budget: Budget, clock: FakeClock) -> None:
        self.budget, self.clock = budget, clock
        self.times: list[float] = []
        self.running = self.most = 0

    async def ask(self, purpose: Purpose, endpoint: str = "x", seconds: float = 0.5) -> None:
        """Until it was let in; whoever is told to come later does."""
        while True:
            try:
                async with self.budget.place(purpose, endpoint):
                    self.times.append(self.clock.monotonic())
                    self.running += 1
                    self.most = max(self.most, self.running)
                    await self.clock.sleep(seconds)
                    self.running -= 1
                    return
            except SourceBusy as busy:
                until = busy.until or self.clock.now()
                await self.clock.sleep((until - self.clock.now()).total_seconds())

    def most_within(self, seconds: float) -> int:
        return max(sum(start <= at < start + seconds for at in self.times) for start in self.times)


async def until_done(clock: FakeClock, tasks: list["asyncio.Task[None]"], step: float = 30.0) -> None:
    for _ in range(2_000):
        if all(task.done() for task in tasks):
            break
        await clock.advance(step)
    for task in tasks:
        task.result()


async def test_plans_and_previews_together_never_exceed_the_hour(clock: FakeClock) -> None:
    asking = Asking(Budget("psa", BudgetLimits({3600.0: 40, 60.0: 20}, 3, 2), clock), clock)

    async def plan() -> None:
        for _ in range(12):
            await asking.ask(Purpose.PLAN)

    tasks = [asyncio.create_task(plan()) for _ in range(10)]
    tasks += [asyncio.create_task(asking.ask(Purpose.LOOK, "y")) for _ in range(50)]
    await until_done(clock, tasks)

    assert 170 == len(asking.times)
    assert 40 >= asking.most_within(3600)
    assert 20 >= asking.most_within(60)
    assert 3 >= asking.most


async def test_one_endpoint_gets_so_many_at_once(clock: FakeClock) -> None:
    asking = Asking(Budget("psa", BudgetLimits({}, 4, 2), clock), clock)
    tasks = [asyncio.create_task(asking.ask(Purpose.READ, "Tickets", 1.0)) for _ in range(10)]
    await clock.advance(0.1)
    running = asking.running
    await until_done(clock, tasks, 1.0)

    assert 2 == running
    assert 2 == asking.most


async def test_reads_come_before_plans_and_looks_before_both(clock: FakeClock) -> None:
    budget = Budget("psa", BudgetLimits({}, 1), clock)
    order: list[str] = []

    async def ask(name: str, purpose: Purpose) -> None:
        async with budget.place(purpose, "x"):
            order.append(name)
            await clock.sleep(1)

    first = asyncio.create_task(ask("first", Purpose.PLAN))
    await clock.advance(0.1)
    tasks = [asyncio.create_task(ask(p.name, p)) for p in (Purpose.PLAN, Purpose.WRITE, Purpose.READ, Purpose.LOOK)]
    await until_done(clock, [first, *tasks], 1.0)

    assert ["first", "LOOK", "READ", "WRITE", "PLAN"] == order


@pytest.mark.parametrize("purpose", [Purpose.LOOK, Purpose.EARLY_PLAN])
async def test_looks_and_plans_that_wait_for_approval_take_a_fifth_at_most(clock: FakeClock, purpose: Purpose) -> None:
    budget = Budget("psa", BudgetLimits({3600.0: 50}), clock)
    for _ in range(10):
        async with budget.place(purpose, "x"):
            pass
    with pytest.raises(SourceBusy):
        async with budget.place(purpose, "x"):
            pass
    for _ in range(40):
        async with budget.place(Purpose.PLAN, "x"):
            pass

    assert 50 == budget.usage().used


async def test_a_storm_of_refusals_is_met_with_ever_longer_pauses_and_ends(clock: FakeClock) -> None:
    budget = Budget("psa", BudgetLimits(), clock)
    pauses = []
    for _ in range(7):
        until = budget.throttled(None, "too many")
        pauses.append((until - clock.now()).total_seconds())
        await clock.advance(pauses[-1] + 1)
        async with budget.place(Purpose.READ, "x"):
            pass  # one success does not make it forget
    await clock.advance(3600)
    calm = (budget.throttled(None, "too many") - clock.now()).total_seconds()

    assert [30, 60, 120, 240, 480, 600, 600] == pauses
    assert 30 == calm


async def test_what_the_other_side_asks_for_holds_everybody(clock: FakeClock) -> None:
    budget = Budget("psa", BudgetLimits(), clock)
    until = budget.throttled(17, "psa answers 429")
    with pytest.raises(SourceBusy, match="psa answers 429") as raised:
        async with budget.place(Purpose.LOOK, "x"):
            pass
    await clock.advance(17)
    async with budget.place(Purpose.LOOK, "x"):
        pass

    assert until == raised.value.until
    assert timedelta(seconds=17) == until - (clock.now() - timedelta(seconds=17))


async def test_what_was_asked_before_a_restart_counts(clock: FakeClock) -> None:
    before = Budget("psa", BudgetLimits({3600.0: 10}), clock)
    for _ in range(8):
        async with before.place(Purpose.PLAN, "x"):
            pass
    minutes = before.asked_since_written()
    before.was_written(minutes)
    await clock.advance(600)
    after = Budget("psa", BudgetLimits({3600.0: 10}), clock)
    after.restore(minutes)
    for _ in range(2):
        async with after.place(Purpose.PLAN, "x"):
            pass
    with pytest.raises(SourceBusy):
        async with after.place(Purpose.PLAN, "x"):
            pass

    assert {} == before.asked_since_written()
    assert 10 == after.usage().used


async def test_who_stops_waiting_takes_no_place(clock: FakeClock) -> None:
    budget = Budget("psa", BudgetLimits({}, 1), clock)
    await budget.take(Purpose.PLAN, "x")
    waiting = asyncio.create_task(budget.take(Purpose.READ, "x"))
    await clock.advance(0.1)
    waiting.cancel()
    await clock.advance(0.1)
    budget.give_back("x")

    async with asyncio.timeout(10), budget.place(Purpose.PLAN, "x"):
        pass


async def test_ten_plans_and_fifty_looks_over_one_connection_never_exceed_any_rolling_hour(
    clock: FakeClock, api: GenericApi, making: Making
) -> None:
    limits = "requests_per_hour = 30\nrequests_per_minute = 12\nmax_concurrent = 2"
    made = making(crm(api.url).replace("max_concurrent = 4", limits) + KEYSET)["ticket"]
    looks = HttpSource(made.resource, GenericDialect(), made.connection, clock, LOOKING)
    asking = Asking(made.connection.budget, clock)
    sender = made.connection._sender
    send = sender._wire.send

    def sent(*args: Any, **settings: Any) -> Any:
        asking.times.append(clock.monotonic())
        return send(*args, **settings)

    sender._wire.send = sent  # type: ignore[method-assign]

    async def patiently(ask: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            try:
                return await ask()
            except SourceBusy as busy:
                await clock.sleep(((busy.until or clock.now()) - clock.now()).total_seconds())

    async def plan() -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while cursor != places.written(None, ""):

            async def page(behind: str | None = cursor) -> Page:
                async with aclosing(made.pages(EntityQuery("ticket"), cursor=behind, page_size=1)) as pages:
                    return await anext(pages)

            one = await patiently(page)
            found += [entity.id for entity in one.entities]
            cursor = one.cursor
        return found

    plans = [asyncio.create_task(plan()) for _ in range(10)]
    counts = [
        asyncio.create_task(patiently(lambda: looks.count(EntityQuery("ticket"), within_seconds=1e9)))
        for _ in range(50)
    ]
    while not all(task.done() for task in (*plans, *counts)):
        while running := list(sender._running):  # the time stands still for whoever is on the wire
            await asyncio.wait(running)
        await clock.advance(15.0)

    assert [ALL] * 10 == [task.result() for task in plans]
    assert [250] * 50 == [task.result() for task in counts]
    assert 80 == len(api.asked)
    assert 30 >= asking.most_within(3600)
    assert 12 >= asking.most_within(60)
    assert 2 >= api.most_at_once[""]
