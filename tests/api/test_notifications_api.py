"""Notifications over HTTP: what became of messages, a test, and sending again."""

import json
from collections.abc import AsyncIterator

import pytest
from tests.api.conftest import Client, Serve
from tests.engine.notifications.listening import Listening, listening
from tests.support.backfills import make_backfill
from tests.support.clock import NOON, FakeClock

from backfilld.api.public.notifications import routes
from backfilld.bus import Bus
from backfilld.engine.notifications.deliverer import Deliverer
from backfilld.engine.notifications.endpoint import Endpoint
from backfilld.operations.notifications import NotificationOperations
from backfilld.store.connection.pool import Pool
from backfilld.store.steering.deliveries import DeliveryStore

PATH = "/public-api/notifications"


class World:
    def __init__(self, deliverer: Deliverer, hook: Listening, admin: Client, operator: Client) -> None:
        self.deliverer, self.hook, self.admin, self.operator = deliverer, hook, admin, operator

    async def deliver(self) -> None:
        await self.deliverer.tick()
        for courier in self.deliverer:
            await courier.tick()

    async def listed(self) -> dict:
        return (await data(await self.operator.get(PATH)))["notifications"][0]

    async def deliveries(self, query: str = "") -> list[dict]:
        return (await data(await self.operator.get(f"{PATH}/oncall/deliveries{query}")))["deliveries"]


@pytest.fixture
async def world(pool: Pool, clock: FakeClock, serve: Serve) -> AsyncIterator[World]:
    async with listening() as hook:
        deliverer = Deliverer(DeliveryStore(pool), clock, Bus())
        deliverer.put([Endpoint("oncall", "standard", lambda: hook.url, frozenset({"created"}))])
        all_routes = routes(NotificationOperations(pool, deliverer, clock))
        yield World(deliverer, hook, await serve(all_routes, role="admin"), await serve(all_routes))
        for courier in deliverer:
            await courier.close()


async def data(answer) -> dict:
    assert 200 == answer.status, await answer.text()

    return (await answer.json())["data"]


async def test_an_endpoint_shows_where_it_is_and_what_became_of_its_messages(world: World, pool: Pool):
    await make_backfill(pool)
    await world.deliver()
    seen, delivered = await world.listed(), await world.deliveries()

    assert world.hook.url.removesuffix("/hook") == seen["origin"]
    assert (["created"], None, True, 0, 0) == tuple(
        seen[name] for name in ("events", "workflows", "enabled", "pending", "dead")
    )
    assert "2027-03-01T12:00:00Z" == seen["last_delivered_at"]
    assert [("created", "delivered", 1, 200)] == [
        (one["event"], one["state"], one["attempts"], one["http_status"]) for one in delivered
    ]
    assert world.hook.ids == [f"msg_{one['id'].replace('-', '')}" for one in delivered]


async def test_who_sent_a_test_is_written_down_and_whether_it_arrived(world: World, pool: Pool):
    world.hook.answers = [500, 200]
    await data(await world.operator.post(f"{PATH}/oncall/test"))
    await DeliveryStore(pool).switch_off("oncall", at=NOON, why="it answered 410", address=world.hook.url)
    await data(await world.operator.post(f"{PATH}/oncall/test"))
    rows = await pool.fetch(
        "SELECT actor, subject, old, new FROM audit_log WHERE action = 'notification.test' ORDER BY id"
    )
    failed, sent = (json.loads(row["new"]) for row in rows)

    assert {("key:operator", "notification/oncall")} == {(row["actor"], row["subject"]) for row in rows}
    assert {"arrived": False, "http_status": 500, "error": "it answers HTTP 500"} == failed
    assert {"arrived": True, "http_status": 200, "error": None, "enabled": True} == sent
    assert [None, {"enabled": False}] == [row["old"] and json.loads(row["old"]) for row in rows]


async def test_a_test_arrives_at_once_and_says_how_it_went(world: World):
    sent = await data(await world.operator.post(f"{PATH}/oncall/test"))
    world.hook.answers = [500]
    failed = await data(await world.operator.post(f"{PATH}/oncall/test"))

    assert (True, 200, None) == (sent["delivered"], sent["http_status"], sent["error"])
    assert (False, 500, "it answers HTTP 500") == (failed["delivered"], failed["http_status"], failed["error"])
    assert ["test", "test"] == world.hook.types


async def test_a_test_that_arrives_switches_it_on_again(world: World, pool: Pool):
    world.hook.answers = [410]
    await make_backfill(pool)
    await world.deliver()
    off = await world.listed()
    world.hook.answers = [200]
    await world.operator.post(f"{PATH}/oncall/test")

    assert (False, 1) == (off["enabled"], off["dead"])
    assert (await world.listed())["enabled"]


async def test_dead_messages_are_sent_again_by_an_admin_one_or_all(world: World, pool: Pool):
    world.hook.answers = [410]
    for _ in range(3):
        await make_backfill(pool)
        await world.deliver()
    dead = await world.deliveries("?state=dead")
    forbidden = await world.operator.post(f"{PATH}/oncall/deliveries/{dead[0]['id']}/resend")
    one = await data(await world.admin.post(f"{PATH}/oncall/deliveries/{dead[0]['id']}/resend"))
    twice = await world.admin.post(f"{PATH}/oncall/deliveries/{dead[0]['id']}/resend")
    rest = await data(await world.admin.post(f"{PATH}/oncall/deliveries/resend"))
    world.hook.answers = [200]
    await world.deliver()

    assert 3 == len(dead)
    assert (403, 409) == (forbidden.status, twice.status)
    assert (1, 2) == (one["resent"], rest["resent"])
    assert 3 == len(await world.deliveries("?state=delivered"))
    assert 2 == await pool.fetchval("SELECT count(*) FROM audit_log WHERE action = 'notification.resend'")


async def test_messages_are_listed_by_pages(world: World, pool: Pool):
    for _ in range(5):
        await make_backfill(pool)
    await world.deliver()
    seen, cursor = [], ""
    for _ in range(3):
        answer = await (await world.operator.get(f"{PATH}/oncall/deliveries?page_size=2{cursor}")).json()
        seen += [one["id"] for one in answer["data"]["deliveries"]]
        cursor = f"&cursor={answer['meta']['pagination']['next_cursor']}"

    assert 5 == len(set(seen)) == len(seen)
    assert not answer["meta"]["pagination"]["has_more"]


@pytest.mark.parametrize(
    ("method", "rest"), [("POST", "/test"), ("GET", "/deliveries"), ("POST", "/deliveries/resend")]
)
async def test_a_misspelt_name_is_answered_with_the_nearest(world: World, method: str, rest: str):
    answer = await world.admin.request(method, f"{PATH}/oncal{rest}")

    assert 404 == answer.status
    assert "did you mean 'oncall'?" in (await answer.json())["error"]["message"]


async def test_a_message_that_there_is_not_is_a_404(world: World):
    answer = await world.admin.post(f"{PATH}/oncall/deliveries/6f1c1a34-5d0e-4a53-9f43-0e9b4d3f7c11/resend")

    assert 404 == answer.status
