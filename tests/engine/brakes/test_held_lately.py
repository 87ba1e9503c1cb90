"""When brakes held a start of late, out of what the database keeps of them."""

from datetime import timedelta

import pytest
from tests.engine.brakes.signals import Scripted, brake
from tests.support.clock import NOON, FakeClock

from backfilld.bus import Bus
from backfilld.domain.brakes.history import Held
from backfilld.domain.brakes.settings import Scope, Start
from backfilld.engine.brakes.board import Brakes
from backfilld.store.connection.pool import Pool
from backfilld.store.steering.brakes import BrakeStore

HOUR = timedelta(hours=1)
ENRICH, SYNC = Start("default/enrich", "https://crm.example"), Start("default/sync", "https://crm.example")


@pytest.fixture
async def brakes(pool: Pool, clock: FakeClock) -> Brakes:
    """`mine` applies to one workflow and still holds, `all` to any; `gone` is no longer in the file."""
    store = BrakeStore(pool)
    for name, began, ended in (("mine", 5, 4), ("all", 3, 2), ("all", 90, 80), ("gone", 6, 1)):
        await store.begin_episode(name, why="-", at=NOON - began * HOUR, value=None)
        await store.end_episode(name, at=NOON - ended * HOUR, worst=None)
    await store.begin_episode("mine", why="-", at=NOON - HOUR, value=None)
    found = Brakes(store, clock, Bus())
    found.put([brake("mine", Scripted(), Scope(workflows=frozenset({"default/enrich"}))), brake("all", Scripted())])
    return found


@pytest.mark.parametrize(("start", "hours"), [(ENRICH, {(5, 4), (3, 2), (1, 0)}), (SYNC, {(3, 2)})])
async def test_it_is_told_of_those_that_apply(brakes: Brakes, start: Start, hours: set[tuple[int, int]]) -> None:
    found = await brakes.held_since(start, NOON - 24 * HOUR)

    assert {Held(NOON - since * HOUR, NOON - until * HOUR) for since, until in hours} == set(found)
