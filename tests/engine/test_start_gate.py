"""The last step before a start, for whatever starts: items of a backfill, and attempts outside of them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.engine.parts import Target, a_lease, an_item
from tests.support.clock import FakeClock, settle

from backfilld.domain.backfills.states import ReasonCode
from backfilld.domain.backfills.verdicts import Verdict, VerdictKind
from backfilld.domain.stopping import StopOrder
from backfilld.engine.attempts.gate import AttemptGate
from backfilld.engine.starting.leases import SAFE_SECONDS, Lease
from backfilld.engine.starting.start_gate import StartGate, Terms
from backfilld.engine.starting.targets.budget import BudgetTerms, TargetBudget
from backfilld.executors.base import NotPermitted

REFUSED = Verdict(VerdictKind.REFUSED, error="no", http_status=401)


class Door:
    """A gate, what it looks at, and whether one may pass."""

    def __init__(self, clock: FakeClock, make: Callable[[Target, Lease[Any]], StartGate[Any]]) -> None:
        self.clock = clock
        self.target = Target(clock)
        self.lease = a_lease(clock)
        self.gate = make(self.target, self.lease)

    @property
    def is_open(self) -> bool:
        permit = self.gate.permit(an_item(99))
        try:
            permit.start()
        except NotPermitted:
            return False
        finally:
            permit.end()
        return True

    def stop(self, version: int, *, stopped: bool) -> None:
        self.lease.stop_switch.put(StopOrder(version, stopped, "anna", None, self.clock.now()))


def of_items(target: Target, lease: Lease[Any]) -> StartGate[Any]:
    return target.gate(lease)


def of_attempts(target: Target, lease: Lease[Any]) -> StartGate[Any]:
    return AttemptGate(lease, target.health, target.clock, Terms("w", 3))


@pytest.fixture(params=[of_items, of_attempts])
def door(request: pytest.FixtureRequest, clock: FakeClock) -> Door:
    return Door(clock, request.param)


async def test_where_nothing_stands_in_the_way_something_starts(door: Door):
    assert door.is_open
    assert door.gate.refusal(door.clock.now()) is None


FORBIDS: dict[str, Callable[[Door], object]] = {
    "its lease is not safe": lambda door: door.clock.suspend(timedelta(seconds=SAFE_SECONDS)),
    "its lease has lapsed since it was taken": lambda door: setattr(door.lease, "lapsed", True),
    "its lease is lost": lambda door: setattr(door.lease, "lost", True),
    "a newer version is known than the one in force": lambda door: setattr(door.lease, "newest_version", 99),
    "the daemon is stopping": lambda door: door.gate.drain(),
    "an order to stop": lambda door: door.stop(2, stopped=True),
    "its target refuses us": lambda door: door.target.health.note(REFUSED, "x", probe=False),
}


@pytest.mark.parametrize("why", FORBIDS)
async def test_each_of_these_forbids_a_start_whatever_it_is(door: Door, why: str):
    FORBIDS[why](door)

    assert not door.is_open


async def test_what_is_said_first_is_the_same_for_both(door: Door):
    said = []
    for why in (
        "its target refuses us",
        "an order to stop",
        "the daemon is stopping",
        "its lease has lapsed since it was taken",
    ):
        FORBIDS[why](door)
        said.append(door.gate.refusal(door.clock.now()).code)

    assert [ReasonCode.TARGET_REFUSES, ReasonCode.STOPPED_BY_OPERATOR, ReasonCode.DRAINING] == said[:3]
    assert {None} == set(said[3:])


async def test_a_permit_starts_once(door: Door):
    permit = door.gate.permit(an_item())
    permit.start()

    with pytest.raises(NotPermitted):
        permit.start()


async def test_settled_means_that_nothing_is_on_its_way_out(door: Door):
    permit = door.gate.permit(an_item())
    permit.start()
    settled = asyncio.ensure_future(door.gate.settled())
    await settle()
    before = settled.done()
    permit.sent()
    await settle()

    assert not before
    assert settled.done()


@pytest.mark.parametrize("step", ["health", "budget"])
async def test_an_error_of_our_own_on_the_way_through_leaves_nothing_behind(
    door: Door, monkeypatch: pytest.MonkeyPatch, step: str
):
    def fails(*_: object, **__: object) -> None:
        raise OverflowError

    health, budget = door.target.health, TargetBudget(BudgetTerms("crm", frozenset(), 60_000, 0), door.clock)
    health.origin.budget = budget
    permit = door.gate.permit(an_item(1))
    with monkeypatch.context() as planted:
        planted.setattr(*(health, "start") if step == "health" else (budget, "take"), fails)
        with pytest.raises(OverflowError):
            permit.start()
    permit.end()
    async with asyncio.timeout(5):
        await door.gate.settled()
    door.clock.suspend(timedelta(seconds=1))

    assert door.is_open
    assert permit.started  # nobody knows better: whoever is told so tries it again under its key


async def test_a_stop_order_is_obeyed_once_what_had_passed_is_out(door: Door):
    permit = door.gate.permit(an_item())
    permit.start()
    order = StopOrder(2, True, "anna", None, door.clock.now())
    obeying = asyncio.ensure_future(door.lease.stop_switch.obey(order))
    await settle()
    before = (obeying.done(), door.lease.stop_switch.obeyed)
    permit.sent()
    await settle()

    assert (False, 0) == before
    assert (True, 2) == (obeying.done(), door.lease.stop_switch.obeyed)


async def test_a_start_is_dated_by_the_reading_of_the_clock_that_permitted_it(door: Door):
    permit = door.gate.permit(an_item())
    permit.start()

    assert door.clock.now() == permit.started_at


async def test_one_looks_at_a_gate_and_sees_whether_it_is_open_and_why_not(door: Door):
    texts = [repr(door.gate)]
    door.stop(2, stopped=True)
    texts.append(repr(door.gate))

    assert "open" in texts[0]
    assert "closed: " in texts[1]
    assert repr(door.lease) in texts[0]


async def test_what_is_to_be_killed_starts_no_more(clock: FakeClock):
    door = Door(clock, of_attempts)
    gate = door.gate
    assert isinstance(gate, AttemptGate)
    gate.kill()

    assert gate.is_killed
    assert not door.is_open
