"""Stop-all and start-all over HTTP, and where one sees that everything is stopped."""

import json

import pytest
from tests.api.backfill_fixtures import PATH, client, control, operations, workflow  # noqa: F401  # fixtures
from tests.api.conftest import Client, Serve
from tests.support.backfills import make_backfill, put_into
from tests.support.clock import NOON

from backfilld.api.public.stopping import routes
from backfilld.domain.backfills.holding import Reason
from backfilld.domain.backfills.states import ReasonCode, Status
from backfilld.domain.errors import Unavailable
from backfilld.operations.stopping import StopOperations
from backfilld.store.admin.stopping import StopStore
from backfilld.store.connection.pool import Pool


class Confirming:
    """In place of `engine.starting.stop_order.Stopping`."""

    def __init__(self) -> None:
        self.confirmed: list[int] = []
        self.looks = 0
        self.is_deaf = False

    async def look(self) -> None:
        self.looks += 1

    async def confirm(self, version: int) -> None:
        if self.is_deaf:
            raise Unavailable("not yet", code="not_confirmed", retry_after_seconds=1)
        self.confirmed.append(version)


@pytest.fixture
def stopping() -> Confirming:
    return Confirming()


@pytest.fixture
async def admin(pool: Pool, clock, stopping: Confirming, serve: Serve) -> Client:
    return await serve(routes(StopOperations(pool, StopStore(pool), stopping, clock)), role="admin")


async def data(answer) -> dict:
    assert 200 == answer.status, await answer.text()

    return (await answer.json())["data"]


async def test_stopping_is_stored_confirmed_and_told(admin: Client, pool: Pool, stopping: Confirming):
    told = await data(await admin.post("/public-api/stop-all", json={"reason": "the target burns"}))
    order = await StopStore(pool).get()

    assert (True, "the admin", "the target burns", "2027-03-01T12:00:00Z") == tuple(
        told[name] for name in ("stopped", "by", "reason", "since")
    )
    assert "Everything was stopped by the admin: “the target burns”." == order.message
    assert [order.version] == stopping.confirmed


async def test_a_body_is_not_needed(admin: Client):
    assert (await data(await admin.post("/public-api/stop-all")))["stopped"]
    assert not (await data(await admin.post("/public-api/start-all")))["stopped"]


async def test_stopping_twice_changes_nothing_and_confirms_again(admin: Client, pool: Pool, stopping: Confirming):
    await data(await admin.post("/public-api/stop-all", json={"reason": "first"}))
    told = await data(await admin.post("/public-api/stop-all", json={"reason": "second"}))

    assert "first" == told["reason"]
    assert [1, 1] == stopping.confirmed
    assert 1 == await pool.fetchval("SELECT count(*) FROM audit_log")


async def test_starting_what_is_not_stopped_changes_nothing(admin: Client, pool: Pool):
    told = await data(await admin.post("/public-api/start-all"))

    assert (False, None, "nothing is stopped") == (told["stopped"], told["by"], told["message"])
    assert 0 == await pool.fetchval("SELECT count(*) FROM audit_log")


async def test_both_are_written_down_with_who_and_why(admin: Client, pool: Pool):
    await admin.post("/public-api/stop-all", json={"reason": "fire"})
    await admin.post("/public-api/start-all", json={"reason": "out"})
    rows = await pool.fetch("SELECT * FROM audit_log ORDER BY id")

    assert [
        ("daemon.stop_all", "key:admin", "daemon", "fire", {"stopped": True}),
        ("daemon.start_all", "key:admin", "daemon", "out", {"stopped": False}),
    ] == [(row["action"], row["actor"], row["subject"], row["reason"], json.loads(row["new"])) for row in rows]


async def test_an_order_that_is_not_confirmed_is_stored_all_the_same(admin: Client, pool: Pool, stopping: Confirming):
    stopping.is_deaf = True
    answer = await admin.post("/public-api/stop-all")
    body = await answer.json()

    assert (503, "not_confirmed", "1") == (answer.status, body["error"]["code"], answer.headers["Retry-After"])
    assert (await StopStore(pool).get()).stopped


@pytest.mark.parametrize(
    ("role", "verb", "status"),
    [
        ("viewer", "stop-all", 403), ("operator", "stop-all", 200), ("admin", "stop-all", 200),
        ("viewer", "start-all", 403), ("operator", "start-all", 403), ("admin", "start-all", 200),
    ],
)  # fmt: skip
async def test_an_operator_may_stop_everything_and_an_administrator_start_it(
    pool: Pool, clock, stopping: Confirming, serve: Serve, role: str, verb: str, status: int
):
    caller = await serve(routes(StopOperations(pool, StopStore(pool), stopping, clock)), role=role)

    assert status == (await caller.post(f"/public-api/{verb}")).status


async def test_an_unknown_field_is_refused(admin: Client, pool: Pool):
    assert 422 == (await admin.post("/public-api/stop-all", json={"resaon": "x"})).status
    assert not (await StopStore(pool).get()).stopped


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (Status.PLANNING, "stopped_by_operator"),
        (Status.RUNNING, "stopped_by_operator"),
        (Status.WAITING, "stopped_by_operator"),
        (Status.PAUSED, None),
        (Status.COMPLETED, None),
    ],
)
async def test_a_backfill_keeps_its_status_and_shows_why_it_is_held(client, control, pool, status, shown):  # noqa: F811
    backfill = await make_backfill(pool)
    await put_into(pool, backfill, status)
    control.stopped = Reason(ReasonCode.STOPPED_BY_OPERATOR, "everything was stopped by X", NOON)
    seen = (await data(await client.get(f"{PATH}/{backfill.id}")))["backfill"]

    assert status == seen["status"]
    assert shown == (seen["status_reason"] or {}).get("code")
