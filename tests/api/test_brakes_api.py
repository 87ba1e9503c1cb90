"""Brakes over HTTP: what is seen, and the three verbs."""

import pytest
from tests.api.conftest import Client, Serve
from tests.engine.brakes.signals import Scripted, brake
from tests.support.clock import FakeClock

from backfilld.api.public.brakes import routes
from backfilld.bus import Bus
from backfilld.engine.brakes.board import Brakes
from backfilld.operations.brakes import BrakeOperations
from backfilld.store.connection.pool import Pool
from backfilld.store.steering.brakes import BrakeStore

PATH = "/public-api/brakes"


class World:
    def __init__(self, brakes: Brakes, signal: Scripted, admin: Client, operator: Client) -> None:
        self.brakes, self.signal, self.admin, self.operator = brakes, signal, admin, operator

    async def look(self, value: float | None, times: int = 1) -> None:
        self.signal.value = value
        for _ in range(times):
            await self.brakes.find("crm_lag").look()
        await self.brakes.remember()

    async def seen(self) -> dict:
        return (await data(await self.operator.get(PATH)))["brakes"][0]


@pytest.fixture
async def world(pool: Pool, clock: FakeClock, serve: Serve) -> World:
    brakes, signal = Brakes(BrakeStore(pool), clock, Bus()), Scripted()
    brakes.put([brake("crm_lag", signal)])
    await brakes.remember()
    all_routes = routes(BrakeOperations(pool, brakes, clock))
    return World(brakes, signal, await serve(all_routes, role="admin"), await serve(all_routes))


async def data(answer) -> dict:
    assert 200 == answer.status, await answer.text()

    return (await answer.json())["data"]


async def refused(answer) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]["code"]


async def test_a_brake_says_what_it_sees_and_why_it_holds(world: World):
    await world.look(14.2)
    seen = await world.seen()

    assert (True, 14.2, "braked") == (seen["holds"], seen["value"], seen["hold"]["code"])
    assert "14.2 is more than 10" in seen["hold"]["message"]
    assert {"above": True, "hold": 10, "release": 5, "critical": 120} == seen["thresholds"]
    assert {"workflows": None, "targets": None, "live": False} == seen["applies_to"]
    assert [14.2] == [sample["value"] for sample in seen["last_hour"]]
    assert [None] == [episode["ended_at"] for episode in seen["episodes"]]


async def test_what_cannot_be_seen_is_told(world: World):
    await world.look(None)

    assert "nobody answers" == (await world.seen())["last_error"]


async def test_to_test_it_looks_at_once(world: World):
    world.signal.value = 11
    seen = await data(await world.operator.post(f"{PATH}/crm_lag/test"))

    assert (11, True, False, None) == (seen["value"], seen["bad"], seen["critical"], seen["error"])
    assert seen["brake"]["holds"]


async def test_only_prometheus_knows_the_past(world: World):
    assert (422, "no_history") == await refused(await world.operator.post(f"{PATH}/crm_lag/test", json={"since": "7d"}))
    assert 422 == (await world.operator.post(f"{PATH}/crm_lag/test", json={"since": "ever"})).status


async def test_a_latch_stays_until_it_is_reset_which_is_refused_while_it_is_bad(world: World, pool: Pool):
    await world.look(121)
    latched = await world.seen()
    bad = await refused(await world.operator.post(f"{PATH}/crm_lag/reset"))
    world.signal.value = None
    blind = await refused(await world.operator.post(f"{PATH}/crm_lag/reset"))
    await world.look(1, times=3)
    still = (await world.seen())["hold"]["code"]
    done = await data(await world.operator.post(f"{PATH}/crm_lag/reset", json={"reason": "mended"}))
    again = await data(await world.operator.post(f"{PATH}/crm_lag/reset"))
    rows = await pool.fetch("SELECT action, reason FROM audit_log ORDER BY id")

    assert ("braked_critically", 121) == (latched["hold"]["code"], latched["critical_value"])
    assert [(409, "brake_bad")] * 2 == [bad, blind]
    assert "braked_critically" == still
    assert (False, None) == (done["brake"]["holds"], done["brake"]["critical_since"])
    assert "nothing new: it was not latched" == again["message"]
    assert [("brake.latch", latched["hold"]["message"]), ("brake.reset", "mended")] == [tuple(row) for row in rows]


async def test_a_reset_takes_a_latch_away_that_was_not_written_down_yet(world: World, pool: Pool):
    world.signal.value = 121
    await world.brakes.find("crm_lag").look()
    world.signal.value = 1
    await data(await world.operator.post(f"{PATH}/crm_lag/reset"))
    await world.look(1, times=3)

    assert not (await world.seen())["holds"]


async def test_a_release_is_for_admins_and_ends_by_itself(world: World, clock: FakeClock, pool: Pool):
    await world.look(121)
    body = {"until": "2027-03-01T13:00:00Z", "reason": "known"}
    operator = await world.operator.post(f"{PATH}/crm_lag/release", json=body)
    done = await data(await world.admin.post(f"{PATH}/crm_lag/release", json=body))
    await clock.advance(3600)
    later = await world.seen()
    row = await pool.fetchrow("SELECT actor, reason, new FROM audit_log WHERE action = 'brake.release'")

    assert 403 == operator.status
    assert (False, "the admin", "known") == tuple(
        done["brake"][name] for name in ("holds", "released_by", "release_reason")
    )
    assert ("braked_critically", None) == (later["hold"]["code"], later["released_until"])
    assert ("key:admin", "known") == (row["actor"], row["reason"])


@pytest.mark.parametrize("until", ["2027-03-01T12:00:00Z", "2027-03-02T12:00:01Z", "2027-02-28T12:00:00Z"])
async def test_a_release_is_at_most_a_day_long(world: World, until: str):
    assert (422, "out_of_range") == await refused(
        await world.admin.post(f"{PATH}/crm_lag/release", json={"until": until})
    )


async def test_a_misspelt_name_is_answered_with_the_nearest(world: World):
    for verb in ("test", "reset"):
        answer = await world.operator.post(f"{PATH}/crm_lagg/{verb}")

        assert 404 == answer.status
        assert "did you mean 'crm_lag'?" in (await answer.json())["error"]["message"]
