"""From a committed change to whoever is to hear of it: nothing is lost, nothing is told that did not happen."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.engine.notifications.listening import Listening, listening
from tests.support.backfills import make_backfill
from tests.support.clock import NOON, FakeClock
from tests.support.engine import engine_on
from tests.support.waiting import eventually

from backfilld.bus import Bus
from backfilld.domain.backfills.records import Backfill
from backfilld.domain.backfills.states import ENDED, ReasonCode, Status
from backfilld.engine.notifications.courier import SWITCHED_OFF, Courier
from backfilld.engine.notifications.deliverer import Deliverer
from backfilld.engine.notifications.endpoint import Endpoint, Sender
from backfilld.store.connection.pool import Pool
from backfilld.store.steering.brakes import BrakeStore
from backfilld.store.steering.deliveries import DeliveryStore


class World:
    """A deliverer that a test drives by hand, and the endpoint it delivers to."""

    def __init__(self, pool: Pool, clock: FakeClock, hook: Listening, **changes: Any) -> None:
        self.pool, self.clock, self.hook = pool, clock, hook
        self.store = DeliveryStore(pool)
        self.deliverer = Deliverer(self.store, clock, Bus(), public_url="https://b.example")
        self.deliverer.put([self.endpoint(**changes)])

    def endpoint(self, name: str = "oncall", format: str = "standard", **changes: Any) -> Endpoint:
        return Endpoint(**{"name": name, "format": format, "url": lambda: self.hook.url} | changes)

    @property
    def courier(self) -> Courier:
        return next(iter(self.deliverer))

    async def told(self) -> list[str]:
        """Hand out and deliver what is due; what the endpoint has received in all."""
        await self.deliverer.tick()
        await self.courier.tick()
        return self.hook.types

    async def resend(self, name: str) -> int:
        async with self.pool.acquire() as connection:
            return await self.store.resend(name, None, self.clock.now(), on=connection)

    async def later(self, **by: float) -> list[str]:
        await self.clock.advance(timedelta(**by))
        return await self.told()

    async def states(self) -> list[tuple[str, int]]:
        """Of every delivery, newest first."""
        found = await self.store.list_page("oncall", None, before=None, limit=100)
        return [
            ("delivered" if one.delivered_at else "dead" if one.dead_at else "pending", one.attempts) for one in found
        ]


@pytest.fixture
async def hook() -> AsyncIterator[Listening]:
    async with listening() as found:
        yield found


@pytest.fixture
async def world(pool: Pool, clock: FakeClock, hook: Listening) -> AsyncIterator[World]:
    world = World(pool, clock, hook)
    yield world
    for courier in world.deliverer:
        await courier.close()


async def put_into(pool: Pool, backfill: Backfill, status: Status, code: ReasonCode | None) -> None:
    """Whatever the moves say: a test needs it there."""
    await pool.execute(
        "UPDATE backfills SET status = $2, planned_at = $4, completed_at = $5, reason_code = $3,"
        " reason_message = CASE WHEN $3::text IS NULL THEN NULL ELSE 'because' END,"
        " reason_since = CASE WHEN $3::text IS NULL THEN NULL ELSE $4::timestamptz END WHERE number = $1",
        backfill.number, status, code, NOON, NOON if status in ENDED else None,
    )  # fmt: skip


async def stopped(pool: Pool) -> None:
    """A backfill that was made, and has stopped itself."""
    backfill = await make_backfill(pool, name="Sync")
    await put_into(pool, backfill, Status.PAUSED, ReasonCode.TOO_MANY_FAILURES)


MOVES = [
    (Status.PAUSED, ReasonCode.AWAITING_APPROVAL, ["backfill.awaiting_approval"]),
    (Status.PAUSED, ReasonCode.SAMPLE_DONE, ["backfill.sample_done"]),
    (Status.PAUSED, ReasonCode.TOO_MANY_FAILURES, ["backfill.stopped"]),
    (Status.PAUSED, ReasonCode.BUDGET_EXHAUSTED, ["backfill.stopped"]),
    (Status.PAUSED, ReasonCode.PAUSED_BY_USER, []),
    (Status.RUNNING, None, []),
    (Status.RUNNING, ReasonCode.RATE_LIMITED, []),
    (Status.CANCELLED, None, ["backfill.cancelled"]),
    (Status.COMPLETED, None, ["backfill.completed"]),
    (Status.COMPLETED_WITH_FAILURES, None, ["backfill.completed_with_failures"]),
    (Status.FAILED, None, ["backfill.failed"]),
]


@pytest.mark.parametrize(("status", "code", "expected"), MOVES)
async def test_a_change_of_status_is_told(world: World, pool: Pool, status, code, expected: list[str]):
    await put_into(pool, await make_backfill(pool), status, code)

    assert ["backfill.created", *expected] == await world.told()


async def test_a_change_that_is_taken_back_is_not_told(world: World, pool: Pool):
    backfill = await make_backfill(pool)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "UPDATE backfills SET status = 'completed', completed_at = $2, planned_at = $2 WHERE number = $1",
            backfill.number, NOON,
        )  # fmt: skip
        await transaction.rollback()

    assert ["backfill.created"] == await world.told()


async def test_each_is_told_once_however_often_somebody_looks(world: World, pool: Pool):
    await stopped(pool)
    await world.told()

    assert ["backfill.created", "backfill.stopped"] == await world.later(hours=30)


async def test_endpoints_hear_of_what_they_want(pool: Pool, clock: FakeClock, hook: Listening):
    world = World(pool, clock, hook, events=frozenset({"stopped"}), workflows=frozenset({"default/*"}))
    other = World(pool, clock, hook, name="other", workflows=frozenset({"sales/*"}))
    world.deliverer.put(
        [world.endpoint(events=frozenset({"stopped"})), other.endpoint("other", workflows=frozenset({"sales/*"}))]
    )
    await stopped(pool)
    await world.told()

    assert ["backfill.stopped"] == hook.types
    assert 1 == await pool.fetchval("SELECT count(*) FROM deliveries")


async def test_a_message_is_signed_under_an_id_that_stays_over_all_tries(pool: Pool, clock: FakeClock, hook: Listening):
    keys = ["whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "QmFja2ZpbGxkQmFja2ZpbGxkQmFja2Zp"]
    world = World(pool, clock, hook, signing=lambda: keys, events=frozenset({"created"}))
    hook.answers = [500, 500, 204]
    await make_backfill(pool)
    await world.told()
    await world.later(seconds=6)
    await world.later(minutes=6)

    assert 1 == len(set(hook.ids))
    assert 3 == len(hook.received)
    assert [("delivered", 3)] == await world.states()
    for headers, _, body in hook.received:
        for key in keys:
            timed = Webhook(key)
            timed._Webhook__verify_timestamp = lambda at: datetime.fromtimestamp(float(at), UTC)  # years ahead, here
            assert timed.verify(body, {name.lower(): value for name, value in headers.items()})


async def test_an_endpoint_that_is_down_for_a_day_loses_nothing(world: World, pool: Pool, hook: Listening):
    hook.answers = [503]
    await stopped(pool)
    for _ in range(26):
        await world.later(hours=1)
    during = await world.states()
    hook.answers = [200]
    await world.later(hours=12)

    assert {"pending"} == {state for state, _ in during}
    assert {"delivered"} == {state for state, _ in await world.states()}
    assert {"backfill.created", "backfill.stopped"} == set(hook.types)


async def test_what_nobody_takes_is_dead_after_a_day_and_can_be_sent_again(world: World, pool: Pool, hook: Listening):
    hook.answers = [500]
    await make_backfill(pool)
    for _ in range(40):
        await world.later(hours=1)
    dead = await world.states()
    hook.answers = [200]
    number = await world.resend("oncall")
    await world.told()

    assert [("dead", 8)] == dead
    assert (1, [("delivered", 1)]) == (number, await world.states())
    assert 1 == len(set(hook.ids))


async def test_retry_after_is_obeyed(world: World, pool: Pool, hook: Listening):
    hook.answers, hook.headers = [429, 200], {"Retry-After": "600"}
    await make_backfill(pool)
    await world.told()
    before = len(await world.later(seconds=590))

    assert (1, 2) == (before, len(await world.later(seconds=11)))


async def test_410_switches_the_endpoint_off_until_its_address_is_another(world: World, pool: Pool, hook: Listening):
    hook.answers = [410]
    await make_backfill(pool)
    await world.told()
    await stopped(pool)
    await world.later(days=1)
    off = (await world.store.switches())["oncall"]
    while_off = await world.states()
    world.deliverer.put([world.endpoint(url=lambda: hook.url + "/new")])
    hook.answers = [200]
    await world.told()

    assert SWITCHED_OFF == off.why
    assert [("dead", 0), ("dead", 0), ("dead", 1)] == while_off
    assert {} == await world.store.switches()
    assert 1 == len(hook.received)
    assert 3 == await world.resend("oncall")


async def test_redirects_are_not_followed(world: World, pool: Pool, hook: Listening):
    hook.answers, hook.headers = [302], {"Location": hook.url + "/elsewhere"}
    await make_backfill(pool)
    await world.told()

    assert 1 == len(hook.received)
    assert [("pending", 1)] == await world.states()


@pytest.mark.parametrize("address", ["http://169.254.169.254/hook", "http://[fd00:ec2::254]/hook"])
async def test_a_metadata_service_is_told_nothing(clock: FakeClock, address: str):
    sender = Sender(Endpoint("x", "standard", lambda: address), clock)
    tried = await sender.send("msg_1", {"type": "test", "data": {}})

    assert not tried.is_done
    assert "never a target" in str(tried.error)


async def test_a_chat_is_told_again_and_marked_when_an_answer_did_not_come(
    pool: Pool, clock: FakeClock, hook: Listening
):
    world = World(pool, clock, hook, format="slack")
    world.courier.sender = Sender(world.endpoint(format="slack"), clock, seconds=0.2)
    hook.answers = [0]
    await make_backfill(pool, name="Sync")
    await world.told()
    hook.answers = [200]
    await world.later(seconds=6)

    assert ["Sync created", "Sync created (again)"] == [body["text"] for _, body, _ in hook.received]


async def test_whoever_dies_between_a_commit_and_the_send_loses_nothing(world: World, pool: Pool, clock: FakeClock):
    await stopped(pool)
    await world.deliverer.tick()
    taken = await world.store.take_due("oncall", clock.now(), held=timedelta(seconds=60), limit=10)
    meanwhile = await world.told()  # the one who took them is dead, and nobody knows
    told = await world.later(seconds=61)

    assert 2 == len(taken)
    assert [] == meanwhile
    assert {"backfill.created", "backfill.stopped"} == set(told)


async def held_up(pool: Pool) -> Backfill:
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, Status.RUNNING, ReasonCode.TARGET_UNREACHABLE)
    return backfill


async def test_an_outage_is_told_after_five_minutes_once_and_so_is_its_end(world: World, pool: Pool, clock: FakeClock):
    backfill = await held_up(pool)
    early = await world.later(minutes=4, seconds=50)
    late = list(await world.later(seconds=20))
    again = list(await world.later(minutes=30))
    await put_into(pool, backfill, Status.RUNNING, None)
    over = await world.later(minutes=2)

    assert ["backfill.created"] == early[:1]
    assert ["backfill.created", "backfill.held_up"] == late == again
    assert ["backfill.created", "backfill.held_up", "backfill.recovered"] == over
    assert over == await world.later(minutes=30)


async def test_what_somebody_paused_meanwhile_has_not_recovered(world: World, pool: Pool, clock: FakeClock):
    backfill = await held_up(pool)
    await world.later(minutes=6)
    await put_into(pool, backfill, Status.PAUSED, ReasonCode.PAUSED_BY_USER)

    assert ["backfill.created", "backfill.held_up"] == await world.later(minutes=10)


async def test_a_brake_that_latches_is_told_once(world: World, pool: Pool, clock: FakeClock):
    store = BrakeStore(pool)
    for _ in range(3):
        await store.latch("crm_lag", clock.now(), 130.0, "Braked by crm_lag.")
    await world.told()

    assert [{"name": "crm_lag", "value": 130}] == [body["data"]["brake"] for _, body, _ in world.hook.received]


async def test_whoever_listens_later_is_not_told_of_what_was_long_ago(world: World, pool: Pool, clock: FakeClock):
    endpoints = [courier.endpoint for courier in world.deliverer]
    world.deliverer.put([])
    await make_backfill(pool)
    await clock.advance(timedelta(hours=2))
    await world.deliverer.tick()
    world.deliverer.put(endpoints)

    assert [] == await world.told()


async def test_dead_letters_are_kept_for_thirty_days(world: World, pool: Pool, hook: Listening):
    hook.answers = [410]
    await make_backfill(pool)
    await world.told()
    await world.later(days=29)
    kept = await world.states()
    await world.later(days=2)

    assert ([("dead", 1)], []) == (kept, await world.states())


async def test_an_endpoint_that_hangs_delays_no_item_and_no_other_endpoint(dsn, pool: Pool, hook: Listening):
    async with listening() as hanging, engine_on(dsn, pool) as engine:
        hanging.answers = [0]
        deliverer = Deliverer(DeliveryStore(pool), engine.clock, engine.tools.bus)
        slow = Endpoint("slow", "standard", lambda: hanging.url)
        deliverer.put([slow, Endpoint("quick", "standard", lambda: hook.url)])
        serving = asyncio.create_task(deliverer.serve())
        backfill = await make_backfill(pool, filter_resolved={"match_all": True})
        engine.scheduler.nudge()
        await engine.until(backfill, "completed")
        await eventually(lambda: "backfill.completed" in hook.types)
        held = list(hanging.types)
        serving.cancel()
        await asyncio.wait({serving})

    assert ["backfill.created", "backfill.completed"] == hook.types
    assert "backfill.created" in held
    assert 2 == await pool.fetchval("SELECT count(*) FROM deliveries WHERE endpoint = 'slow' AND delivered_at IS NULL")
